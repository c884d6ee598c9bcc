"""Which scenarios are recorded: some seeds of each kind, and all that were made by hand."""

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from tests.conformance import handmade, scenarios
from tests.conformance.scenarios.cluster import ISTIO_VERSION
from tests.conformance.truth import Scenario

SEEDS: Mapping[str, int] = MappingProxyType(
    {
        "istio": 250,
        "gateway": 250,
        "clients": 80,
        "mesh": 80,
        "policies": 80,
        "routes": 120,
        "ingress": 80,
        "filters": 40,
    }
)
"""How many seeds of each kind are recorded, from 1 on."""
OLDER_SEEDS: Mapping[str, int] = MappingProxyType(
    {"istio": 60, "gateway": 60, "mesh": 30, "policies": 30, "routes": 60, "ingress": 30}
)
"""How many of them are recorded with the oldest istiod that there is a module of, too."""
OLDER = "-1.30"
"""What the names of those recordings end in: the release that this istiod is next to."""
OLDER_VERSION = "1.30.0"
RULES = "rules"
"""The scenarios that were made by hand, one for each rule."""


def random(kind: str, first: int, count: int) -> list[Scenario]:
    """Return scenarios of a kind by their seeds, with requests but no answers."""
    found = []
    for seed in range(first, first + count):
        objects, requests = scenarios.KINDS[kind](seed)
        name = f"{kind}-{seed:06d}"
        found.append(Scenario(name=name, objects=objects, requests=requests))
    return found


def recorded(kind: str) -> list[Scenario]:
    """Return every scenario of a recording, by its name."""
    if kind.endswith(OLDER):
        of = kind.removesuffix(OLDER)
        found = handmade.every() if of == RULES else random(of, 1, OLDER_SEEDS[of])
        return [older(each) for each in found]
    return handmade.every() if kind == RULES else random(kind, 1, SEEDS[kind])


def older(scenario: Scenario) -> Scenario:
    """Return a scenario with istiod and gateways of the older release."""
    text = json.dumps(scenario.objects).replace(f":{ISTIO_VERSION}", f":{OLDER_VERSION}")
    return replace(scenario, objects=json.loads(text))


def names(*, older: bool) -> list[str]:
    """Return the names of the recordings with one istiod."""
    seeds, suffix = (OLDER_SEEDS, OLDER) if older else (SEEDS, "")
    return [each + suffix for each in (*seeds, RULES)]


def size(kind: str) -> int:
    """Return how many scenarios of a kind there are at most."""
    of = kind.removesuffix(OLDER)
    if of == RULES:
        return len(handmade.paths())
    return (OLDER_SEEDS if kind.endswith(OLDER) else SEEDS)[of]
