"""Truth as files in a folder: NAME.json and NAME.yaml, or NAME/expected.json and objects.yaml."""

import json
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.conformance.truth import Json, Recording, Scenario

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(folder: Path) -> Recording:
    """Return what a folder holds; versions are those of its first scenario."""
    truths = [(path, json.loads(path.read_text(encoding="utf-8"))) for path in _paths(folder)]
    first = truths[0][1]
    return Recording(
        kind=folder.name,
        istio=first["istio"],
        envoy=first["envoy"],
        scenarios=[_scenario(path, truth) for path, truth in truths],
    )


def _paths(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.json")) + sorted(folder.glob("*/expected.json"))
    if not found:
        raise SystemExit(f"no truth in {folder}")
    return found


def _scenario(path: Path, truth: Json) -> Scenario:
    text = (path.parent / truth["objects"]).read_text(encoding="utf-8")
    return Scenario(
        name=truth["scenario"],
        objects=list(_documents(text)),
        requests=truth["requests"],
        rule=truth.get("rule", ""),
        source=truth.get("source", []),
        refused=truth.get("refused", {}),
    )


def _documents(text: str) -> Iterator[Json]:
    return (each for each in yaml.load_all(text, Loader) if each)
