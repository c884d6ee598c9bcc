"""Gateways: what the examples of their checks cannot show."""

import pytest
import yaml

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.model.decode import decode_object
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Snapshot
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import mesh
from istiodoctor.testing.words import NOW

CHECKS = discover().by_code()

POD = """
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: istio-system, labels: {istio: ingress}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
---
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: istio-system}
spec:
  type: LoadBalancer
  selector: {istio: ingress}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
---
"""


def tls_gateway(name: str, *hosts: str, selector: str = "ingress", created: str = "") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: shop{f', creationTimestamp: "{created}"' if created else ""}}}
spec:
  selector: {{istio: {selector}}}
  servers:
  - port: {{number: 443, name: https, protocol: HTTPS}}
    hosts: {list(hosts)}
    tls: {{mode: SIMPLE, credentialName: cert-of-{name}}}
---
"""


def plain_gateway(name: str, host: str, *, created: str = "", bind: str = '""') -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: shop{f', creationTimestamp: "{created}"' if created else ""}}}
spec:
  selector: {{istio: ingress}}
  servers:
  - bind: {bind}
    port: {{number: 443, name: http, protocol: HTTP}}
    hosts: ["{host}"]
---
"""


def route(name: str, host: str, *gateways: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: shop}}
spec: {{hosts: ["{host}"], gateways: {list(gateways)}, http: [{{route: []}}]}}
---
"""


def find(code: str, text: str) -> list[Finding]:
    return list(CHECKS[code].run(mesh(text)))


def manifests(text: str) -> Mesh:
    """Return plain manifests: no absence is a fact."""
    decoded = [decode_object(each) for each in yaml.safe_load_all(text) if each]
    resources = tuple(each.resource for each in decoded if each and each.resource)
    reading = Reading(resources=resources)
    return Mesh(Snapshot(taken_at=NOW, source="x", readings=[reading], requested=frozenset(Kind)))


def test_the_nearest_gateway_workload_is_offered_for_a_selector_that_matches_nothing():
    (finding,) = find(
        "GW001", POD + tls_gateway("web", "a.example.com", selector="ingressgateway")
    )

    assert finding.fixes[0].patches[0].body == [
        {"op": "add", "path": "/spec/selector", "value": {"istio": "ingress"}}
    ]
    assert "Pod istio-system/gateway has istio: ingress" in finding.message


def test_plain_manifests_without_pods_prove_no_selector_wrong():
    gateway = tls_gateway("web", "a.example.com", selector="ingressgateway")

    assert not list(CHECKS["GW001"].run(manifests(gateway)))
    assert not list(CHECKS["GW001"].run(manifests(POD + gateway)))


def test_an_unselected_gateway_whose_hosts_another_one_serves_is_only_a_leftover():
    text = (
        POD
        + tls_gateway("web", "*.example.com")
        + tls_gateway("old", "a.example.com", selector="ingressgateway")
    )

    assert [each.severity for each in find("GW001", text)] == [Severity.MEDIUM]


OLD, NEW = "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"


def test_the_hosts_that_only_the_dropped_server_lists_go_with_it():
    text = (
        POD
        + tls_gateway("first", "a.example.com", created=OLD)
        + tls_gateway("second", "a.example.com", "b.example.com", created=NEW)
    )
    (finding,) = find("GW002", text)

    assert (finding.severity, finding.hosts) == (
        Severity.CRITICAL,
        frozenset({"a.example.com", "b.example.com"}),
    )
    assert finding.fixes[0].patches[0].body == [
        {"op": "replace", "path": "/spec/servers/0/hosts", "value": ["b.example.com"]}
    ]


def test_a_duplicate_whose_virtual_service_is_bound_to_both_gateways_kills_no_host():
    text = (
        POD
        + tls_gateway("first", "a.example.com", created=OLD)
        + tls_gateway("second", "a.example.com", created=NEW)
        + route("a", "a.example.com", "first", "second")
    )

    assert [each.severity for each in find("GW002", text)] == [Severity.MEDIUM]


def test_routes_of_the_dropped_gateway_beside_others_for_the_host_are_lost_in_part():
    text = (
        POD
        + tls_gateway("first", "a.example.com", created=OLD)
        + tls_gateway("second", "a.example.com", created=NEW)
        + route("one", "a.example.com", "first")
        + route("two", "a.example.com", "second")
    )
    (finding,) = find("GW002", text)

    assert finding.severity is Severity.HIGH
    assert finding.message.endswith(
        "Requests for a.example.com never reach VirtualService shop/two."
    )


def test_without_creation_times_the_loser_of_a_duplicate_is_a_guess():
    text = POD + tls_gateway("first", "a.example.com") + tls_gateway("second", "a.example.com")
    (finding,) = find("GW002", text)

    assert finding.confidence is Confidence.SUSPECTED


def test_a_dropped_redirect_matters_for_the_hosts_that_nobody_else_redirects():
    redirect = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: shop, creationTimestamp: "{created}"}}
spec:
  selector: {{istio: ingress}}
  servers:
  - port: {{number: 80, name: http, protocol: HTTP}}
    hosts: [{hosts}]
    tls: {{httpsRedirect: true}}
---
"""
    first = redirect.format(name="first", created=OLD, hosts="a.example.com")
    second = redirect.format(name="second", created=NEW, hosts="a.example.com, b.example.com")
    (finding,) = find("GW002", POD + first + second)

    assert finding.severity is Severity.MEDIUM
    assert finding.message.endswith(
        "Plain requests for b.example.com are not redirected to HTTPS."
    )
    assert not find("GW002", POD + first + first.replace("first", "third"))


