"""What checks make of requests where an example cannot show it: beside objects, several ways."""

from datetime import timedelta

import pytest

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.targets.challenges import asked_challenges
from istiodoctor.model.snapshot import Reading, Snapshot
from istiodoctor.registry import discover
from tests.support.examples import NOW, cluster, examples
from tests.support.observations import requests

CHECKS = discover().by_code()
SHOP = "shop.example.com"
TOKEN = "example-token"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: istio-system, labels: {istio: ingress}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "defaultConfig: {gatewayTopology: {numTrustedProxies: TRUSTED}}"}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: istio-system}
spec:
  type: LoadBalancer
  selector: {istio: ingress}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingress}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.example.com]
    tls: {httpsRedirect: true}
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
"""
ROUTE = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop, creationTimestamp: 2026-02-01T00:00:00Z}
spec:
  hosts: [shop.example.com]
  gateways: [web]
  http: [{directResponse: {status: 200}}]
"""


def objects(*, trusted: int = 0) -> str:
    return POD.replace("TRUSTED", str(trusted)) + ROUTE


def judged(code: str, snapshot: Snapshot, http: str) -> list[Finding]:
    seen = Reading(http_observations=requests(http))
    return list(CHECKS[code].run(Mesh(snapshot.plus(seen))))


def found(code: str, http: str, text: str = "") -> list[Finding]:
    return judged(code, cluster(text or objects()), http)


def in_example(code: str, http: str) -> list[Finding]:
    """Return what a check finds in its own bad cluster with something seen beside it."""
    example = next(each for each in examples(CHECKS[code]) if each.verdict == "bad")
    return judged(code, example.snapshot(), http)


def challenge(answer: str, where: str = f"dns: {SHOP}, port: 80") -> str:
    url = f"http://{SHOP}/.well-known/acme-challenge/{TOKEN}"
    step = f'{{url: "{url}", {answer}}}'
    return f"- {{host: {SHOP}, {where}, answer_begins: {TOKEN}., OUTCOME steps: [{step}]}}"


AWAY = f'status: 301, location: "https://{SHOP}/"'
RIGHT = "status: 200, is_expected: true"
WRONG = "status: 404, is_expected: false"


def answered(answer: str, where: str = f"dns: {SHOP}, port: 80") -> str:
    return challenge(answer, where).replace("OUTCOME ", "")


REFUSED = challenge("status: 0").replace("OUTCOME", "outcome: refused,")


@pytest.mark.parametrize(
    ("code", "seen"), [("CM005", answered(AWAY)), ("CM006", answered(WRONG)), ("CM007", REFUSED)]
)
def test_what_hinders_a_challenge_is_observed_where_its_path_is_seen_to_fail_so(
    code: str, seen: str
):
    (finding,) = in_example(code, seen)

    assert finding.confidence is Confidence.OBSERVED
    assert finding.evidence[0].kind == "http"


def test_a_challenge_that_is_answered_right_leaves_a_doubt():
    (unseen,) = in_example("CM005", "[]")
    (finding,) = in_example("CM005", answered(RIGHT))

    assert (unseen.confidence, finding.confidence) == (Confidence.CERTAIN, Confidence.SUSPECTED)


def test_the_self_check_alone_fails_where_the_outside_gets_the_answer():
    at_pod = answered(RIGHT, "pod: istio-system/gateway, port: 80")

    assert [f.confidence for f in in_example("CM008", answered(RIGHT))] == [Confidence.OBSERVED]
    assert [f.confidence for f in in_example("CM008", at_pod)] == [Confidence.SUSPECTED]
    assert [f.confidence for f in in_example("CM008", answered(WRONG))] == [Confidence.SUSPECTED]


def test_no_token_is_shown():
    shown = [
        str(finding)
        for code in ("CM005", "CM006", "CM008", "CM019")
        for answer in (AWAY, RIGHT, WRONG)
        for finding in in_example(code, answered(answer))
    ]

    assert shown
    assert not [each for each in shown if f"/{TOKEN}" in each]


RENEWAL = f"""
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {{name: letsencrypt}}
spec: {{acme: {{solvers: [{{http01: {{ingress: {{class: istio}}}}}}]}}}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: shop, namespace: istio-system}}
spec:
  secretName: shop-cert
  dnsNames: [{SHOP}]
  issuerRef: {{name: letsencrypt, kind: ClusterIssuer}}
status: {{conditions: [{{type: Ready, status: "True"}}], renewalTime: 2026-04-01T00:00:00Z}}
---
apiVersion: v1
kind: Secret
metadata: {{name: shop-cert, namespace: istio-system}}
type: kubernetes.io/tls
stringData: {{tls.crt: certificate for {SHOP}, tls.key: key of {SHOP}}}
"""


