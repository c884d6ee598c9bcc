"""What kustomizations say of the files beside them: patches, and the namespace of the others."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from istiodoctor.sources.input_files import UnreadableError, read_bytes
from istiodoctor.sources.yaml_documents import YamlError, parse

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 8
"""Kustomizations that lead to one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kustomized:
    """Files by their real paths, as the kustomizations of a folder treat them."""

    patches: frozenset[Path] = frozenset()
    """Parts of objects, to be laid over those of other files."""
    namespaces: Mapping[Path, str] = field(default_factory=dict)
    """What objects without a namespace get; only where all kustomizations agree on it."""


def kustomized(folders: Iterable[Path]) -> Kustomized:
    """Return what the kustomizations in these folders say; those that do not parse say nothing."""
    patches: set[Path] = set()
    given: dict[Path, set[str]] = defaultdict(set)
    for folder in folders:
        content = _kustomization(folder)
        patches |= {_real(folder, name) for name in _patch_names(content)}
        if isinstance(namespace := content.get("namespace"), str) and namespace:
            for file in _resources(folder, content, MAX_DEPTH):
                given[file].add(namespace)
    unambiguous = {file: min(names) for file, names in given.items() if len(names) == 1}
    return Kustomized(patches=frozenset(patches), namespaces=unambiguous)


def _kustomization(folder: Path) -> Mapping[str, Any]:
    for name in NAMES:
        try:
            found = parse(read_bytes(folder / name, limit=MAX_BYTES).decode())
        except (UnreadableError, YamlError, ValueError):
            continue
        if isinstance(found, dict):
            return found
    return {}


def _patch_names(content: Mapping[str, Any]) -> Iterator[str]:
    for key in ("patches", "patchesJson6902"):
        for each in _items(content, key):
            if isinstance(each, dict) and isinstance(each.get("path"), str):
                yield each["path"]
    for each in _items(content, "patchesStrategicMerge"):
        if isinstance(each, str) and "\n" not in each:
            yield each


def _resources(folder: Path, content: Mapping[str, Any], depth: int) -> Iterator[Path]:
    """Yield the files that a kustomization takes in, those of its bases included."""
    for key in ("resources", "bases"):
        for name in _items(content, key):
            if not isinstance(name, str) or "://" in name or "\0" in name:
                continue
            path = _real(folder, name)
            if not path.is_dir():
                yield path
            elif depth:
                yield from _resources(path, _kustomization(path), depth - 1)


def _items(content: Mapping[str, Any], key: str) -> list[Any]:
    found = content.get(key)
    return found if isinstance(found, list) else []


def _real(folder: Path, name: str) -> Path:
    return Path(folder, name).resolve() if "\0" not in name else folder
