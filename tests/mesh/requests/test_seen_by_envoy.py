"""What Envoys say of the hops of a way, where nobody looked at the wire."""

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.requests.answers import AnswerKind
from istiodoctor.mesh.requests.confirming import confirmed_path
from istiodoctor.mesh.requests.hops import Confirmation, HopState
from istiodoctor.mesh.requests.request_paths import RequestPath, request_paths
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading
from istiodoctor.testing.envoys import envoy_state
from istiodoctor.testing.words import NOW, pem
from tests.support.objects import (
    Manifest,
    gateway,
    https,
    route,
    server,
    snapshot_of,
    virtual_service,
)
from tests.support.scans import backend, certificate, control_plane, ingress

HOST = "a.example.com"
OBJECTS = (
    *control_plane(),
    *ingress(),
    *backend("shop", "shop"),
    gateway("web", "shop", https(HOST), server(80, "HTTP", HOST)),
    virtual_service("shop", "shop", HOST, gateways=["web"], http=[route("shop")]),
)
STORED = certificate(f"{HOST}; renewed", "cert")
LISTENING = "listeners: [{name: 0.0.0.0_8443, port: 8443, hosts: [a.example.com]}]"
RENEWED = """
secrets:
- {name: "kubernetes://cert", certificate: certificate for a.example.com; renewed,
   updated: "2026-01-01T08:00:00Z"}
"""
OLD = RENEWED.replace("; renewed", "")
WAITING = """
secrets: [{name: "kubernetes://cert", updated: "2026-01-01T08:00:00Z"}]
"""
YES, NO = Confirmation.CONFIRMED, Confirmation.CONTRADICTED


def request_path(said: str, *objects: Manifest) -> RequestPath:
    """Return the way of a request, as the one Envoy confirms it that says this."""
    snapshot = snapshot_of(*OBJECTS, *objects).plus(
        Reading(envoys=(envoy_state("istio-system/ingress-pod", said, taken_at=NOW, pem=pem),))
    )
    snapshot.requested -= {Kind.TLS_PROBE, Kind.HTTP_PROBE}
    mesh = Mesh(snapshot)
    (found,) = request_paths(mesh, Request.of_url(f"https://{HOST}/"))
    return confirmed_path(mesh, found)


def hop(found: RequestPath, name: str) -> tuple[HopState, Confirmation, str]:
    return next(
        (each.state, each.confirmation, each.seen) for each in found.hops if each.hop == name
    )


def test_what_envoy_holds_confirms_listener_server_and_certificate():
    found = request_path(f"{LISTENING}\n{RENEWED}", STORED)

    by = "Envoy in Pod ingress-pod"
    assert hop(found, "listener") == (HopState.OK, YES, f"{by} has it open")
    assert hop(found, "filter-chain") == (HopState.OK, YES, f"{by} has a filter chain for {HOST}")
    assert hop(found, "certificate")[:2] == (HopState.OK, YES)
    assert hop(found, "certificate")[2].startswith(f"{by} has serial ")
    assert found.ending.kind is AnswerKind.BACKEND


def test_a_port_that_envoy_does_not_have_stops_the_way():
    found = request_path(LISTENING.replace("8443", "9443"), STORED)

    assert hop(found, "listener") == (
        HopState.BROKEN,
        NO,
        "Envoy in Pod ingress-pod has no such port open",
    )
    assert (found.hops[-1].hop, found.ending.kind) == ("listener", AnswerKind.NONE)


def test_a_port_that_an_envoy_may_only_not_have_yet_stops_nobody():
    found = request_path(f"{LISTENING.replace('8443', '9443')}\nuptime: 5s", STORED)

    assert hop(found, "listener")[:2] == (HopState.WARNING, NO)
    assert found.ending.kind is AnswerKind.BACKEND


def test_a_certificate_that_envoy_waits_for_stops_the_way():
    found = request_path(WAITING, STORED)

    assert hop(found, "certificate") == (
        HopState.BROKEN,
        NO,
        "Envoy in Pod ingress-pod has no certificate; it waits for one",
    )


def test_a_missing_secret_that_envoy_waits_for_is_confirmed_to_be_missing():
    found = request_path(WAITING)

    assert hop(found, "certificate")[:2] == (HopState.BROKEN, YES)
    assert found.ending.kind is AnswerKind.NONE


def test_a_missing_secret_that_envoy_still_serves_stops_nobody_yet():
    found = request_path(OLD)

    assert hop(found, "certificate")[:2] == (HopState.WARNING, NO)
    assert found.ending.kind is AnswerKind.BACKEND


def test_an_older_certificate_is_named_beside_the_stored_one():
    found = request_path(OLD, STORED)

    state, confirmation, seen = hop(found, "certificate")
    assert (state, confirmation) == (HopState.WARNING, NO)
    assert "; the Secret holds serial " in seen


@pytest.mark.parametrize("said", ["{}", "listeners: []"])
def test_an_envoy_that_says_nothing_neither_confirms_nor_denies(said: str):
    found = request_path(said, STORED)

    assert {each.confirmation for each in found.hops} == {Confirmation.NOT_LOOKED_AT}
