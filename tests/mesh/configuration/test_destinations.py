"""Where routes lead: which clusters a gateway needs for them, and which of those fail."""

import pytest

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.destinations import (
    destinations_without_endpoints,
    destinations_without_service,
    port_faults,
)
from istiodoctor.mesh.configuration.routed_clusters import routed_clusters
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Unread
from istiodoctor.registry import discover
from istiodoctor_checks.routing._upstream import hidden_configuration, subset_faults
from tests.support.behind_gateway import (
    WEB,
    mesh_behind_gateway,
    mesh_config,
    web,
    without,
)
from tests.support.objects import (
    Manifest,
    destination_rule,
    endpoint,
    endpoint_slice,
    gateway,
    https,
    mesh_of,
    pod,
    route,
    server,
    service,
    service_entry,
    virtual_service,
)

CHECKS = discover().by_code()
HOST = "shop.example.com"


def routed(*rules: Manifest, servers: tuple[Manifest, ...] = (https(HOST),)) -> list[Manifest]:
    """Return a Gateway of the namespace app1 with a VirtualService of these rules."""
    return [
        gateway("web", "app1", *servers),
        virtual_service("shop", "app1", HOST, gateways=["web"], http=list(rules)),
    ]


def to(host: str, **destination: object) -> list[Manifest]:
    return routed(route(host, **destination))


def names(mesh: Mesh) -> list[str]:
    return [str(each.name) for each in routed_clusters(mesh)]


def found(code: str, mesh: Mesh) -> list[Finding]:
    return list(CHECKS[code].run(mesh))


@pytest.mark.parametrize(
    ("host", "fault"),
    [
        ("web", []),
        (WEB, []),
        ("Web", ["no-service"]),
        ("web.app1", ["no-service"]),
        ("web.app2.svc.cluster.local", ["no-service"]),
        ("10.0.0.1", ["no-service"]),
        ("api.example.org", []),
        ("pay.wild.org", ["wildcard-only"]),
        ("mail", ["alias-of-nothing"]),
    ],
)
def test_a_destination_is_a_service_that_istiod_knows_by_that_very_name(
    host: str, fault: list[str]
) -> None:
    entries = [
        service_entry("api", "app1", "api.example.org"),
        service_entry("wild", "app1", "*.wild.org"),
    ]
    alias = {"type": "ExternalName", "externalName": "mail.example.org"}
    mail = service("mail", "app1", 25, spec=alias, selector={})

    mesh = mesh_behind_gateway(*web(), *entries, mail, *to(host))

    assert [
        each.cluster.fault.value
        for each in destinations_without_service(mesh)
        if each.cluster.fault
    ] == fault


@pytest.mark.parametrize(
    ("kind", "is_sure"), [(None, [True]), (Kind.SERVICE, []), (Kind.SERVICE_ENTRY, [False])]
)
def test_a_destination_that_may_exist_unseen_is_not_missing_for_sure(kind, is_sure) -> None:
    """Of a Service that does not exist only a ServiceEntry could have the name."""
    mesh = mesh_behind_gateway(*to("gone"))
    seen = without(mesh, Unread(kind=kind)) if kind else mesh

    assert [each.is_sure for each in destinations_without_service(seen)] == is_sure


def test_the_domain_of_the_cluster_is_what_istiod_says() -> None:
    destination = to("web.app1.svc.corp.local")

    known = mesh_behind_gateway(*web(), *destination)
    nobody_says = mesh_of(pod(), *web(), *destination)

    assert len(destinations_without_service(known)) == 1
    assert destinations_without_service(nobody_says) == ()


def test_a_wildcard_of_a_service_entry_is_no_destination_below_it() -> None:
    mesh = mesh_behind_gateway(
        service_entry("wild", "app1", "*.wild.org"), *to("pay.wild.org", port={"number": 443})
    )

    (finding,) = found("VS009", mesh)

    assert (finding.message, finding.severity, sorted(finding.hosts)) == (
        "VirtualService app1/shop routes to pay.wild.org: ServiceEntry app1/wild makes a cluster"
        " of its host *.wild.org and of no name below it, so requests for shop.example.com that"
        " take this route get 503 (NC cluster_not_found).",
        Severity.CRITICAL,
        [HOST],
    )
    assert finding.identity.name == "shop"


def test_rules_that_lead_to_one_cluster_share_it() -> None:
    first = {"match": [{"uri": {"prefix": "/api"}}], **route("web")}
    mesh = mesh_behind_gateway(*web(), *routed(first, route(WEB)))

    (cluster,) = routed_clusters(mesh)

    assert str(cluster.name) == f"outbound|80||{WEB}"
    assert [each.place.path for each in cluster.uses] == [
        "/spec/http/0/route/0/destination",
        "/spec/http/1/route/0/destination",
    ]


def test_without_a_number_the_port_of_each_server_counts() -> None:
    plain = server(80, "HTTP", HOST)
    ports = service("web", "app1", 443, 9090)
    mesh = mesh_behind_gateway(ports, *routed(route("web"), servers=(plain, https(HOST))))

    assert names(mesh) == [f"outbound|80||{WEB}", f"outbound|443||{WEB}"]
    assert [each.ports for each in port_faults(mesh)] == [(80,)]