def test_the_path_of_challenges_that_are_to_come_is_asked_for_where_it_is_redirected():
    text = objects() + RENEWAL
    (asked,) = asked_challenges(Mesh(cluster(text)))
    seen = f"""
    - host: {SHOP}
      port: 8080
      steps: [{{url: "{asked.url}", {AWAY}}}]
    """

    (unseen,), (finding,) = found("CM005", "[]", text), found("CM005", seen, text)

    assert asked.url == f"http://{SHOP}/.well-known/acme-challenge/istiodoctor-probe"
    assert (unseen.confidence, finding.confidence) == (Confidence.SUSPECTED, Confidence.OBSERVED)
    assert finding.severity is unseen.severity is Severity.LOW


def plain(answer: str, where: str = "address: 203.0.113.10, port: 80") -> str:
    step = f'{{url: "http://{SHOP}/", {answer}}}'
    return f"- {{host: {SHOP}, server: shop/web/0, {where}, steps: [{step}]}}"


SERVED = "status: 200, from_upstream: true"


def test_content_over_plain_http_is_observed_unless_something_before_redirects():
    (seen,) = in_example("HTTP004", plain(SERVED))
    (before,) = in_example("HTTP004", plain(f"{AWAY}, server: awselb/2.0"))
    (gateway,) = in_example("HTTP004", plain(AWAY))

    assert (seen.severity, seen.confidence, len(seen.fixes)) == (None, Confidence.OBSERVED, 1)
    assert (before.severity, before.fixes) == (Severity.INFO, ())
    assert (gateway.severity, gateway.confidence) == (None, Confidence.CERTAIN)


def test_a_missing_plain_server_is_observed_where_port_80_is_silent_and_https_is_not():
    silent = plain("status: 0").replace(f"host: {SHOP}", f"host: {SHOP}, outcome: refused")
    https = f'- {{host: {SHOP}, server: shop/web/0, steps: [{{url: "https://{SHOP}/"}}]}}'

    (alone,) = in_example("HTTP005", silent)
    (both,) = in_example("HTTP005", f"{silent}\n{https}")
    (before,) = in_example("HTTP005", plain(f"{AWAY}, server: awselb/2.0"))

    assert (alone.confidence, both.confidence) == (Confidence.CERTAIN, Confidence.OBSERVED)
    assert (before.severity, before.fixes) == (Severity.INFO, ())


CIRCLE = f"""
- host: {SHOP}
  server: shop/web/0
  outcome: loop
  steps:
  - {{url: "http://{SHOP}/", status: 301, location: "https://{SHOP}/"}}
  - url: "https://{SHOP}/"
    status: 302
    location: "http://{SHOP}/"
    from_upstream: true
"""


def test_a_circle_between_the_schemes_is_the_application_that_forgets_https():
    (finding,) = found("HTTP019", CIRCLE)

    assert finding.severity is Severity.CRITICAL
    assert finding.message.endswith("it goes in circles.")
    assert not found("HTTP007", CIRCLE)
    assert not found("HTTP014", CIRCLE)


def loop(where: str) -> str:
    step = f'{{url: "https://{SHOP}/", {AWAY}}}'
    return f"- {{host: {SHOP}, server: shop/web/1, {where}, outcome: loop, steps: [{step}]}}\n"


AT_POD = f'- {{host: {SHOP}, server: shop/web/1, steps: [{{url: "https://{SHOP}/"}}]}}\n'


def test_tls_ends_before_the_gateway_only_where_the_pods_were_seen_to_do_well():
    (outside,) = seen_hops(AT_POD + loop("address: 203.0.113.10"))
    unseen = seen_hops(loop("address: 203.0.113.10"))
    everywhere = seen_hops(loop("port: 8443") + loop("address: 203.0.113.10"))

    assert "what ends TLS at 203.0.113.10:443" in outside.message
    assert outside.fixes[0].title.startswith("Remove httpsRedirect")
    assert [*unseen, *everywhere] == []


def seen_hops(http: str) -> list[Finding]:
    """Return what HTTP001 says where it takes the wire to tell."""
    return [each for each in found("HTTP001", http) if "what ends TLS" in each.message]


