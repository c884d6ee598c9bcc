"""What is worth trying though it should not work: names nobody has, plain ports, reused ways."""

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.targets.probing import probe_targets
from istiodoctor.model.observation import ProbeTargets
from tests.support.examples import cluster

POD = """
apiVersion: v1
kind: Pod
metadata: {name: gateway-1, namespace: istio-system, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: istio-system}
spec:
  type: %s
  selector: {istio: ingressgateway}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
status: {loadBalancer: {ingress: [{ip: 203.0.113.10}]}}
"""
GATEWAY = """
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: shop, creationTimestamp: "2025-0{age}-01T00:00:00Z"}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - port: {{number: 443, name: https, protocol: {protocol}}}
    hosts: [{hosts}]
    {tls}
"""
TLS = "tls: {mode: SIMPLE, credentialName: shop-cert}"
SECRET = """
---
apiVersion: v1
kind: Secret
metadata: {name: shop-cert, namespace: istio-system}
stringData:
  tls.crt: "certificate for *.example.com"
  tls.key: "key of *.example.com"
"""
ROUTE = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: shop}}
spec:
  hosts: [{host}]
  gateways: [{gateway}]
  http: [{{route: [{{destination: {{host: {name}}}}}]}}]
"""


def gateway(name: str, hosts: str, age: int = 1, protocol: str = "HTTPS", tls: str = TLS) -> str:
    return GATEWAY.format(name=name, hosts=hosts, age=age, protocol=protocol, tls=tls)


def targets(*parts: str, service: str = "ClusterIP") -> ProbeTargets:
    return probe_targets(Mesh(cluster(POD % service + "".join(parts))))


def asked(found: ProbeTargets) -> set[tuple[str, str, str]]:
    """Return where handshakes go, the name, and the server that should answer it."""
    return {
        (str(each.access_point.via), each.sni, each.server.rpartition("/")[2])
        for each in found.tls
        if each.sni
    }


def test_a_host_of_a_server_that_is_left_out_is_asked_for_though_nobody_has_it():
    found = targets(
        gateway("older", "a.example.com"), gateway("younger", "a.example.com, b.example.com", 2)
    )

    assert asked(found) == {
        ("port-forward", "a.example.com", "older#0"),
        ("port-forward", "b.example.com", ""),
    }


def test_a_host_that_another_server_takes_instead_is_asked_of_that_one():
    found = targets(
        gateway("older", 'a.example.com, "*.example.com"'),
        gateway("younger", "a.example.com, b.example.com", 2),
    )

    assert ("port-forward", "b.example.com", "older#0") in asked(found)


def test_a_host_that_only_a_route_has_is_asked_for():
    lost = ROUTE.format(name="lost", host="lost.example.com", gateway="web")

    found = targets(gateway("web", "a.example.com"), lost)

    assert ("port-forward", "lost.example.com", "") in asked(found)


def test_the_port_of_https_is_asked_for_tls_though_its_server_speaks_plain_http():
    plain = gateway("web", "a.example.com", protocol="HTTP", tls="")

    assert asked(targets(plain, service="LoadBalancer")) == {
        ("port-forward", "a.example.com", ""),
        ("service-address", "a.example.com", ""),
    }
    assert asked(targets(plain, service="ClusterIP")) == set()


def test_of_many_names_that_nobody_has_a_few_are_asked_for():
    many = ", ".join(f"h{number}.example.com" for number in range(20))

    found = targets(
        gateway("older", "a.example.com"), gateway("younger", f"a.example.com, {many}", 2)
    )

    assert [each.host for each in found.tls if each.host and not each.server] == [
        "h0.example.com", "h1.example.com", "h2.example.com",
    ]  # fmt: skip


def test_a_host_is_asked_for_on_the_connection_of_a_server_whose_certificate_covers_it():
    found = targets(
        gateway("a", "a.example.com"),
        gateway("b", "b.example.com", 2),
        ROUTE.format(name="a", host="a.example.com", gateway="a"),
        ROUTE.format(name="b", host="b.example.com", gateway="b"),
        SECRET,
    )

    assert {(each.url, each.sni, each.server) for each in found.http if each.sni} == {
        ("https://b.example.com/", "a.example.com", ""),
        ("https://a.example.com/", "b.example.com", ""),
    }
    assert not any(each.follows_redirects for each in found.http if each.sni)


def test_servers_with_certificates_of_their_own_share_no_connection():
    found = targets(
        gateway("a", "a.example.com"),
        ROUTE.format(name="a", host="a.example.com", gateway="a"),
        SECRET.replace("*.example.com", "a.example.com"),
        gateway("b", "b.example.com", 2, tls=TLS.replace("shop-cert", "b-cert")),
        ROUTE.format(name="b", host="b.example.com", gateway="b"),
        SECRET.replace("*.example.com", "b.example.com").replace("shop-cert", "b-cert"),
    )

    assert [each for each in found.http if each.sni] == []
