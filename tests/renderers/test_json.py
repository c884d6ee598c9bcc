"""The JSON output: the contract of `docs/report.schema.json`, whatever was read."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from istiodoctor.problem import (
    BaselineState,
    Confidence,
    EvidenceKind,
    PatchType,
    Ref,
    Risk,
    Severity,
    api_version,
)
from istiodoctor.renderers import RENDERERS, Display
from istiodoctor.renderers import json as renderer
from istiodoctor.report import CertificateSource, HopState, Outcome, Verdict
from tests.support.reports import (
    broken_report,
    error_report,
    healthy_report,
    hostile_report,
    incomplete_report,
)
from tests.support.texts import with_text

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)
CLOSED = {"ScanError.kind", "Hop.hop", "UnreadReport.reason", "ComponentVersion.component"}
"""Texts of our own choice that the schema enumerates."""


def faults(output: str) -> list[str]:
    # msgspec reads strictly: it refuses lone surrogates, where `json` lets them through.
    value = msgspec.json.decode(output)
    return [f"{fault.json_path}: {fault.message}" for fault in VALIDATOR.iter_errors(value)]


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "make", [broken_report, healthy_report, incomplete_report, error_report, hostile_report]
)
def test_a_report_keeps_the_contract(make):
    assert faults(renderer.render(make())) == []


def test_the_reports_of_several_contexts_keep_the_contract():
    output = renderer.render_all((broken_report(), error_report()))

    assert faults(output) == []
    assert [report["verdict"] for report in json.loads(output)["reports"]] == [
        "broken",
        "incomplete",
    ]


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_any_text_anywhere_keeps_the_contract_and_steers_no_terminal(text):
    output = renderer.render(with_text(broken_report(), text, keep=CLOSED))

    assert faults(output) == []
    assert all(line.isascii() and line.isprintable() for line in output.split("\n"))


def object_schemas(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for item in schema:
            yield from object_schemas(item)


def test_the_schema_names_every_field_that_is_written():
    closed = json.loads(json.dumps(SCHEMA))
    for schema in object_schemas(closed):
        schema["additionalProperties"] = False
        schema["required"] = list(schema["properties"])
    validator = Draft202012Validator(closed)

    value = json.loads(renderer.render(broken_report()))

    assert [fault.message for fault in validator.iter_errors(value)] == []


def test_the_enumerations_of_the_schema_are_those_of_the_report():
    lists = {frozenset(one["enum"]) - {None} for one in everything(SCHEMA) if "enum" in one}

    enumerations = (
        BaselineState,
        CertificateSource,
        Confidence,
        EvidenceKind,
        HopState,
        Outcome,
        PatchType,
        Risk,
        Severity,
        Verdict,
    )
    assert [one for one in enumerations if frozenset(map(str, one)) not in lists] == []


def everything(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for item in schema:
            yield from everything(item)


def test_hosts_are_capped_and_counted():
    report = broken_report()
    hosts = tuple(f"{number:03}.example.com" for number in range(250))

    value = renderer.document(
        replace(report, problems=(replace(report.problems[0], hosts=hosts),))
    )

    problem = value["problems"][0]
    assert (problem["hosts"], problem["hostsTotal"]) == (hosts[:100], 250)


def test_a_problem_takes_the_worst_of_its_symptoms_and_keeps_its_own_severity():
    problem = renderer.document(broken_report())["problems"][1]

    assert (problem["severity"], problem["ownSeverity"], problem["deadline"]) == (
        "high",
        "medium",
        "2026-01-18T11:00:00Z",
    )


@pytest.mark.parametrize(
    ("ref", "version"),
    [
        (Ref("", "Secret", "shop", "cert"), "v1"),
        (Ref("networking.istio.io", "Gateway", "shop", "web"), "networking.istio.io/v1"),
        (
            Ref("gateway.networking.k8s.io", "Gateway", "shop", "web"),
            "gateway.networking.k8s.io/v1",
        ),
        (Ref("", "PersistentVolume", "", "disk"), "v1"),
        (Ref("example.com", "Widget", "", "w"), "example.com"),
    ],
)
def test_a_reference_carries_the_api_version_of_its_kind(ref, version):
    assert api_version(ref) == version


def test_rich_is_not_imported_for_json():
    script = (
        "import sys\n"
        "from istiodoctor.renderers import RENDERERS, Display\n"
        "from tests.support.reports import healthy_report\n"
        "RENDERERS['json']([healthy_report()], Display())\n"
        "sys.exit('rich' in sys.modules)\n"
    )

    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)

    assert done.returncode == 0


@pytest.mark.parametrize("name", sorted(RENDERERS))
@pytest.mark.parametrize("count", [1, 2])
def test_every_output_takes_one_report_or_several(name, count):
    output = RENDERERS[name]([broken_report()] * count, Display())

    assert output.endswith("\n")


def test_places_where_a_certificate_was_seen_are_capped_and_counted():
    report = broken_report()
    pods = tuple(f"Pod istio-system/ingress-{number}" for number in range(30))
    held = replace(report.certificates[1], seen_at=pods, fingerprint_sha256="")

    output = renderer.render(replace(report, certificates=(held,)))

    (found,) = json.loads(output)["certificates"]
    assert faults(output) == []
    assert (found["seenAt"], found["seenAtTotal"]) == (list(pods[:20]), 30)
    assert found["fingerprintSha256"] is None