def test_a_circle_of_something_else_is_not_said_to_be_the_gateways():
    other = loop("dns: shop.example.com").replace(AWAY, f"{AWAY}, server: cloudflare")

    (alone,) = found("HTTP014", other)
    (beside,) = seen_hops(AT_POD + other)

    assert alone.message.endswith("by cloudflare.")
    assert beside.confidence is Confidence.SUSPECTED


NOT_FOUND = f"""
- host: {SHOP}
  server: shop/web/1
  port: 8443
  steps: [{{url: "https://{SHOP}/", status: 404}}]
"""


def test_a_pod_that_knows_no_route_is_behind_unless_the_route_is_new():
    soon = objects().replace("2026-02-01T00:00:00Z", f"{NOW - timedelta(seconds=90):%FT%TZ}")

    (finding,) = found("HTTP018", NOT_FOUND)

    assert str(finding.subject) == "Pod istio-system/gateway"
    assert finding.message.startswith("Pod istio-system/gateway port 8443 answers 404")
    assert not found("HTTP018", NOT_FOUND, soon)


@pytest.mark.parametrize(
    "change",
    [
        ("port: 8443", "address: 203.0.113.10"),
        ("status: 404", "status: 404, from_upstream: true"),
        ("status: 404", 'status: 404, body: "no such page"'),
        ("status: 404", "status: 404, server: nginx"),
        ("status: 404", "status: 503"),
    ],
)
def test_other_answers_tell_nothing_of_what_a_pod_has_received(change: tuple[str, str]):
    assert not found("HTTP018", NOT_FOUND.replace(*change))


def test_a_redirect_and_a_page_are_held_against_what_the_server_says():
    page = plain("status: 200", "port: 8080")
    redirect = plain(AWAY, "port: 8080")
    plainly = objects().replace("    tls: {httpsRedirect: true}\n", "")

    assert [len(found("HTTP018", each)) for each in (page, redirect)] == [1, 0]
    assert [len(found("HTTP018", each, plainly)) for each in (page, redirect)] == [0, 1]


def told(as_https: str) -> str:
    where = "pod: istio-system/gateway, forwarded_proto: PROTO"
    return "\n".join(
        plain(answer, where.replace("PROTO", proto))
        for proto, answer in (("https", as_https), ("http", AWAY))
    )


@pytest.mark.parametrize(
    ("trusted", "as_https", "number"),
    [(0, AWAY, 0), (0, SERVED, 1), (1, AWAY, 1), (1, SERVED, 0), (1, "status: 503", 0)],
)
def test_a_gateway_that_trusts_otherwise_than_configured_wants_a_restart(
    trusted: int, as_https: str, number: int
):
    assert len(found("HTTP020", told(as_https), objects(trusted=trusted))) == number


def test_what_a_gateway_makes_of_the_header_is_evidence_for_the_loop_behind_a_proxy():
    (finding,) = in_example("HTTP001", told(AWAY))

    assert "not trusted" in finding.evidence[-1].text


STRICT = """
- host: example.com
  server: shop/web/0
  steps: [{url: "URL", status: 200, strict_transport_security: "HEADER"}]
"""


@pytest.mark.parametrize(
    ("url", "header", "number"),
    [
        ("https://example.com/", "max-age=300; includeSubDomains", 1),
        ("https://example.com/", 'includeSubDomains ; MAX-AGE=\\"300\\"', 1),
        ("http://example.com/", "max-age=300; includeSubDomains", 0),
        ("https://example.com/", "max-age=0; includeSubDomains", 0),
        ("https://example.com/", "max-age=300", 0),
        ("https://shop.example.com/", "max-age=300; includeSubDomains", 0),
    ],
)
def test_strict_transport_binds_hosts_below_when_it_is_said_over_https(
    url: str, header: str, number: int
):
    example = next(each for each in examples(CHECKS["HTTP021"]) if each.verdict == "bad")
    seen = STRICT.replace("URL", url).replace("HEADER", header)

    assert len(judged("HTTP021", cluster(example.text), seen)) == number


def test_a_healthy_host_with_strict_transport_and_a_permanent_redirect_is_left_alone():
    seen = f"""
    - host: {SHOP}
      server: shop/web/0
      port: 8080
      steps:
      - {{url: "http://{SHOP}/", status: 301, location: "https://{SHOP}/"}}
      - url: "https://{SHOP}/"
        strict_transport_security: "max-age=31536000; includeSubDomains; preload"
    """

    probing = [each for each in CHECKS.values() if each.code.startswith("HTTP0")]
    mesh = Mesh(cluster(objects()).plus(Reading(http_observations=requests(seen))))

    assert [finding.message for each in probing for finding in each.run(mesh)] == []
