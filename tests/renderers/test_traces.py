"""Traces as JSON: the contract of `docs/trace.schema.json`."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from istiodoctor.renderers import TRACES_RENDERERS, Display
from istiodoctor.renderers.trace_json import render_trace, render_traces
from istiodoctor.report import Confirmation, HopState
from istiodoctor.trace_report import AnswerKind, AnswerOutcome, ClusterState, TraceVerdict
from tests.support.texts import with_text
from tests.support.traces import (
    SCHEMA,
    answered_trace,
    many_traces,
    probed_trace,
    stopped_trace,
    traces,
    unknown_trace,
    unread_traces,
    valid,
)

CLOSED = {"ScanError.kind", "Hop.hop", "ComponentVersion.component"}
"""Texts of our own choice that the schema enumerates."""


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for item in schema:
            yield from parts(item)


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("make", [stopped_trace, probed_trace])
def test_a_trace_keeps_the_contract(make):
    assert valid(render_trace(make()))["schemaVersion"] == "1"


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_any_text_anywhere_keeps_the_contract_and_steers_no_terminal(text):
    trace = with_text(probed_trace(), text, keep=CLOSED)

    for output in (render_trace(trace), render_traces(traces(trace, trace))):
        valid(output)
        assert all(line.isascii() and line.isprintable() for line in output.split("\n"))


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_any_text_in_any_of_many_steers_no_terminal(text):
    found = with_text(many_traces(), text, keep=CLOSED)

    output = TRACES_RENDERERS["terminal"](found, Display(width=80))

    assert all(line.isprintable() for line in output.split("\n"))


@pytest.mark.parametrize("make", [many_traces, unread_traces])
def test_many_traces_keep_the_contract(make):
    found = valid(render_traces(make()))["traces"]

    assert [each["id"] for each in found] == [each.id for each in make().traces]


def test_each_of_many_traces_is_a_line_and_what_one_alone_is_without_tool_and_scan():
    one, other = json.loads(render_trace(probed_trace())), replace(probed_trace(), id="7")

    output = render_traces(traces(other, other))

    lines = output.splitlines()[1:-1]
    for key in ("schemaVersion", "tool", "scan"):
        del one[key]
    assert [json.loads(line.removesuffix(",")) for line in lines] == [{"id": "7", **one}] * 2


def test_of_ten_thousand_the_terminal_shows_those_first_that_are_not_answered():
    many = [answered_trace(number) for number in range(9_950)]
    stopped = [replace(stopped_trace(), id=f"stopped-{number}") for number in range(50)]

    output = TRACES_RENDERERS["terminal"](traces(*many, *stopped), Display(width=80))

    lines = output.splitlines()
    assert lines[0].startswith("✗ 10,000 requests: 50 stopped, 9,950 answered")
    assert [f"✗ stopped-{number} " in output for number in range(50)] == [True] * 50
    assert "  and 9,900 more: --output json has them all" in lines
    assert lines[-1] == "The hops of 40 more that are not answered are in --output json."
    assert max(map(len, lines)) <= 80
    assert len(lines) < 1_000


@pytest.mark.parametrize(
    ("found", "mark"),
    [((answered_trace(),), "✓"), ((answered_trace(), unknown_trace()), "?")],
)
def test_the_worst_of_many_leads(found, mark):
    output = TRACES_RENDERERS["terminal"](traces(*found), Display(width=80))

    assert output.startswith(mark)


@pytest.mark.parametrize(
    ("render", "found"), [(render_trace, probed_trace()), (render_traces, traces(probed_trace()))]
)
def test_the_schema_names_every_field_that_is_written(render, found):
    closed = json.loads(json.dumps(SCHEMA))
    for schema in parts(closed):
        if "properties" in schema:
            schema["additionalProperties"] = False
            schema["required"] = list(schema["properties"])

    value = json.loads(render(found))

    assert [each.message for each in Draft202012Validator(closed).iter_errors(value)] == []


def test_the_enumerations_of_the_schema_are_those_of_a_trace():
    lists = {frozenset(each["enum"]) for each in parts(SCHEMA) if "enum" in each}

    for one in (
        AnswerKind,
        AnswerOutcome,
        ClusterState,
        Confirmation,
        HopState,
        TraceVerdict,
    ):
        assert frozenset(map(str, one)) in lists
