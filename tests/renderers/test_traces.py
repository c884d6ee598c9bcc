"""Traces as JSON: the contract of `docs/trace.schema.json`."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from istiodoctor.renderers.trace_json import render_trace, render_traces
from istiodoctor.report import AnswerKind, Confirmation, HopState, TraceVerdict
from tests.support.texts import with_text
from tests.support.traces import SCHEMA, probed_trace, stopped_trace, valid

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
    output = render_trace(with_text(probed_trace(), text, keep=CLOSED))

    valid(output)
    assert all(line.isascii() and line.isprintable() for line in output.split("\n"))


def test_the_schema_names_every_field_that_is_written():
    closed = json.loads(json.dumps(SCHEMA))
    for schema in parts(closed):
        if "properties" in schema:
            schema["additionalProperties"] = False
            schema["required"] = list(schema["properties"])

    value = json.loads(render_trace(probed_trace()))

    assert [each.message for each in Draft202012Validator(closed).iter_errors(value)] == []


def test_the_enumerations_of_the_schema_are_those_of_a_trace():
    lists = {frozenset(each["enum"]) for each in parts(SCHEMA) if "enum" in each}

    for one in (AnswerKind, Confirmation, HopState, TraceVerdict):
        assert frozenset(map(str, one)) in lists
