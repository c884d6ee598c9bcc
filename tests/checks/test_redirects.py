"""Redirects: what the examples of their checks cannot show."""

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.facts import Facts, FrontProxy
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster, log_lines

CHECKS = discover().by_code()

GATEWAY = """
apiVersion: v1
kind: Pod
metadata:
  name: gateway
  namespace: istio-system
  labels: {{istio: ingress}}
  annotations: {{proxy.istio.io/config: "gatewayTopology: {{numTrustedProxies: {trusted}}}"}}
spec: {{containers: [{{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: gateway, namespace: istio-system}}
spec:
  type: LoadBalancer
  selector: {{istio: ingress}}
  ports: [{{name: http, port: 80, targetPort: 8080}}, {{name: https, port: 443, targetPort: 8443}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{istio: ingress}}
  servers:
  - port: {{number: 80, name: http, protocol: HTTP}}
    hosts: ["{host}"]
    tls: {{httpsRedirect: true}}
"""
TLS = """  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
"""


def gateway(*, trusted: int = 0, tls: bool = True, host: str = "shop.example.com") -> str:
    return GATEWAY.format(trusted=trusted, host=host) + (TLS if tls else "")


def find(code: str, text: str, *proxies: FrontProxy) -> list[Finding]:
    return list(CHECKS[code].run(Mesh(cluster(text), Facts(front_proxies=proxies))))


def proxy(*, sends: str = "", sni: bool | None = None) -> FrontProxy:
    return FrontProxy(
        hosts=("*.example.com",), terminates_tls=True, sends_x_forwarded_proto=sends, sends_sni=sni
    )


def test_a_proxy_that_the_user_names_makes_a_loop_likely_and_without_tls_servers_certain():
    with_tls = find("HTTP001", gateway(), proxy())
    without = find("HTTP001", gateway(tls=False), proxy())

    assert [each.confidence for each in with_tls] == [Confidence.SUSPECTED]
    assert [each.confidence for each in without] == [Confidence.CERTAIN]


def test_a_proxy_that_speaks_tls_to_the_gateway_again_makes_no_loop():
    assert not find("HTTP001", gateway(), proxy(sni=True))
    assert not find("HTTP001", gateway(), proxy(sni=False))


def test_what_the_proxy_says_counts_only_where_the_gateway_trusts_it():
    untrusted = [find("HTTP001", gateway(tls=False), proxy(sends=s)) for s in ("https", "http")]
    trusted = gateway(trusted=1, tls=False)

    assert all(untrusted)
    assert not find("HTTP001", trusted, proxy(sends="http"))
    assert [f.confidence for f in find("HTTP002", trusted, proxy(sends="http"))] == [
        Confidence.CERTAIN
    ]
    assert [f.confidence for f in find("HTTP002", trusted, proxy())] == [Confidence.SUSPECTED]
    assert not find("HTTP002", trusted, proxy(sends="https"))
    assert not find("HTTP002", gateway(tls=False), proxy(sends="http"))


def test_a_redirect_without_https_behind_it_is_a_dead_end_whatever_stands_before_it():
    (finding,) = find("HTTP001", gateway(tls=False))

    assert (finding.severity, finding.hosts) == (
        Severity.CRITICAL,
        frozenset({"shop.example.com"}),
    )
    assert not find("HTTP001", gateway(tls=False, trusted=1))
    assert not find("HTTP001", gateway(host="*"))


def test_a_redirect_for_every_host_without_any_https_is_not_yet_an_outage():
    (finding,) = find("HTTP001", gateway(host="*", tls=False))

    assert finding.severity is Severity.MEDIUM


def test_a_tls_server_that_was_dropped_is_no_dead_end_of_the_redirect():
    broken = TLS.replace("    tls: {mode: SIMPLE, credentialName: shop-cert}\n", "")

    assert not find("HTTP001", gateway(tls=False) + broken)


def test_a_service_that_sends_both_ports_to_a_redirect_is_one_problem_not_two():
    text = gateway(tls=False).replace("targetPort: 8443", "targetPort: 8080")

    assert len(find("HTTP003", text)) == 1
    assert not find("HTTP001", text)
    assert not find("GW005", text)
    assert not find("HTTP003", text.replace("Proxies: 0", "Proxies: 1"))


