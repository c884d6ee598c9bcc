"""Scenarios that were made by hand, one for each rule: `rules/TOPIC/NAME.yaml`.

The first document says the rule, where Istio's source has it, and the requests: URLs, or what a
request is made of, then with a rule of its own if need be. The others are added to the objects of
`rules/base.yaml`, or replace those of the same kind, namespace and name.
"""

from functools import cache
from pathlib import Path

import yaml

from tests.conformance.folders import Loader
from tests.conformance.scenarios.defaults import add_defaults
from tests.conformance.scenarios.gateways import CLASS
from tests.conformance.truth import Json, Scenario

RULES = Path(__file__).parent / "rules"
CLASSES: list[Json] = [
    CLASS,
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "istio"},
        "spec": {"controller": "istio.io/ingress-controller"},
    },
]
Key = tuple[str, str, str]


def every() -> list[Scenario]:
    """Return the scenarios, with requests but no answers."""
    return [scenario(path) for path in paths()]


def paths() -> list[Path]:
    """Return the file of each."""
    return sorted(RULES.glob("*/*.yaml"))


def scenario(path: Path) -> Scenario:
    """Return the scenario of one file."""
    head, *own = _documents(path)
    objects = {_key(each): each for each in (*_base(), *CLASSES, *own)}
    found = list(objects.values())
    add_defaults(found)
    return Scenario(
        name=path.stem,
        objects=found,
        requests=[_request(each) for each in head["requests"]],
        rule=head.get("rule", ""),
        source=head.get("source", []),
    )


def _documents(path: Path) -> list[Json]:
    return list(yaml.load_all(path.read_text(encoding="utf-8"), Loader))


@cache
def _base() -> tuple[Json, ...]:
    return tuple(_documents(RULES / "base.yaml"))


def _key(document: Json) -> Key:
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]


def _request(written: str | Json) -> Json:
    request = {"url": written} if isinstance(written, str) else written
    return {"method": "GET", "headers": {}, **request}
