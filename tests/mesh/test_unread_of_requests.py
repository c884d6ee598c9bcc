"""What could not be read is named at the hop that it could change."""

from typing import Any

import pytest

from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.requests.answers import AnswerKind
from istiodoctor.mesh.requests.hops import HopState
from istiodoctor.mesh.requests.request_paths import RequestPath, request_paths
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Unread, UnreadReason
from tests.mesh.test_requests import BACKENDS, HOST, PLATFORM, WEB, routes, to
from tests.support.behind_gateway import without
from tests.support.objects import Manifest, gateway, ingress, mesh_of, server

PASSING = gateway(
    "through", "shop", server(443, "TLS", "*.local", tls={"mode": "AUTO_PASSTHROUGH"})
)


def request_path(url: str, *objects: Manifest, unread: Unread, **request: Any) -> RequestPath:
    mesh = without(mesh_of(*PLATFORM, *BACKENDS, *objects), unread)
    return request_paths(mesh, Request.of_url(url, **request))[0]


def forbidden(kind: Kind, namespace: str = "", name: str = "") -> Unread:
    return Unread(kind=kind, namespace=namespace, name=name, reason=UnreadReason.FORBIDDEN)


def unknown(found: RequestPath) -> list[tuple[str, str]]:
    return [(each.hop, each.text) for each in found.hops if each.state is HopState.UNKNOWN]


@pytest.mark.parametrize(
    ("unread", "hop", "text"),
    [
        (
            forbidden(Kind.ISTIO_GATEWAY),
            "listener",
            "Gateways were not read: one may serve this port too",
        ),
        (
            forbidden(Kind.GATEWAY),
            "listener",
            "Gateways of the Gateway API were not read: one may serve this port too",
        ),
        (
            forbidden(Kind.VIRTUAL_SERVICE, "team"),
            "virtual-host",
            "VirtualServices in team were not read: one may take the request first",
        ),
        (
            forbidden(Kind.VIRTUAL_SERVICE, "team", "web"),
            "virtual-host",
            "VirtualService team/web was not read: one may take the request first",
        ),
    ],
)
def test_what_could_answer_instead_is_named(unread: Unread, hop: str, text: str):
    found = request_path(f"http://{HOST}/", WEB, routes("r", to("one")), unread=unread)

    assert (hop, text) in unknown(found)
    assert found.ending.kind is AnswerKind.BACKEND


@pytest.mark.parametrize(
    "kind",
    [Kind.HTTP_ROUTE, Kind.GRPC_ROUTE, Kind.LISTENER_SET, Kind.INGRESS_CLASS, Kind.TCP_ROUTE],
)
def test_what_nothing_here_could_be_made_of_leaves_an_answer_alone(kind: Kind):
    found = request_path(f"http://{HOST}/", WEB, routes("r", to("one")), unread=forbidden(kind))

    assert unknown(found) == []


def test_a_class_that_was_not_read_may_make_an_ingress_serve_the_port():
    classed = ingress("i", "shop", {"host": HOST}, annotations={}, ingressClassName="own")

    found = request_path(
        f"http://{HOST}/", WEB, routes("r", to("one")), classed,
        unread=forbidden(Kind.INGRESS_CLASS),
    )  # fmt: skip

    assert unknown(found) == [
        ("listener", "IngressClasses were not read: one may serve this port too")
    ]


@pytest.mark.parametrize("kind", [Kind.SERVICE_ENTRY, Kind.SERVICE])
def test_a_connection_that_a_service_could_take_by_its_sni_is_in_doubt(kind: Kind):
    name = "outbound_.443_._.api.shop.local"

    found = request_path(
        "https://10.0.0.1/", PASSING, unread=forbidden(kind), server_name=name,
        workload="istio-system/gateway",
    )  # fmt: skip

    plural = {Kind.SERVICE_ENTRY: "ServiceEntries", Kind.SERVICE: "Services"}[kind]
    assert found.ending.kind is AnswerKind.UNKNOWN
    assert found.hops[-1].text.startswith(f"as far as {plural} were read, no ")


def test_defaults_of_a_mesh_that_was_not_read_are_said_to_be_taken():
    unread = forbidden(Kind.CONFIG_MAP, "istio-system", "istio")
    mesh = without(mesh_of(*PLATFORM[:-1], *BACKENDS, WEB, routes("r", to("one"))), unread)

    found = request_paths(mesh, Request.of_url(f"http://{HOST}/"))[0]

    text = "ConfigMap istio-system/istio was not read: the defaults of Istio are taken for it"
    assert ("listener", text) in unknown(found)


def test_that_no_gateway_has_a_host_is_so_as_far_as_kinds_were_read():
    found = request_path(f"https://{HOST}/", unread=forbidden(Kind.VIRTUAL_SERVICE))

    assert unknown(found) == [
        (
            "filter-chain",
            f"as far as VirtualServices were read, no gateway has a server for {HOST}",
        )
    ]