MIXED = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: plain, namespace: shop, creationTimestamp: "2024-01-15T00:00:00Z"}
spec:
  selector: {istio: ingress}
  servers:
  - {port: {number: 443, name: http, protocol: HTTP}, hosts: [old.example.com]}
---
"""
ISTIOD = """
apiVersion: v1
kind: Pod
metadata: {{name: istiod, namespace: istio-system, labels: {{app: istiod}}}}
spec: {{containers: [{{name: discovery, image: "istio/pilot:{version}"}}]}}
---
"""


def test_from_1_27_4_on_a_younger_plain_server_takes_the_port_from_later_tls_servers():
    text = (
        POD
        + MIXED
        + tls_gateway("first", "a.example.com", created=OLD)
        + tls_gateway("second", "b.example.com", created=NEW)
    )
    old = find("GW004", text + ISTIOD.format(version="1.27.3"))
    new = find("GW004", text + ISTIOD.format(version="1.27.4"))
    unknown = find("GW004", text)

    assert [(sorted(f.hosts), f.severity, f.confidence) for f in old] == [
        (["old.example.com"], Severity.HIGH, Confidence.CERTAIN)
    ]
    assert [(sorted(f.hosts), f.severity, f.confidence) for f in new] == [
        (["b.example.com"], Severity.CRITICAL, Confidence.CERTAIN)
    ]
    assert [f.confidence for f in unknown] == [Confidence.SUSPECTED]


def test_plain_http_on_443_is_for_an_inner_proxy_where_only_the_cluster_can_reach_it():
    inside = SERVICE.replace("type: LoadBalancer", "type: ClusterIP")

    assert find("GW005", POD + SERVICE + MIXED)
    assert not find("GW005", POD + inside + MIXED)


def test_a_server_that_one_of_its_workloads_can_be_reached_for_is_reached():
    other = POD.replace("name: gateway", "name: internal").replace("istio-system", "inner")

    assert not find("GW012", POD + SERVICE + other + tls_gateway("web", "a.example.com"))


def test_a_gateway_without_any_service_is_out_of_reach_only_if_services_were_read():
    text = POD + tls_gateway("web", "a.example.com")

    assert len(find("GW012", text)) == 1
    assert not list(CHECKS["GW012"].run(manifests(text)))


def test_a_missing_route_is_low_for_a_wildcard_and_unknown_in_plain_manifests():
    exact, wildcard = tls_gateway("web", "a.example.com"), tls_gateway("web", "*.example.com")

    assert [each.severity for each in find("GW019", POD + exact)] == [Severity.MEDIUM]
    assert [each.severity for each in find("GW019", POD + wildcard)] == [Severity.LOW]
    assert not list(CHECKS["GW019"].run(manifests(POD + exact)))


def test_plain_servers_on_one_port_share_their_routes():
    plain = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{istio: ingress}}
  servers:
  - {{port: {{number: 80, name: http, protocol: HTTP}}, hosts: [a.example.com]}}
---
"""
    text = POD + plain.format(name="one") + plain.format(name="two")

    assert not find("GW019", text + route("a", "a.example.com", "one"))


