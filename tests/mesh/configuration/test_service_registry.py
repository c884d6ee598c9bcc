"""Which service a gateway takes a hostname for, and how its cluster is named."""

import pytest

from istiodoctor.mesh.configuration.registry_service import (
    Protocol,
    Resolution,
    service_port_protocol,
)
from istiodoctor.mesh.configuration.service_registry import (
    destination_cluster_name,
    service_for,
    service_for_connection,
    unread_service,
)
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.model.istio import Destination, PortSelector
from istiodoctor.model.kind import Kind
from istiodoctor.model.services import ServicePort
from istiodoctor.model.snapshot import Unread
from tests.support.behind_gateway import (
    WEB,
    gateway_workload,
    mesh_behind_gateway,
    mesh_config,
    without,
)
from tests.support.objects import Manifest, istiod, made, pod, service, service_entry

EXPORT = "networking.istio.io/exportTo"


def taken(mesh: Mesh, hostname: str, namespace: str = "elsewhere") -> str:
    """Return the object that a route of a namespace takes a hostname for."""
    found = service_for(mesh, gateway_workload(mesh), hostname, namespace)
    return str(found.ref) if found else ""


def exported(text: str) -> Manifest:
    return service("web", "app1", 80, annotations={EXPORT: text})


@pytest.mark.parametrize(
    ("text", "is_seen"),
    [
        (".", False),
        ("*", True),
        ("~", False),
        ("istio-system", True),
        ("app2, istio-system", True),
        ("app2", False),
        ("~,*", True),
        ("", True),
        (" ", False),
    ],
)
def test_the_annotation_of_a_service_says_who_sees_it(text: str, is_seen: bool):
    mesh = mesh_behind_gateway(exported(text))

    assert taken(mesh, WEB) == ("Service app1/web" if is_seen else "")


def test_a_service_that_hides_from_all_may_still_be_named_from_its_own_namespace():
    """`~` overrides names where clusters are made, and not where a route looks for a port."""
    mesh = mesh_behind_gateway(exported("~,istio-system"))

    assert taken(mesh, WEB, "app1") == "Service app1/web"
    assert taken(mesh, WEB, "app2") == ""


def test_the_mesh_says_who_sees_what_says_nothing():
    mesh = mesh_behind_gateway(
        service("web", "app1", 80),
        service_entry("open", "app1", "open.example.org", exportTo=["*"]),
        mesh_config("defaultServiceExportTo: ['.']"),
    )

    assert taken(mesh, WEB) == ""
    assert taken(mesh, "open.example.org") == "ServiceEntry app1/open"


def test_a_service_comes_before_a_service_entry_of_its_name_however_old():
    mesh = mesh_behind_gateway(
        service_entry("squat", "app2", WEB, created="2020-01-01"),
        service("web", "app1", 80, created="2026-01-01"),
    )

    assert taken(mesh, WEB) == "Service app1/web"


def test_of_service_entries_of_one_host_the_oldest_is_taken():
    mesh = mesh_behind_gateway(
        service_entry("a", "app1", "x.example.org", created="2026-01-02"),
        service_entry("b", "app2", "x.example.org", created="2026-01-01"),
    )

    assert taken(mesh, "x.example.org") == "ServiceEntry app2/b"


def test_what_is_exported_by_name_comes_before_what_is_public():
    mesh = mesh_behind_gateway(
        service_entry("public", "app1", "x.example.org", created="2020-01-01"),
        service_entry(
            "named", "app2", "x.example.org", created="2026-01-01", exportTo=["istio-system"]
        ),
    )

    assert taken(mesh, "x.example.org") == "ServiceEntry app2/named"


def test_a_http_route_prefers_its_own_namespace_and_a_connection_does_not():
    mesh = mesh_behind_gateway(
        service_entry("old", "app1", "x.example.org", created="2020-01-01"),
        service_entry("own", "app2", "x.example.org", created="2026-01-01"),
    )

    assert taken(mesh, "x.example.org", "app2") == "ServiceEntry app2/own"
    found = service_for_connection(mesh, gateway_workload(mesh), "x.example.org")
    assert found is not None
    assert str(found.ref) == "ServiceEntry app1/old"


