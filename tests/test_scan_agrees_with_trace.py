"""A host of which a scan says nothing is answered: by a trace, and by real istiod and Envoy."""

from collections.abc import Iterator
from functools import cache

import pytest

from istiodoctor.diagnosis import Judgement, diagnose
from istiodoctor.diagnosis.tracing import traces
from istiodoctor.finding import Severity
from istiodoctor.mesh.configuration.request import requested
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.model.istio import TlsMode
from istiodoctor.report import Report, Verdict
from istiodoctor.testing.examples import Example, examples_of
from istiodoctor.trace_report import AnswerOutcome, Trace, TraceVerdict
from tests.conformance import product, sets, truth
from tests.conformance.truth import Scenario
from tests.support.judgements import judged, scanned

HIGH = Severity.HIGH.rank
SAMPLE = 10
"""Recorded scenarios of each kind; of those made by hand all."""
ANSWERED = frozenset({"backend", "redirect", "direct"})
OF_OTHER_REQUESTS = frozenset({"not-found"})
"""What a host answers, too, that has routes for other paths only."""


def tls_servers(judgement: Judgement) -> Iterator[tuple[str, Server]]:
    for server in servers(judgement.mesh):
        if server.is_tls and server.mode is not TlsMode.AUTO_PASSTHROUGH:
            yield from ((host, server) for host in server.names if not host.startswith("*"))


def unexplained(judgement: Judgement) -> list[str]:
    """Return the stopped requests to hosts that no problem names, or that are called healthy."""
    report = diagnose(judgement)
    asked = {
        f"https://{host}/": host
        for host, _ in tls_servers(judgement)
        if ports_of(judgement, host) == {443}
    }
    requests = [(url, found) for url in asked if (found := requested(url))]
    return [
        f"{trace.url} {trace.stopped_at.hop.text}"
        for trace in traces(judgement, requests).traces
        if trace.verdict is TraceVerdict.STOPPED and trace.stopped_at and is_fault(trace)
        if not is_told(report, asked[trace.id], is_denied=is_denied(trace))
    ]


def ports_of(judgement: Judgement, host: str) -> set[int]:
    """Return the ports of a host: by another than the one asked for it may be answered."""
    return {server.port for name, server in tls_servers(judgement) if name == host}


def is_fault(trace: Trace) -> bool:
    """Whether it is not a host that has routes for other paths only."""
    hop = trace.stopped_at.hop if trace.stopped_at else None
    return not (hop and hop.hop == "route" and hop.outcome is AnswerOutcome.NOT_FOUND)


def is_denied(trace: Trace) -> bool:
    return any(leg.answer.outcome is AnswerOutcome.DENIED for leg in trace.legs)


def is_told(report: Report, host: str, *, is_denied: bool) -> bool:
    named = [each for each in report.problems if host in each.hosts]
    verdicts = {each.verdict for each in report.hosts if each.host == host}
    return bool(named) and (is_denied or verdicts != {Verdict.HEALTHY})


def sampled() -> list[tuple[str, str]]:
    return [
        (kind, each.name)
        for kind in (*sets.SEEDS, sets.RULES)
        for each in truth.recording(kind).scenarios[: None if kind == sets.RULES else SAMPLE]
    ]


@cache
def recorded(kind: str, name: str) -> tuple[Scenario, Judgement]:
    (found,) = (each for each in truth.recording(kind).scenarios if each.name == name)
    return found, scanned(product.judgement(found))


def failed(scenario: Scenario, host: str) -> set[str]:
    """Return the answers to a plain `GET /` of a host, where real Envoys had none for it."""
    found = {
        entry["answer"]["kind"]
        for entry in scenario.requests
        if entry["url"] == f"https://{host}/"
        if entry["method"] == "GET" and not entry["headers"] and "serverName" not in entry
    }
    return set() if found & ANSWERED else found


@pytest.mark.parametrize("example", examples_of("istiodoctor_checks"), ids=str)
def test_a_request_that_is_not_answered_is_a_problem(example: Example):
    assert unexplained(judged(example.snapshot())) == []


@pytest.mark.parametrize("example", examples_of("istiodoctor_checks"), ids=str)
def test_what_a_check_knows_is_not_left_to_the_last_resort(example: Example):
    judgement = judged(example.snapshot())

    known = {
        host
        for run in judgement.runs
        if run.check.code == example.check.code and not run.check.is_last_resort
        for finding in run.findings
        if (finding.severity or run.check.severity).rank <= HIGH
        for host in finding.hosts
    }
    left = [
        finding.message
        for run in judgement.runs
        if run.check.code == "REQ001"
        for finding in run.findings
        # Many examples have no Service before the gateway: that is a fault of its own.
        if finding.hop != "service" and (finding.severity or run.check.severity).rank <= HIGH
        if known & finding.hosts
    ]
    assert left == []


@pytest.mark.parametrize(("kind", "name"), sampled())
def test_a_request_that_a_trace_stops_is_a_problem(kind: str, name: str):
    assert unexplained(recorded(kind, name)[1]) == []


@pytest.mark.parametrize(("kind", "name"), sampled())
def test_a_request_that_real_envoys_do_not_answer_is_a_problem(kind: str, name: str):
    scenario, judgement = recorded(kind, name)
    report = diagnose(judgement)

    silent = {
        host
        for host, server in tls_servers(judgement)
        if ports_of(judgement, host) == {443} and (found := failed(scenario, host))
        if not found <= OF_OTHER_REQUESTS
        if not is_told(report, host, is_denied="denied" in found)
    }

    assert silent == set()
