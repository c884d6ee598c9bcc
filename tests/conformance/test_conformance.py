"""Traces say what real istiod and real Envoy have answered."""

from functools import lru_cache

import pytest

from tests.conformance import product, sets, truth
from tests.conformance.agreement import agreement
from tests.conformance.comparing import Comparison, compared
from tests.conformance.truth import Recording, Scenario

BATCH = 20
KINDS = truth.kinds()


def _batches(kind: str) -> range:
    return range(0, sets.size(kind), BATCH)


@lru_cache(maxsize=1)
def _recording(kind: str) -> Recording:
    return truth.recording(kind)


def _compared(scenarios: list[Scenario]) -> list[Comparison]:
    return [each for one in scenarios for each in compared(one, product.traces(one))]


@pytest.mark.parametrize(
    ("kind", "start"),
    [(kind, start) for kind in KINDS if kind in agreement().exact for start in _batches(kind)],
)
def test_every_answer_is_the_recorded_one(kind, start):
    scenarios = _recording(kind).scenarios[start : start + BATCH]

    found = _compared(scenarios)

    known = agreement().differences
    assert {str(each): each.difference for each in found if each.difference} == {
        str(each): each.difference or "equal now: no longer a known difference"
        for each in found
        if str(each) in known
    }


def test_answers_that_are_not_all_equal_are_as_often_as_before():
    others = [kind for kind in KINDS if kind not in agreement().exact]

    assert agreement().at_least.keys() == set(others)
    for kind in others:
        found = _compared(_recording(kind).scenarios)
        equal = sum(each.difference is None for each in found)
        assert 100 * equal / len(found) >= agreement().at_least[kind]
