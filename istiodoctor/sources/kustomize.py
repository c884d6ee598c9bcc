"""What kustomizations do to the files beside them: patches, names, and the namespace of all.

Nothing is built here: that is what `--render` is for. What a kustomization changes is not known
without it.

Sources: kubernetes-sigs/kustomize `api/types/kustomization.go` (fields), `api/krusty/` (order);
kubectl.docs.kubernetes.io, The Kustomization File.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from istiodoctor.sources.input_files import UnreadableError, read_bytes
from istiodoctor.sources.yaml_documents import YamlError, parse, split

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
"""Kustomizations that lead to one another."""
MAX_REACHED = 200_000
"""Files that all kustomizations together take in, each counted every time."""
MAX_CHANGES = 200
"""Changes to the objects of one file that are told apart; beyond, all of them are changed."""
RENAMES = ("namePrefix", "nameSuffix")
REWRITES = (
    "components",
    "configurations",
    "openapi",
    "replacements",
    "transformers",
    "validators",
    "vars",
)
"""Fields after which any object may look different."""
GENERATORS = {"secretGenerator": "Secret", "configMapGenerator": "ConfigMap"}
MAKES_ANYTHING = ("generators", "helmCharts", "helmChartInflationGenerator", "helmGlobals")
PLUGINS = ("generators", "transformers", "validators", "helmCharts", "helmChartInflationGenerator")
NO_PATHS = frozenset({
    "annotations", "commonAnnotations", "commonLabels", "digest", "images", "labels", "literals",
    "namePrefix", "nameSuffix", "namespace", "patch", "replicas", "target", "vars",
})  # fmt: skip
"""Fields of a kustomization that hold no path, whatever they look like."""
MAX_SHOWN = 100
"""Characters of a path that are told."""
REMOTE = re.compile(r"://|^git@|^(?:www\.)?(?:github|gitlab|bitbucket)\.(?:com|org)[/:]|\?ref=")


@dataclass(frozen=True, slots=True)
class Change:
    """Objects that a kustomization changes, by kind and name; empty for any."""

    by: str
    kind: str = ""
    name: str = ""

    def hits(self, kind: str, name: str) -> bool:
        """Whether an object is among them."""
        return self.kind in ("", kind) and self.name in ("", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What kustomizations make of the objects of one file."""

    namespace: str = ""
    """Where they put them; empty where none says, or several say different things."""
    overrides: bool = False
    """Whether that holds for objects, too, that name a namespace themselves."""
    changes: tuple[Change, ...] = ()

    def change(self, kind: str, name: str) -> str:
        """Say what changes an object; empty for nothing."""
        return next(
            (f"{each.by} changes it" for each in self.changes if each.hits(kind, name)), ""
        )