def test_behind_a_proxy_that_redirects_an_http_counterpart_is_a_low_finding():
    text = (
        gateway().replace("    tls: {httpsRedirect: true}\n", "")
        + """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec: {hosts: [shop.example.com], gateways: [web], http: [{route: []}]}
"""
    )

    assert [(f.severity, len(f.fixes)) for f in find("HTTP004", text)] == [(None, 1)]
    assert [(f.severity, len(f.fixes)) for f in find("HTTP004", text, proxy())] == [
        (Severity.INFO, 0)
    ]


def test_no_plain_server_is_missed_where_port_80_is_closed_or_a_proxy_answers_it():
    head, separator, _ = gateway(tls=False).rpartition("  servers:\n")
    text = head + separator + TLS

    assert len(find("HTTP005", text)) == 1
    assert not find("HTTP005", text, proxy())
    assert not find("HTTP005", text.replace("{name: http, port: 80, targetPort: 8080}, ", ""))
    assert not find("HTTP005", text.replace("LoadBalancer", "ClusterIP"))


ROUTE = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateways: [web]
  http:
"""


def redirecting(match: str) -> list[Finding]:
    rule = f"  - {{match: [{match}], redirect: {{scheme: https}}}}\n"
    return find("HTTP010", gateway() + ROUTE + rule)


def test_a_redirect_comes_back_unless_its_match_tells_plain_requests_apart():
    assert [f.severity for f in redirecting("{uri: {prefix: /}}")] == [Severity.CRITICAL]
    assert [f.severity for f in redirecting("{uri: {prefix: /a}}")] == [Severity.HIGH]
    assert not redirecting("{port: 80}")
    assert not redirecting("{scheme: {exact: http}}")
    assert not redirecting("{headers: {x-forwarded-proto: {exact: http}}}")


def test_a_redirect_after_a_route_for_everything_is_never_reached():
    rules = "  - {route: [{destination: {host: shop}}]}\n  - {redirect: {scheme: https}}\n"

    assert not find("HTTP010", gateway() + ROUTE + rules)


ENTRY = (
    '[2026-03-01T11:59:00.000Z] "GET / HTTP/1.0" 426 - low_version - "-" 0 0 0 - "10.0.0.9" "-"'
    ' "0d2f" "{host}" "-" - - 10.0.0.1:8080 10.0.0.9:40000 - -'
)


def refused(*hosts: str) -> list[Finding]:
    text = "\n".join(ENTRY.format(host=host) for host in hosts)
    lines = tuple(log_lines("istio-system/gateway/istio-proxy", text))
    return list(CHECKS["HTTP013"].run(Mesh(cluster(gateway(), lines))))


def test_http10_counts_for_hosts_that_the_gateway_serves_and_hardly_for_scanners():
    found = refused("shop.example.com", "shop.example.com", "203.0.113.9")

    assert [(f.severity, sorted(f.hosts), len(f.evidence)) for f in found] == [
        (Severity.HIGH, ["shop.example.com"], 2),
        (Severity.LOW, [], 1),
    ]


def test_a_proxy_that_the_user_says_speaks_http10_is_refused():
    old = FrontProxy(hosts=("*.example.com",), http_version="1.0")

    assert [(f.severity, sorted(f.hosts)) for f in find("HTTP013", gateway(), old)] == [
        (Severity.CRITICAL, ["shop.example.com"])
    ]
    assert not find("HTTP013", gateway(), proxy())


def test_a_redirect_rule_loops_behind_a_proxy_unless_it_asks_how_the_request_came():
    def loops(rule: str) -> list[Finding]:
        plain = gateway(trusted=1).replace("    tls: {httpsRedirect: true}\n", "")
        return find("HTTP001", plain + ROUTE + f"  - {rule}\n", proxy(sends="https"))

    (blind,) = loops("{redirect: {scheme: https}}")
    asking = "{match: [{headers: {x-forwarded-proto: {exact: http}}}], redirect: {scheme: https}}"

    assert str(blind.subject) == "VirtualService shop/shop"
    assert not loops(asking)
    assert not loops("{route: [{destination: {host: shop}}]}")
