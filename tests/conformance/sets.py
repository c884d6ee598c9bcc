"""Which scenarios are recorded: some seeds of each kind, and all that were made by hand."""

from collections.abc import Mapping
from types import MappingProxyType

from tests.conformance import handmade, scenarios
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
    """Return every scenario of a kind that is to be recorded."""
    return handmade.every() if kind == RULES else random(kind, 1, SEEDS[kind])


def size(kind: str) -> int:
    """Return how many scenarios of a kind there are at most."""
    return SEEDS.get(kind) or len(handmade.paths())