def test_a_prefix_that_keeps_a_second_virtual_service_out_does_what_it_is_for():
    gateway = POD + tls_gateway("web", "shop/a.example.com")
    stranger = route("b", "a.example.com", "shop/web").replace("namespace: shop", "namespace: b")
    (alone,) = find("GW010", gateway + stranger)
    (beside,) = find("GW010", gateway + stranger + route("a", "a.example.com", "web"))

    assert (alone.severity, beside.severity) == (Severity.CRITICAL, Severity.LOW)
    assert not find("GW010", gateway + route("a", "a.example.com", "web"))


def test_unknown_cipher_suites_broke_old_versions_and_are_left_out_by_others():
    gateway = tls_gateway("web", "a.example.com").replace(
        "credentialName", "cipherSuites: [AES128], credentialName"
    )
    old = find("GW014", POD + ISTIOD.format(version="1.7.8") + gateway)
    new = find("GW014", POD + ISTIOD.format(version="1.22.3") + gateway)

    assert [(f.severity, f.confidence) for f in old] == [(Severity.HIGH, Confidence.SUSPECTED)]
    assert [(f.severity, f.confidence) for f in new] == [(Severity.LOW, Confidence.CERTAIN)]


def test_the_same_sni_is_a_conflict_only_on_the_same_pods():
    one = tls_gateway("one", "a/a.example.com")
    other = tls_gateway("other", "b/a.example.com")

    assert len(find("GW020", POD + one + other)) == 1
    assert not find("GW020", POD + one + other.replace("istio: ingress", "istio: edge"))


def ingress(name: str, created: str, *hosts: str) -> str:
    return f"""
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: shop
  creationTimestamp: "{created}"
  annotations: {{kubernetes.io/ingress.class: istio}}
spec:
  tls: [{{hosts: {list(hosts)}, secretName: cert}}]
  rules:
  - host: {hosts[0]}
    http:
      paths:
      - {{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}
---
"""


INGRESS_POD = POD.replace("istio: ingress}", "istio: ingressgateway}")
OLD, NEW = "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("first", "second", "severity", "says"),
    [
        (NEW, OLD, Severity.CRITICAL, "every request gets 404"),
        (OLD, NEW, Severity.MEDIUM, "certificate is never served"),
    ],
)
def test_of_two_ingresses_with_one_host_the_one_whose_name_comes_first_serves_it(
    first: str, second: str, severity: Severity, says: str
):
    text = INGRESS_POD + ingress("a", first, "a.com") + ingress("b", second, "a.com", "b.com")

    (finding,) = find("GW002", text)

    assert (finding.severity, finding.objects[0].ref.name, says in finding.message) == (
        severity,
        "b",
        True,
    )
    (fix,) = finding.fixes
    assert [(each.ref.name, each.body) for each in fix.patches] == [
        ("a", [{"op": "remove", "path": "/spec/tls/0"}])
    ]


def test_an_ingress_goes_before_every_gateway():
    gateway = tls_gateway("web", "a.com", selector="ingressgateway", created=OLD)

    (finding,) = find("GW002", INGRESS_POD + ingress("a", NEW, "a.com", "b.com") + gateway)

    (fix,) = finding.fixes
    assert [(str(each.ref), each.body) for each in fix.patches] == [
        (
            "Ingress shop/a",
            [{"op": "replace", "path": "/spec/tls/0/hosts", "value": ["b.com"]}],
        )
    ]


def test_a_listener_that_lists_other_kinds_of_routes_says_so():
    text = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  gatewayClassName: istio
  listeners:
  - {name: http, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: HTTPRoute}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: shop, namespace: shop}
spec:
  parentRefs: [{name: web}]
  hostnames: [a.com]
  rules: [{backendRefs: [{name: shop, port: 80}]}]
"""

    (finding,) = find("GWAPI003", text)

    assert "takes no GRPCRoutes: requests for a.com get 404" in finding.message
    assert [each.path for each in finding.objects] == [
        "/spec/listeners/0/allowedRoutes/kinds",
        "/spec/parentRefs/0",
    ]


PASSED_ON = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: passed, namespace: shop}
spec:
  selector: {istio: ingress}
  servers:
  - port: {number: 443, name: tls, protocol: TLS}
    hosts: ["*.example.com"]
    tls: {mode: PASSTHROUGH}
---
"""
BY_SNI = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: passed, namespace: shop}
spec:
  hosts: ["*.example.com"]
  gateways: [passed]
  tls:
  - match: [{sniHosts: [b.example.com, A.example.com]}]
    route: [{destination: {host: shop}}]
