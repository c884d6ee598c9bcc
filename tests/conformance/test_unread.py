"""Knowing less makes no trace surer: each kind in turn is withheld from recorded scenarios.

An answer is the same as before then, or a hop is unknown and names the kind.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from istiodoctor.diagnosis.answering import answer
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.requests.hops import HopState
from istiodoctor.mesh.requests.request_paths import RequestPath, request_paths
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Snapshot
from tests.conformance import certificates, sets, truth
from tests.conformance.truth import Json, Scenario
from tests.conformance.withheld import kinds_of, without
from tests.support.examples import cluster_of

FEW = 12
"""Scenarios of a recording, of those from seeds; all of those that were made by hand."""
RECORDED = [each for each in truth.kinds() if not each.endswith(sets.OLDER)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A scenario with the ways of its requests where everything was read."""

    name: str
    whole: Snapshot
    request_paths: dict[Request, tuple[RequestPath, ...]]


@pytest.mark.parametrize("recording", RECORDED)
def test_without_a_kind_no_answer_is_surer(recording: str):
    assert [found for each in _traced(recording) for found in _surer(each)] == []


def test_every_kind_that_recordings_have_is_withheld():
    withheld = {kind for name in RECORDED for each in _traced(name) for kind in _kinds(each)}

    assert len(withheld) > 15
    assert {Kind.SERVICE_ENTRY, Kind.VIRTUAL_SERVICE, Kind.TCP_ROUTE, Kind.INGRESS} <= withheld


@cache
def _traced(recording: str) -> tuple[Traced, ...]:
    found = [each for each in truth.recording(recording).scenarios if not each.panic]
    return tuple(map(_followed, found if recording == sets.RULES else found[:FEW]))


def _followed(scenario: Scenario) -> Traced:
    whole = cluster_of(certificates.filled(scenario.objects))
    mesh = Mesh(whole)
    requests = {each: request_paths(mesh, each) for each in _requests(scenario)}
    return Traced(name=scenario.name, whole=whole, request_paths=requests)


def _surer(traced: Traced) -> Iterator[str]:
    for kind in _kinds(traced):
        mesh = Mesh(without(traced.whole, kind))
        for request, before in traced.request_paths.items():
            now = request_paths(mesh, request)
            if not (_answers(now) == _answers(before) or _is_named(kind, now)):
                yield f"{traced.name} without {kind}: {request.url}: {now[-1].hops[-1].text}"


def _kinds(traced: Traced) -> frozenset[Kind]:
    return kinds_of(traced.whole) & request_paths.reads


def _answers(found: tuple[RequestPath, ...]) -> set[tuple[object, ...]]:
    every = ((each, answer(each)) for each in found)
    return {
        (
            request_path.entry.target if request_path.entry else None,
            said.outcome,
            said.status,
            said.location,
            said.clusters,
            said.certificate,
        )
        for request_path, said in every
    }


def _is_named(kind: Kind, found: tuple[RequestPath, ...]) -> bool:
    stem = kind.value.kind.removesuffix("y").lower()
    hops = (
        hop for request_path in found for hop in request_path.hops if hop.state is HopState.UNKNOWN
    )
    return any(stem in hop.text.lower() for hop in hops)


def _requests(scenario: Scenario) -> Iterator[Request]:
    for each in scenario.requests:
        try:
            yield _request(each)
        except ValueError:  # what no client could send
            continue


def _request(sent: Json) -> Request:
    return Request.of_url(
        sent["url"],
        method=sent["method"],
        headers=sent["headers"].items(),
        server_name=sent.get("serverName"),
    )