KUSTOMIZATION = "the kustomization "
"""How a change begins that building would show."""
UNTOUCHED = Treatment()


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A kustomization that no other one takes in: what is applied."""

    file: Path
    files: frozenset[Path] = frozenset()
    """What it takes in, all in all."""
    patches: frozenset[Path] = frozenset()
    fault: str = ""
    """Why it is not built: it leads out of the folder, to the network or to plugins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kustomized:
    """Files by their real paths, as the kustomizations of a folder treat them."""

    patches: frozenset[Path] = frozenset()
    """Parts of objects, to be laid over those of other files."""
    treatments: Mapping[Path, Treatment] = field(default_factory=dict)
    generated: tuple[tuple[Path, str], ...] = ()
    """Kustomizations that make objects which no file holds, and their kind; empty for any."""
    outside: tuple[tuple[Path, str], ...] = ()
    """Kustomizations that take in what is not in the folder, and what that is."""
    builds: tuple[Build, ...] = ()
    is_cut_short: bool = False

    def treatment(self, file: Path) -> Treatment:
        """Return what becomes of the objects of a file."""
        return self.treatments.get(file, UNTOUCHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What a kustomization takes in: files, and folders with other kustomizations."""

    files: frozenset[Path]
    folders: frozenset[Path]


def kustomized(folders: Iterable[Path], tops: Iterable[Path]) -> Kustomized:
    """Return what the kustomizations in these folders say, of files below `tops`.

    Those that do not parse say nothing.
    """
    return _Reading(tuple(tops)).of(tuple(folders))


def changes_of(content: Mapping[str, Any], by: str) -> tuple[Change, ...]:
    """Return what these fields of a kustomization change where another tool adds them to one."""
    changes = tuple(_Reading(()).changes(Path(), content, by))
    return changes if len(changes) <= MAX_CHANGES else (Change(by),)


class _Reading:
    """Follows kustomizations to the files they take in."""

    def __init__(self, tops: tuple[Path, ...]) -> None:
        self.tops = tops
        self.reached = 0
        self.known: dict[Path, tuple[Path, Mapping[str, Any]]] = {}
        self.outside: dict[tuple[Path, str], None] = {}

    def of(self, folders: tuple[Path, ...]) -> Kustomized:
        patches: set[Path] = set()
        given: dict[Path, set[str]] = defaultdict(set)
        changes: dict[Path, dict[Change, None]] = defaultdict(dict)
        generated: dict[tuple[Path, str], None] = {}
        builds: dict[Path, Build] = {}
        bases: set[Path] = set()
        for folder in folders:
            file, content = self.kustomization(folder)
            if not content:
                continue
            patches |= {_real(folder, name) for name in _patch_files(content)}
            generated |= dict.fromkeys((file, kind) for kind in _generated(content))
            namespace = content.get("namespace")
            namespace = namespace if isinstance(namespace, str) else ""
            within = (top for top in self.tops if file.is_relative_to(top))
            shown = str(file.relative_to(next(within, file.parent)))
            own = tuple(self.changes(folder, content, f"{KUSTOMIZATION}{shown}"))
            found = self.files(folder, content)
            builds[folder] = Build(
                file=file,
                files=found.files,
                patches=frozenset(
                    _real(each, name)
                    for each in found.folders
                    for name in _patch_files(self.kustomization(each)[1])
                ),
                fault=self.fault(found.folders),
            )
            bases |= found.folders - {folder}
            for reached in found.files:
                if namespace:
                    given[reached].add(namespace)
                if own:
                    changes[reached] |= dict.fromkeys(own)
        return Kustomized(
            patches=frozenset(patches),
            treatments={
                file: _treatment(given.get(file, set()), tuple(changes.get(file, ())))
                for file in {*given, *changes}
            },
            generated=tuple(generated),
            outside=tuple(self.outside),
            builds=tuple(each for folder, each in builds.items() if folder not in bases),
            is_cut_short=self.reached > MAX_REACHED,
        )

    def kustomization(self, folder: Path) -> tuple[Path, Mapping[str, Any]]:
        if folder not in self.known:
            self.known[folder] = _kustomization(folder)
        return self.known[folder]

    def files(self, folder: Path, content: Mapping[str, Any]) -> "Reached":
        """Return what a kustomization takes in, with what its bases do."""
        waiting = [(folder, content, 0)]
        done = {folder: True}
        while waiting and self.reached <= MAX_REACHED:
            folder, content, depth = waiting.pop()
            for name in _taken_in(content):
                self.reached += 1
                path = self.inside(folder, name)
                if path is None or path in done:
                    continue
                done[path] = path.is_dir()
                if done[path] and depth < MAX_DEPTH:
                    waiting.append((path, self.kustomization(path)[1], depth + 1))
        return Reached(
            files=frozenset(path for path, is_folder in done.items() if not is_folder),
            folders=frozenset(path for path, is_folder in done.items() if is_folder),
        )

    def fault(self, folders: Iterable[Path]) -> str:
        """Say why kustomizations are not built; empty where they can be."""
        for folder in sorted(folders):
            content = self.kustomization(folder)[1]
            if any(content.get(key) for key in PLUGINS):
                return "it asks for generators, transformers or charts of its own"
            for text in _paths(content):
                if REMOTE.search(text):
                    return f"it leads to the network ({text[:MAX_SHOWN]})"
                if self.inside(folder, text) is None and ".." in text:
                    return f"it leads out of the folder ({text[:MAX_SHOWN]})"
            for name in _taken_in(content):
                if not _real(folder, name).exists():
                    return f"{name[:MAX_SHOWN]}, which it takes in, is not there"
        return ""

    def inside(self, folder: Path, name: str) -> Path | None:
        """Return what a kustomization takes in; None for what is elsewhere, which is noted."""
        if "\0" in name:
            return None
        file = self.kustomization(folder)[0]
        if REMOTE.search(name):
            self.outside[file, name] = None
            return None
        path = _real(folder, name)
        if not any(path.is_relative_to(top) for top in self.tops):
            self.outside[file, name] = None
            return None
        return path

    def changes(self, folder: Path, content: Mapping[str, Any], by: str) -> Iterator[Change]:
        if any(content.get(key) for key in (*RENAMES, *REWRITES)) or _labels_selectors(content):
            yield Change(by)
            return
        for image in _items(content, "images"):
            name = str(image.get("name", "")) if isinstance(image, dict) else ""
            if name == "auto" or "proxyv2" in name or "pilot" in name:
                yield from (Change(by, kind) for kind in ("Deployment", "DaemonSet", "Pod"))
        targets = {each for patch in _patches(content) for each in self.targets(folder, patch)}
        if len(targets) > MAX_CHANGES:
            targets = {("", "")}
        yield from (Change(by, kind, name) for kind, name in sorted(targets))

    def targets(self, folder: Path, patch: Any) -> Iterator[tuple[str, str]]:
        """Yield kind and name of the objects that a patch changes; empty for any."""
        target = patch.get("target") if isinstance(patch, dict) else None
        if isinstance(target, dict):
            # Regular expressions; with a selector of labels any may be meant.
            kind, name = target.get("kind"), target.get("name")
            yield _plain(kind), _plain(name)
            return
        for text in self.texts(folder, patch):
            try:
                found = [parse(piece.text) for piece in split(text)]
            except YamlError:
                yield "", ""
                continue
            for each in found:
                metadata = each.get("metadata") if isinstance(each, dict) else None
                name = metadata.get("name") if isinstance(metadata, dict) else None
                kind = each.get("kind") if isinstance(each, dict) else None
                yield _text(kind), _text(name)

    def texts(self, folder: Path, patch: Any) -> Iterator[str]:
        if isinstance(patch, dict) and isinstance(patch.get("patch"), str):
            yield patch["patch"]
            return
        name = patch.get("path") if isinstance(patch, dict) else patch
        if not isinstance(name, str):
            return
        if "\n" in name:
            yield name
        elif (path := self.inside(folder, name)) is not None:
            try:
                yield read_bytes(path, limit=MAX_BYTES).decode()
            except (UnreadableError, ValueError):
                yield "["  # it changes something, and nobody knows what


def _treatment(namespaces: set[str], changes: tuple[Change, ...]) -> Treatment:
    if len(changes) > MAX_CHANGES:
        changes = (Change(changes[0].by),)
    return Treatment(
        namespace=min(namespaces) if len(namespaces) == 1 else "",
        overrides=bool(namespaces),
        changes=changes,
    )


def _kustomization(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    for name in NAMES:
        try:
            found = parse(read_bytes(folder / name, limit=MAX_BYTES).decode())
        except (UnreadableError, YamlError, ValueError):
            continue
        if isinstance(found, dict):
            return folder / name, found
    return folder, {}


def _patches(content: Mapping[str, Any]) -> Iterator[Any]:
    for key in ("patches", "patchesJson6902", "patchesStrategicMerge"):
        yield from _items(content, key)


def _patch_files(content: Mapping[str, Any]) -> Iterator[str]:
    for each in _patches(content):
        name = each.get("path") if isinstance(each, dict) else each
        if isinstance(name, str) and "\n" not in name and not REMOTE.search(name):
            yield name


def _taken_in(content: Mapping[str, Any]) -> Iterator[str]:
    for key in ("resources", "bases", "components"):
        yield from (name for name in _items(content, key) if isinstance(name, str))


def _paths(value: Any) -> Iterator[str]:
    """Yield every text of a kustomization that may be a path."""
    if isinstance(value, str):
        if "\n" not in value:
            yield value
    elif isinstance(value, list):
        for each in value:
            yield from _paths(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key not in NO_PATHS:
                yield from _paths(each)


def _generated(content: Mapping[str, Any]) -> Iterator[str]:
    yield from (kind for key, kind in GENERATORS.items() if content.get(key))
    if any(content.get(key) for key in MAKES_ANYTHING):
        yield ""


def _labels_selectors(content: Mapping[str, Any]) -> bool:
    """Whether labels are added that pods get, and selectors ask for."""
    if content.get("commonLabels"):
        return True
    return any(
        isinstance(each, dict) and (each.get("includeSelectors") or each.get("includeTemplates"))
        for each in _items(content, "labels")
    )


def _plain(pattern: Any) -> str:
    """Return a name that a regular expression stands for; empty where it may be several."""
    text = _text(pattern)
    return text if re.fullmatch(r"[\w-]*", text) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _items(content: Mapping[str, Any], key: str) -> list[Any]:
    found = content.get(key)
    return found if isinstance(found, list) else []


def _real(folder: Path, name: str) -> Path:
    return Path(folder, name).resolve() if "\0" not in name else folder