def test_a_server_that_redirects_everything_needs_no_cluster() -> None:
    plain = server(80, "HTTP", HOST, tls={"httpsRedirect": True})
    ports = service("web", "app1", 443, 9090)

    assert names(mesh_behind_gateway(ports, *routed(route("web"), servers=(plain,)))) == []


def test_a_virtual_service_that_the_gateway_does_not_see_needs_no_cluster() -> None:
    hidden = virtual_service(
        "shop", "app1", HOST, gateways=["web"], http=[route("gone")], exportTo=["."]
    )

    assert names(mesh_behind_gateway(gateway("web", "app1", https(HOST)), hidden)) == []


def test_a_gateway_without_pods_needs_no_cluster() -> None:
    objects = to("gone")
    objects[0]["spec"]["selector"] = {"istio": "other"}

    assert names(mesh_behind_gateway(*objects)) == []


def test_a_port_that_a_service_entry_lacks_has_no_cluster() -> None:
    entry = service_entry("api", "app1", "api.example.org")
    mesh = mesh_behind_gateway(entry, *to("api.example.org", port={"number": 81}))

    (finding,) = found("VS010", mesh)

    assert finding.message == (
        "VirtualService app1/shop routes to port 81 of api.example.org, but that ServiceEntry has"
        f" {_ports(entry)}: requests for shop.example.com that take this route get 503"
        " (NC cluster_not_found)."
    )
    assert (finding.severity, finding.hosts) == (Severity.CRITICAL, frozenset({HOST}))


def _ports(entry: Manifest) -> str:
    return ", ".join(f"{each['number']} ({each['name']})" for each in entry["spec"]["ports"])


def test_a_subset_of_a_rule_that_does_not_count_is_undefined() -> None:
    elsewhere = destination_rule("far", "app2", WEB, subsets=[{"name": "v1"}])
    mesh = mesh_behind_gateway(*web(), elsewhere, *to("web", subset="v1"))

    (finding,) = found("VS011", mesh)

    assert finding.message == (
        f"VirtualService app1/shop routes to the subset v1 of {WEB}, but no DestinationRule that"
        " istio-system sees defines subset v1: DestinationRule app2/far does, and is not taken"
        " from its namespace: requests for shop.example.com that take this route get 503"
        " (NC cluster_not_found)."
    )
    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, Confidence.CERTAIN)


def test_a_subset_that_exportto_hides_is_said_once() -> None:
    private = destination_rule("web", "app1", WEB, subsets=[{"name": "v1"}], exportTo=["."])
    mesh = mesh_behind_gateway(*web(), private, *to("web", subset="v1"))

    assert subset_faults(mesh) == ()
    assert [str(each.place) for each in hidden_configuration(mesh)] == [
        "DestinationRule app1/web spec.exportTo"
    ]


def test_a_service_entry_that_exportto_hides_is_found() -> None:
    entry = service_entry("api", "app1", "api.example.org", exportTo=["."])
    mesh = mesh_behind_gateway(entry, *to("api.example.org", port={"number": 443}))

    assert [(str(each.place), each.exported_to) for each in hidden_configuration(mesh)] == [
        ("ServiceEntry app1/api spec.exportTo", (".",))
    ]
    assert destinations_without_service(mesh) == ()


def test_a_service_that_the_meshs_default_hides_is_found() -> None:
    config = mesh_config("defaultServiceExportTo: ['.']")
    mesh = mesh_behind_gateway(*web(), config, *to("web"))

    assert [each.exported_to for each in hidden_configuration(mesh)] == [(".",)]


def test_a_service_in_a_namespace_that_istiod_does_not_read_is_not_called_missing() -> None:
    config = mesh_config("discoverySelectors: [{matchLabels: {istio: 'on'}}]")
    namespaces: list[Manifest] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        for name, labels in (("app1", {}), ("istio-system", {"istio": "on"}))
    ]
    mesh = mesh_behind_gateway(*web(), config, *namespaces, *to("web"))

    assert destinations_without_service(mesh) == ()


def slices(*, ready: bool, port: str = "http") -> Manifest:
    return endpoint_slice("web", "app1", endpoint("10.0.0.1", "web-1", ready=ready), **{port: 80})


@pytest.mark.parametrize(
    ("endpoints", "destination", "lack"),
    [
        (slices(ready=True), {}, None),
        (slices(ready=False), {}, "has no ready endpoint"),
        (
            slices(ready=True, port="grpc"),
            {},
            'has no endpoint for port 80: none of its endpoints has a port named "http"',
        ),
        (
            slices(ready=True),
            {"subset": "v2"},
            "has no ready endpoint with the labels version=v2",
        ),
    ],
)
def test_a_cluster_without_an_endpoint_says_what_it_lacks(
    endpoints: Manifest, destination: Manifest, lack: str | None
) -> None:
    rule = destination_rule(
        "web", "app1", WEB, subsets=[{"name": "v2", "labels": {"version": "v2"}}]
    )
    mesh = mesh_behind_gateway(*web()[:2], endpoints, rule, *to("web", **destination))

    messages = [each.message for each in found("VS017", mesh)]

    assert messages == (
        [
            f"VirtualService app1/shop routes shop.example.com to Service app1/web, which {lack}:"
            " requests get 503 (UH)."
        ]
        if lack
        else []
    )


def test_endpoints_of_a_service_without_slices_are_not_known() -> None:
    mesh = mesh_behind_gateway(*web()[:2], *to("web"))

    assert destinations_without_endpoints(mesh) == ()
