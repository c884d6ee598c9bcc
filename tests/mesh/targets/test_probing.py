"""What the mesh wants to have looked at, and what it makes of what was seen."""

import pytest
import yaml

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.targets.probing import probe_targets
from istiodoctor.model.observation import HttpTarget, ProbeTargets, TlsTarget
from istiodoctor.testing.clusters import cluster

GATEWAY = """
apiVersion: v1
kind: Pod
metadata: {{name: gateway-1, namespace: istio-system, labels: {{istio: ingressgateway}}}}
spec: {{containers: [{{name: istio-proxy, image: "istio/proxyv2:1.22.3"}}]}}
status: {{phase: Running, hostIP: 192.0.2.7, conditions: [{{type: Ready, status: "{ready}"}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: gateway, namespace: istio-system}}
spec:
  type: {type}
  selector: {{istio: ingressgateway}}
  ports:
  - {{name: http2, port: 80, targetPort: 8080, nodePort: 30080}}
  - {{name: https, port: 443, targetPort: 8443, nodePort: 30443}}
status: {{loadBalancer: {{ingress: [{{ip: 203.0.113.10}}]}}}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - port: {{number: 443, name: https, protocol: HTTPS}}
    hosts: [{hosts}]
    tls: {{mode: {mode}, credentialName: shop-cert}}
  - port: {{number: 80, name: http, protocol: HTTP}}
    hosts: [{hosts}]
"""
ROUTE = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [a.example.com]
  gateways: [web]
  http: [{route: [{destination: {host: shop}}]}]
"""


OTHER = """
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: other, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [other.example.com]
    tls: {mode: SIMPLE, credentialName: other-cert}
