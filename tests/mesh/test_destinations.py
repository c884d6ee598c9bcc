from typing import Any

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.destinations import (
    DestinationState,
    PortState,
    destination_rules,
    ready_endpoints,
    resolve,
    service_is_exported,
)
from istiodoctor.mesh.destinations import service as service_named
from istiodoctor.model.istio import Destination, PortSelector
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread
from tests.support.objects import ISTIO, Manifest, made, mesh_of, service, snapshot_of

State = DestinationState
APP = service("app", "shop", 80)


def entry(*hosts: str) -> Manifest:
    return made(ISTIO, "ServiceEntry", "out", "other", spec={"hosts": list(hosts)})


def resolved(mesh: Mesh, host: str) -> tuple[str, DestinationState]:
    found = resolve(mesh, Destination(host=host), "shop")
    return found.fqdn, found.state


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("app", ("app.shop.svc.cluster.local", State.SERVICE)),
        ("App", ("app.shop.svc.cluster.local", State.SERVICE)),
        ("app.shop.svc.cluster.local", ("app.shop.svc.cluster.local", State.SERVICE)),
        ("app.shop.svc.my.domain", ("app.shop.svc.my.domain", State.SERVICE)),
        ("app.shop", ("app.shop", State.MISSING)),
        ("app.shop.svc", ("app.shop.svc", State.MISSING)),
        ("app.other.svc.cluster.local", ("app.other.svc.cluster.local", State.MISSING)),
        ("gone", ("gone.shop.svc.cluster.local", State.MISSING)),
        ("10.0.0.1", ("10.0.0.1", State.MISSING)),
    ],
)
def test_a_short_name_gets_the_namespace_and_a_dotted_one_is_taken_as_it_is(
    host: str, expected: tuple[str, DestinationState]
):
    assert resolved(mesh_of(APP), host) == expected


def test_a_missing_destination_names_the_services_of_that_name_elsewhere():
    mesh = mesh_of(service("app", "team", 80))

    assert [
        [each.path for each in resolve(mesh, Destination(host=host), "shop").elsewhere]
        for host in ("app", "app.team", "gone")
    ] == [["team/app"], ["team/app"], []]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("api.example.com", State.SERVICE_ENTRY),
        ("API.example.com", State.SERVICE_ENTRY),
        ("x.wild.com", State.SERVICE_ENTRY),
        ("x.y.wild.com", State.SERVICE_ENTRY),
        ("wild.com", State.MISSING),
        ("other.example.com", State.MISSING),
    ],
)
def test_a_service_entry_declares_its_hosts_and_what_is_under_its_wildcards(
    host: str, expected: DestinationState
):
    assert resolved(mesh_of(entry("api.example.com", "*.wild.com")), host) == (
        host.lower(),
        expected,
    )


def test_an_external_name_is_a_service():
    outside = service(
        "out", "shop", 443, spec={"type": "ExternalName", "externalName": "api.example.com"}
    )

    assert resolved(mesh_of(outside), "out") == ("out.shop.svc.cluster.local", State.SERVICE)


@pytest.mark.parametrize(
    ("unread", "host", "expected"),
    [
        (Unread(kind=Kind.SERVICE), "gone", State.UNKNOWN),
        (Unread(kind=Kind.SERVICE, namespace="shop"), "gone", State.UNKNOWN),
        (Unread(kind=Kind.SERVICE, namespace="other"), "gone", State.MISSING),
        (Unread(kind=Kind.SERVICE, namespace="other"), "x.example.com", State.UNKNOWN),
        (Unread(kind=Kind.SERVICE_ENTRY), "gone", State.UNKNOWN),
        (Unread(kind=Kind.SERVICE), "app", State.SERVICE),
    ],
)
def test_a_destination_that_may_exist_unseen_is_unknown(
    unread: Unread, host: str, expected: DestinationState
):
    mesh = Mesh(snapshot_of(APP).plus(Reading(unread=(unread,))))

    assert resolved(mesh, host)[1] is expected