def test_ports_of_service_entries_that_are_alike_are_put_together():
    more = [
        {"number": 80, "name": "http", "protocol": "HTTP"},
        {"number": 443, "name": "again", "protocol": "TLS"},
    ]
    mesh = mesh_behind_gateway(
        service_entry("a", "app1", "x.example.org", created="2026-01-01"),
        service_entry("b", "app1", "x.example.org", created="2026-01-02", ports=more),
        service_entry(
            "c", "app2", "x.example.org", created="2026-01-03", ports=[{"number": 8443}]
        ),
    )
    found = service_for(mesh, gateway_workload(mesh), "x.example.org", "elsewhere")

    assert found is not None
    assert [(each.number, each.name) for each in found.ports] == [(443, "tls"), (80, "http")]


def test_a_route_in_the_service_entrys_namespace_sees_its_ports_alone():
    mesh = mesh_behind_gateway(
        service_entry("a", "app1", "x.example.org", created="2026-01-01"),
        service_entry(
            "b", "app1", "x.example.org", created="2026-01-02", ports=[{"number": 8443}]
        ),
    )
    workload = gateway_workload(mesh)
    own, other = (service_for(mesh, workload, "x.example.org", each) for each in ("app1", "app2"))
    destination = Destination(host="x.example.org")

    assert destination_cluster_name(destination, own, 9443) == "outbound|443||x.example.org"
    assert destination_cluster_name(destination, other, 9443) == "outbound|9443||x.example.org"


def test_a_service_entry_whose_addresses_are_none_makes_no_service():
    mesh = mesh_behind_gateway(
        service_entry("bad", "app1", "x.example.org", addresses=["²", "example.org", ""]),
        service_entry("good", "app1", "y.example.org", addresses=["²", "10.0.0.0/8"]),
    )

    assert taken(mesh, "x.example.org") == ""
    assert taken(mesh, "y.example.org") == "ServiceEntry app1/good"


@pytest.mark.parametrize(
    ("arguments", "suffix"),
    [
        ([], "cluster.local"),
        (["discovery", "--domain", "corp.example"], "corp.example"),
        (["discovery", "--domain=corp.example"], "corp.example"),
        (["discovery", "--domain"], "cluster.local"),
        (["--domain="], "cluster.local"),
    ],
)
def test_istiods_domain_is_that_of_full_names(arguments: list[str], suffix: str):
    plane = istiod()
    plane["spec"]["containers"][0]["args"] = arguments
    mesh = mesh_behind_gateway(plane, service("web", "app1", 80))

    assert taken(mesh, f"web.app1.svc.{suffix}") == "Service app1/web"
    assert taken(mesh, "web.app1.svc.other.example") == ""


def external(**spec: object) -> Manifest:
    fields = {"type": "ExternalName", "externalName": "x.example.org", **spec}
    return made("v1", "Service", "ext", "app1", spec={"ports": [{"port": 443}], **fields})


@pytest.mark.parametrize(
    ("plane", "resolution", "name"),
    [
        (istiod("1.24.1"), Resolution.ALIAS, "outbound|443||x.example.org"),
        (istiod("1.20.1"), Resolution.DNS, "outbound|443||ext.app1.svc.cluster.local"),
        (
            istiod("1.22.0", ENABLE_EXTERNAL_NAME_ALIAS="false"),
            Resolution.DNS,
            "outbound|443||ext.app1.svc.cluster.local",
        ),
        (
            istiod("1.27.0", ENABLE_EXTERNAL_NAME_ALIAS="false"),
            Resolution.ALIAS,
            "outbound|443||x.example.org",
        ),
        (istiod("latest"), Resolution.ALIAS, "outbound|443||x.example.org"),
    ],
)
def test_an_external_name_is_another_name_for_a_host_since_istio_1_21(
    plane: Manifest, resolution: Resolution, name: str
):
    mesh = mesh_behind_gateway(plane, external())
    host = "ext.app1.svc.cluster.local"
    found = service_for(mesh, gateway_workload(mesh), host, "app1")

    assert found is not None
    assert found.resolution is resolution
    assert destination_cluster_name(Destination(host=host), found, 80) == name


