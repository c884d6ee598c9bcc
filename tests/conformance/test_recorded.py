"""What is recorded is what the generator and the rules say today."""

import json

import pytest

from tests.conformance import figures, handmade, sets, truth
from tests.conformance.agreement import agreement
from tests.conformance.truth import Json, Recording, Scenario

SAMPLE = 12
"""Seeds of each kind that are made anew."""


def _texts(objects: list[Json]) -> set[str]:
    return {json.dumps(each, sort_keys=True) for each in objects}


def _asked(scenario: Scenario) -> list[str]:
    """Return each request once, without the ways it takes and what came of them."""
    fields = ("url", "method", "headers", "serverName")
    found = [{name: each[name] for name in fields if name in each} for each in scenario.requests]
    return list(dict.fromkeys(json.dumps(each, sort_keys=True) for each in found))


def _is_made_of(recorded: Scenario, made: Scenario) -> bool:
    """Whether a recorded scenario is this one: what istiod's validation refuses is left out."""
    is_same = _asked(recorded) == _asked(made) or bool(recorded.panic)
    return is_same and _texts(recorded.objects) <= _texts(made.objects)


@pytest.mark.parametrize("kind", sets.SEEDS)
def test_a_seed_makes_the_scenario_that_was_recorded(kind):
    recorded = {each.name: each for each in truth.recording(kind).scenarios}

    made = sets.random(kind, 1, SAMPLE)

    assert [
        each.name
        for each in made
        if each.name in recorded and not _is_made_of(recorded[each.name], each)
    ] == []


def test_every_rule_is_recorded_as_its_file_says():
    recorded = {each.name: each for each in truth.recording(sets.RULES).scenarios}

    made = {each.name: each for each in handmade.every()}

    assert recorded.keys() == made.keys()
    assert [name for name, each in made.items() if not _is_made_of(recorded[name], each)] == []


def test_every_rule_says_what_it_shows():
    assert [
        each.name
        for each in handmade.every()
        if not all(each.rule or request.get("rule") for request in each.requests)
    ] == []


def test_known_differences_name_requests_that_are_recorded():
    recordings: list[Recording] = [truth.recording(kind) for kind in truth.kinds()]
    every = {
        f"{scenario.name} {entry['id']}"
        for each in recordings
        for scenario in each.scenarios
        for entry in scenario.requests
    }

    assert agreement().differences.keys() <= every


def test_the_documentation_names_the_known_differences():
    assert figures.block("differences") == figures.differences()


def test_no_secret_is_recorded_with_data():
    assert [
        scenario.name
        for kind in truth.kinds()
        for scenario in truth.recording(kind).scenarios
        if any(each["kind"] == "Secret" and each.get("data") for each in scenario.objects)
    ] == []