@pytest.mark.parametrize(
    ("ports", "wanted", "expected"),
    [
        ((80,), None, (PortState.OK, 80)),
        ((80, 8080), None, (PortState.UNSAID, None)),
        ((80, 8080), 8080, (PortState.OK, 8080)),
        ((80,), 8080, (PortState.MISSING, None)),
        ((), None, (PortState.UNKNOWN, None)),
        ((), 80, (PortState.MISSING, None)),
    ],
)
def test_the_only_port_needs_no_number_and_a_number_must_be_the_services(
    ports: tuple[int, ...], wanted: int | None, expected: tuple[PortState, int | None]
):
    port = PortSelector(number=wanted) if wanted else None
    mesh = mesh_of(service("app", "shop", *ports))

    found = resolve(mesh, Destination(host="app", port=port), "shop")
    assert (found.port_state, found.port.port if found.port else None) == expected


def test_a_number_is_the_services_port_and_not_its_target():
    entries = {"name": "http", "port": 80, "targetPort": 8080}
    mesh = mesh_of(service("app", "shop", entries))

    found = resolve(mesh, Destination(host="app", port=PortSelector(number=8080)), "shop")
    assert found.port_state is PortState.MISSING


def rule(name: str, host: str, namespace: str = "shop") -> Manifest:
    return made(ISTIO, "DestinationRule", name, namespace, spec={"host": host})


@pytest.mark.parametrize(
    ("fqdn", "expected"),
    [
        ("app.shop.svc.cluster.local", ["full", "short", "wild"]),
        ("other.shop.svc.cluster.local", ["wild"]),
        ("app.team.svc.cluster.local", ["abroad"]),
        ("app.shop", ["dotted"]),
        ("example.com", []),
    ],
)
def test_destination_rules_are_found_by_name_then_by_wildcard(fqdn: str, expected: list[str]):
    mesh = mesh_of(
        rule("wild", "*.shop.svc.cluster.local"),
        rule("short", "app"),
        rule("full", "app.shop.svc.cluster.local", "other"),
        rule("abroad", "app", "team"),
        rule("dotted", "app.shop"),
    )

    assert [each.name for each in destination_rules(mesh, fqdn)] == expected


def endpoints(namespace: str, *ready: bool | None) -> Manifest:
    states: list[dict[str, Any]] = [
        {"addresses": ["10.0.0.1"], "conditions": {} if each is None else {"ready": each}}
        for each in ready
    ]
    return made(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        f"app-{len(ready)}",
        namespace,
        labels={"kubernetes.io/service-name": "app"},
        endpoints=states,
    )


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ([], None),
        ([endpoints("shop")], 0),
        ([endpoints("shop", True, False)], 1),
        ([endpoints("shop", None)], 1),
        ([endpoints("shop", True), endpoints("shop", True, True)], 3),
        ([endpoints("other", True)], None),
    ],
)
def test_endpoints_count_unless_they_say_they_are_not_ready(
    slices: list[Manifest], expected: int | None
):
    mesh = mesh_of(APP, *slices)
    found = service_named(mesh, "shop", "app")

    assert found is not None
    assert ready_endpoints(mesh, found) == expected


def test_endpoints_are_unknown_where_their_slices_were_not_read():
    whole = snapshot_of(APP)
    mesh = Mesh(whole.plus(Reading(unread=(Unread(kind=Kind.ENDPOINT_SLICE, namespace="shop"),))))
    found = service_named(mesh, "shop", "app")

    assert found is not None
    assert ready_endpoints(mesh, found) is None


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [("", True), ("*", True), (".", False), ("~", False), ("edge", True), ("., edge", True)],
)
def test_a_service_is_seen_where_its_annotation_exports_it(annotation: str, expected: bool):
    annotations = {"networking.istio.io/exportTo": annotation}
    mesh = mesh_of(service("app", "shop", 80, annotations=annotations))
    found = service_named(mesh, "shop", "app")

    assert found is not None
    assert service_is_exported(mesh, found, "edge") is expected