def test_a_headless_external_name_leads_to_its_host_too():
    mesh = mesh_behind_gateway(external(clusterIP="None"))
    found = service_for(mesh, gateway_workload(mesh), "ext.app1.svc.cluster.local", "app1")

    assert found is not None
    assert (found.resolution, found.external_name) == (Resolution.PASSTHROUGH, "x.example.org")


@pytest.mark.parametrize(
    ("destination", "ports", "name"),
    [
        (Destination(host=WEB), [80], f"outbound|80||{WEB}"),
        (Destination(host=WEB), [80, 81], f"outbound|8080||{WEB}"),
        (Destination(host=WEB, subset="v1"), [], f"outbound|8080|v1|{WEB}"),
        (Destination(host=WEB, port=PortSelector(number=81)), [80], f"outbound|81||{WEB}"),
        (Destination(host=WEB, port=PortSelector()), [80], f"outbound|0||{WEB}"),
        (Destination(), [80], "UnknownService"),
    ],
)
def test_a_destination_without_a_port_gets_the_only_one_or_the_listeners(
    destination: Destination, ports: list[int], name: str
):
    mesh = mesh_behind_gateway(service("web", "app1", *ports))
    found = service_for(mesh, gateway_workload(mesh), WEB, "app1")

    assert destination_cluster_name(destination, found, 8080) == name


def test_a_namespace_that_the_mesh_does_not_discover_has_no_services():
    mesh = mesh_behind_gateway(
        made("v1", "Namespace", "app1", "", labels={"mesh": "off"}),
        made("v1", "Namespace", "app2", "", labels={"mesh": "on"}),
        service("web", "app1", 80),
        service("web", "app2", 80),
        mesh_config("discoverySelectors: [{matchLabels: {mesh: 'on'}}]"),
    )

    assert taken(mesh, WEB) == ""
    assert taken(mesh, "web.app2.svc.cluster.local") == "Service app2/web"


@pytest.mark.parametrize(
    ("hostname", "unread", "said"),
    [
        (WEB, Unread(kind=Kind.SERVICE, namespace="app1"), "Service app1/web was not read"),
        (WEB, Unread(kind=Kind.SERVICE, namespace="app2"), ""),
        (WEB, Unread(kind=Kind.SERVICE_ENTRY), "not every ServiceEntry was read"),
        ("x.org", Unread(kind=Kind.SERVICE), ""),
        ("x.org", Unread(kind=Kind.SERVICE_ENTRY), "not every ServiceEntry was read"),
    ],
)
def test_what_was_not_read_may_be_the_service(hostname: str, unread: Unread, said: str):
    mesh = without(mesh_behind_gateway(pod()), unread)

    assert unread_service(mesh, gateway_workload(mesh), hostname) == said


@pytest.mark.parametrize(
    ("port", "protocol"),
    [
        (ServicePort(name="http"), Protocol.HTTP),
        (ServicePort(name="HTTP2-web"), Protocol.HTTP2),
        (ServicePort(name="grpc-web-x"), Protocol.GRPC_WEB),
        (ServicePort(name="grpc-webby"), Protocol.GRPC_WEB),
        (ServicePort(name="grpc-x"), Protocol.GRPC),
        (ServicePort(name="web"), Protocol.UNSUPPORTED),
        (ServicePort(name="²"), Protocol.UNSUPPORTED),
        (ServicePort(name="web", port=3306), Protocol.TCP),
        (ServicePort(name="http", app_protocol="kubernetes.io/h2c"), Protocol.HTTP2),
        (ServicePort(name="tcp", app_protocol="https"), Protocol.HTTPS),
        (ServicePort(name="http", protocol="UDP"), Protocol.UDP),
    ],
)
def test_a_ports_protocol_is_told_by_its_app_protocol_or_its_name(
    port: ServicePort, protocol: Protocol
):
    assert service_port_protocol(port) is protocol