---
"""


def test_a_passthrough_rule_for_the_host_of_an_https_server_takes_the_port_down():
    beside = tls_gateway("other", "c.example.com")

    (found,) = find(
        "GW024", POD + tls_gateway("web", "a.example.com") + beside + PASSED_ON + BY_SNI
    )

    assert [str(each) for each in found.objects] == [
        "VirtualService shop/passed spec.tls[0].match[0].sniHosts",
        "Gateway shop/web spec.servers[0].hosts",
    ]
    assert found.hosts == {"a.example.com", "c.example.com", "*.example.com"}
    assert (found.severity, found.confidence) == (Severity.CRITICAL, Confidence.CERTAIN)
    assert found.fixes[0].patches[0].body == [
        {"op": "add", "path": "/spec/tls/0/match/0/sniHosts", "value": ["b.example.com"]}
    ]


def test_a_passthrough_server_without_rules_makes_no_chain_and_clashes_with_nothing():
    text = POD + tls_gateway("web", "shop/a.example.com")
    passed = PASSED_ON.replace("*.example.com", "a/a.example.com")

    assert not find("GW020", text + passed)
    assert not find("GW024", text + passed)


def test_hosts_in_other_letters_are_one_server_name():
    text = POD + tls_gateway("one", "A.example.com") + tls_gateway("other", "a.example.com")

    assert not find("GW020", text)
    assert [each.hosts for each in find("GW024", text)] == [{"a.example.com"}]


@pytest.mark.parametrize(("bind", "count"), [("0.0.0.0", 1), ("127.0.0.1", 0)])
def test_to_bind_every_address_is_to_bind_none(bind: str, count: int):
    one, other = (
        plain_gateway("one", "a.example.com"),
        plain_gateway("other", "b.example.com", bind=bind),
    )

    found = find("GW024", POD + one + other)

    assert [each.fixes[0].patches[0].body for each in found] == [
        [{"op": "remove", "path": "/spec/servers/0/bind"}]
    ] * count
    assert all(each.severity is Severity.HIGH for each in found)


IPV6_POD = POD.replace("\n---", "\nstatus: {podIP: 'fd00::7'}\n---")


def bound(*addresses: str) -> str:
    return "".join(
        plain_gateway(f"g{i}", f"{i}.example.com", bind=f"'{each}'")
        for i, each in enumerate(addresses)
    )


def test_one_address_in_two_spellings_is_two_listeners_of_which_envoy_takes_one():
    (found,) = find("GW024", IPV6_POD + bound("::", "0:0::0"))

    assert found.message == (
        "Gateway shop/g0 server 443 (http) and Gateway shop/g1 server 443 (http) bind one address"
        " on port 443 of Pod istio-system/gateway: :: and 0:0::0 are one address, and istiod makes"
        " a listener for each spelling. Envoy refuses the one that it is sent second, and istiod"
        " sends them in no fixed order: either server may be the one that no pod serves."
    )
    assert [str(each) for each in found.objects] == [
        "Gateway shop/g1 spec.servers[0].bind",
        "Gateway shop/g0 spec.servers[0].bind",
    ]
    assert found.hosts == {"0.example.com", "1.example.com"}
    assert (found.severity, found.confidence) == (Severity.HIGH, Confidence.CERTAIN)
    assert found.fixes[0].patches[0].body == [
        {"op": "add", "path": "/spec/servers/0/bind", "value": "::"}
    ]


def test_to_bind_nothing_is_to_bind_every_address_of_ipv6_where_pods_have_no_other():
    text = bound("", "0::0")

    assert [each.fixes[0].patches[0].body for each in find("GW024", IPV6_POD + text)] == [
        [{"op": "remove", "path": "/spec/servers/0/bind"}]
    ]
    assert not find("GW024", IPV6_POD + bound("", "0.0.0.0"))
    assert not find("GW024", POD + text)


@pytest.mark.parametrize(
    ("bind", "words"),
    [
        ("ingress.example.com", "'ingress.example.com' is no IP address"),
        ("10.0.0.010", "'10.0.0.010' is no IP address"),
        (
            "::ffff:10.0.0.1",
            "::ffff:10.0.0.1 is an address of IPv4, which cannot be bound as one of IPv6",
        ),
    ],
)
def test_an_address_that_cannot_be_bound_takes_its_listener_down(bind: str, words: str):
    (found,) = find("GW024", POD + bound("", bind))

    assert found.message == (
        "Gateway shop/g1 server 443 (http) makes a listener on port 443 of Pod"
        f" istio-system/gateway that is not valid: {words}. Envoy refuses such a"
        " listener and keeps the last it had: nothing on that port is updated, and a new pod does"
        " not open it."
    )
    assert [str(each) for each in found.objects] == ["Gateway shop/g1 spec.servers[0].bind"]
    assert found.hosts == {"1.example.com"}
    assert found.fixes[0].patches[0].body == [{"op": "remove", "path": "/spec/servers/0/bind"}]


def with_tls(settings: str) -> str:
    return POD + tls_gateway("web", "a.example.com").replace("mode: SIMPLE", settings)


def test_versions_of_which_none_is_left_are_told_with_their_field():
    limits = "minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2"

    (found,) = find("GW025", with_tls(f"mode: SIMPLE, {limits}"))

    assert found.message == (
        "Every TLS handshake with Gateway shop/web server 443 (https) fails: it permits TLSV1_2 at"
        " most and TLSV1_3 at least."
    )
    assert [str(each) for each in found.objects] == [
        "Gateway shop/web spec.servers[0].tls.maxProtocolVersion"
    ]
    assert found.hosts == {"a.example.com"}
    severity = found.severity or CHECKS["GW025"].severity
    assert (severity, found.confidence) == (Severity.CRITICAL, Confidence.CERTAIN)
    assert found.fixes[0].patches[0].body == [
        {"op": "remove", "path": "/spec/servers/0/tls/maxProtocolVersion"}
    ]


def test_an_unknown_curve_is_suspected_where_istiod_may_not_send_it():
    text = with_tls("mode: SIMPLE, ecdhCurves: [P-224]")

    def confidence(version: str) -> list[Confidence]:
        istiod = ISTIOD.format(version=version) if version else ""
        return [each.confidence for each in find("GW025", istiod + text)]

    assert confidence("1.31.0") == []
    assert confidence("1.32.0") == [Confidence.CERTAIN]
    assert confidence("") == [Confidence.SUSPECTED]


def test_what_istiod_passes_on_of_cipher_suites_is_not_said_to_be_left_out():
    text = with_tls('mode: SIMPLE, cipherSuites: [ALL, "-FOO"]')

    assert not find("GW014", text)
    assert [each.message for each in find("GW025", text)] == [
        "Every TLS handshake with Gateway shop/web server 443 (https) fails: -FOO names no cipher"
        " suite that Envoy knows."
    ]


def test_a_pin_that_is_no_digest_takes_the_listener_down():
    (found,) = find("GW024", with_tls("mode: MUTUAL, verifyCertificateSpki: [abc]"))

    assert found.message.startswith(
        "Gateway shop/web server 443 (https) makes a listener on port 443 of Pod"
        " istio-system/gateway that is not valid: 'abc' is no SHA-256 digest of a public key in"
        " base64."
    )
    assert [str(each) for each in found.objects] == [
        "Gateway shop/web spec.servers[0].tls.verifyCertificateSpki"
    ]
    assert found.hosts == {"a.example.com"}
    assert found.severity is Severity.CRITICAL
    assert not find("GW024", with_tls("mode: SIMPLE, verifyCertificateSpki: [abc]"))


def test_a_server_for_every_host_and_a_plain_one_meet_only_in_new_releases_of_istio():
    every = tls_gateway("every", "*", created="2024-01-01T00:00:00Z")
    plain = plain_gateway("plain", "a.example.com", created="2024-02-01T00:00:00Z")

    def confidence(version: str) -> list[Confidence]:
        istiod = ISTIOD.format(version=version) if version else ""
        return [each.confidence for each in find("GW024", POD + istiod + every + plain)]

    assert confidence("1.31.0") == [Confidence.CERTAIN]
    assert confidence("1.22.3") == []
    assert confidence("") == [Confidence.SUSPECTED]