"""


def targets(hosts: str = "shop.example.com", extra: str = "", **fields: str) -> ProbeTargets:
    settings = {"ready": "True", "type": "LoadBalancer", "mode": "SIMPLE", **fields}
    text = GATEWAY.format(hosts=hosts, **settings)
    return probe_targets(Mesh(cluster(text + extra)))


def handshakes(found: ProbeTargets) -> list[tuple[str, str, str]]:
    return [(str(each.target_door), each.host, each.sni) for each in map(Shown, found.tls)]


class Shown:
    def __init__(self, target: TlsTarget) -> None:
        self.target_door = f"{target.access_point.via} {target.access_point}"
        self.host, self.sni = target.host, target.sni


def urls(found: ProbeTargets) -> list[tuple[str, str, str]]:
    return [(first_access_point(each), each.url, each.forwarded_proto) for each in found.http]


def first_access_point(target: HttpTarget) -> str:
    return str(target.access_points[0].access_point.via)


def test_a_host_is_looked_at_in_the_pod_at_its_address_and_where_dns_points():
    host = "shop.example.com"

    assert handshakes(targets()) == [
        ("port-forward Pod istio-system/gateway-1 port 8443", host, host),
        ("service-address 203.0.113.10:443", host, host),
        ("port-forward Pod istio-system/gateway-1 port 8443", "", ""),
        ("dns shop.example.com:443", host, host),
    ]


def test_a_node_port_is_looked_at_on_the_node_of_a_pod():
    found = targets(type="NodePort")

    assert ("node-port 192.0.2.7:30443", "shop.example.com", "shop.example.com") in handshakes(
        found
    )
    assert ("node-port", "http://shop.example.com:30080/", "") in urls(found)


def test_one_redirect_of_a_listener_is_also_asked_for_as_proxies_would():
    redirect = "    tls: {httpsRedirect: true}\n"
    asked = [
        ("port-forward", "https://shop.example.com/", ""),
        ("port-forward", "http://shop.example.com/", ""),
    ]

    assert urls(targets(type="ClusterIP")) == asked
    assert urls(targets(extra=redirect, type="ClusterIP")) == [
        *asked,
        ("port-forward", "http://shop.example.com/", "https"),
        ("port-forward", "http://shop.example.com/", "http"),
    ]


def test_names_are_also_asked_where_they_lead_and_addresses_for_http_without_a_server():
    found = targets(extra=OTHER)

    assert [each for each in urls(found) if "other" in each[1]] == [
        ("port-forward", "https://other.example.com/", ""),
        ("service-address", "https://other.example.com/", ""),
        ("service-address", "http://other.example.com/", ""),
        ("dns", "https://other.example.com/", ""),
        ("dns", "http://other.example.com/", ""),
    ]


def test_a_path_that_a_route_takes_is_asked_for_where_none_takes_the_root():
    paths = ROUTE.replace("{route:", "{match: [{uri: {exact: /b}}], route:")
    rule = "http: [{match: [{uri: {regex: x}}], redirect: {uri: /}}, "
    after = paths.replace("http: [", rule)
    both = paths.replace("}}]}]", "}}]}, {route: [{destination: {host: shop}}]}]")

    assert asked_for_a(ROUTE) == {"https://a.example.com/"}
    assert asked_for_a(paths) == {"https://a.example.com/b"}
    assert asked_for_a(after) == {"https://a.example.com/b"}
    assert asked_for_a(both) == {"https://a.example.com/"}


def asked_for_a(routes: str) -> set[str]:
    found = targets("a.example.com", routes, type="ClusterIP")
    return {each.url for each in found.http if each.url.startswith("https:")}


CHALLENGE = """
---
apiVersion: acme.cert-manager.io/v1
kind: Challenge
metadata: {name: shop-1-2, namespace: istio-system}
spec: {type: HTTP-01, dnsName: HOST, token: a-token, key: a-token.thumbprint}
status: {state: pending}
"""


def test_a_challenge_that_waits_is_asked_for_as_its_issuer_does():
    challenge = CHALLENGE.replace("HOST", "shop.example.com")

    found = [each for each in targets(extra=challenge).http if "acme" in each.url]

    assert [(first_access_point(each), each.server, each.answer_begins) for each in found] == [
        ("port-forward", "", "a-token."),
        ("service-address", "", "a-token."),
        ("dns", "", "a-token."),
    ]
    assert {each.url for each in found} == {
        "http://shop.example.com/.well-known/acme-challenge/a-token"
    }


def test_challenges_of_other_hosts_and_odd_tokens_are_not_asked_for():
    other = CHALLENGE.replace("HOST", "elsewhere.example.com")
    odd = CHALLENGE.replace("HOST", "shop.example.com").replace("token: a-token", "token: a/../b")

    for challenge in (other, odd):
        assert not [each for each in targets(extra=challenge).http if "acme" in each.url]


def test_redirects_may_lead_to_the_ports_of_the_same_way_and_nowhere_else():
    found = targets(type="ClusterIP").http[1]

    assert [(each.scheme, each.port, each.access_point.port) for each in found.access_points] == [
        ("http", 80, 8080),
        ("https", 443, 8443),
    ]


def test_behind_a_wildcard_the_hosts_of_routes_are_looked_at_else_a_stand_in():
    wildcard = '"*.example.com"'

    assert {each[1:] for each in handshakes(targets(wildcard, type="ClusterIP"))} == {
        ("*.example.com", "istiodoctor-probe.example.com"),
        ("", ""),
    }
    assert {each[1:] for each in handshakes(targets(wildcard, ROUTE, type="ClusterIP"))} == {
        ("a.example.com", "a.example.com"),
        ("", ""),
    }


def test_a_server_for_any_name_is_looked_at_by_its_routes():
    found = targets('"*"', ROUTE, type="ClusterIP")

    assert {each[1] for each in handshakes(found)} == {"a.example.com", ""}
    assert found.hosts == ("a.example.com",)


def test_servers_for_other_proxies_are_left_alone():
    found = targets('"*.local"', mode="AUTO_PASSTHROUGH")

    assert (found.tls, found.blind) == ((), ())


def test_a_gateway_without_ready_pods_and_addresses_is_named_as_unseen():
    found = targets(ready="False", type="ClusterIP")

    ((gateway, words),) = found.blind
    assert (found.tls, str(gateway)) == ((), "Pod istio-system/gateway-1")
    assert words == "it has no ready pod and no address to look at"


def test_hosts_of_the_outside_are_not_looked_at_through_an_egress_gateway():
    entry = yaml.safe_dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": "partner", "namespace": "shop"},
            "spec": {"hosts": ["shop.example.com"]},
        }
    )

    assert {each[1] for each in handshakes(targets(extra="---\n" + entry))} == {""}


@pytest.mark.promise("never more than 1,000 of them")
def test_more_targets_than_are_looked_at_are_said_to_be_unseen():
    hosts = ", ".join(f"h{number}.example.com" for number in range(400))

    found = targets(hosts, type="ClusterIP")

    assert len(found.tls) + len(found.http) == 1000
    assert min(len(found.tls), len(found.http)) > 300
    assert {words for _, words in found.blind} == {
        "1201 targets are more than the 1000 that are looked at"
    }
