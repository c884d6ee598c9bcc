"""The configuration that the mesh builds is the one that real istiod sends, part by part."""

from functools import lru_cache

import pytest

from tests.conformance import truth
from tests.conformance.configuration import sent
from tests.conformance.configuration.comparing import compared
from tests.conformance.truth import Recording

BATCH = 40
KNOWN = {
    "ingress-controller-off": "an Ingress is taken by its class though the controller is off",
}
"""Scenarios in which they differ, and why."""


@lru_cache(maxsize=1)
def _recording(kind: str) -> Recording:
    return truth.recording(kind)


@lru_cache(maxsize=1)
def _sent(kind: str) -> sent.Scenarios:
    return sent.recorded(kind)


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        (kind, start)
        for kind in sent.kinds()
        for start in range(0, len(sent.recorded(kind)), BATCH)
    ],
)
def test_listeners_routes_and_clusters_are_those_of_istiod(kind: str, start: int):
    scenarios = [each for each in _recording(kind).scenarios if each.name in _sent(kind)]

    found = {
        each.name: [str(one.difference) for one in compared(each, _sent(kind)[each.name])]
        for each in scenarios[start : start + BATCH]
    }

    differing = {name for name, differences in found.items() if differences}
    assert {name: found[name] for name in differing - KNOWN.keys()} == {}
    assert found.keys() & KNOWN.keys() <= differing, "equal now: no longer a known difference"


def test_every_kind_of_scenario_is_compared():
    assert set(sent.kinds()) == {each for each in truth.kinds() if sent.OLDER not in each}
