"""What the examples of CM checks cannot show: the unknown, how bad it is, what is kept back."""

from collections.abc import Iterable

import pytest

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.reasons import without_tokens
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread, UnreadReason
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster, mesh

CHECKS = discover().by_code()
ISSUANCE_CHECKS = sorted(code for code in CHECKS if code.startswith("CM"))
TOKEN = "x7QmPd0aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789"
THUMBPRINT = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"

POD = """
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
"""
GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.example.com]
    tls: {httpsRedirect: true}
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
"""
ISSUER = """
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: letsencrypt}
spec: {acme: {solvers: [{http01: {ingress: {class: istio}}}]}}
status: {conditions: [{type: Ready, status: "True"}]}
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: shop-cert, namespace: istio-system}
stringData:
  tls.crt: certificate for shop.example.com
  tls.key: key of shop.example.com
"""
READY = '{conditions: [{type: Ready, status: "True", reason: Ready}]}'
WAITING = """
  conditions:
  - {type: Issuing, status: "True", reason: DoesNotExist, lastTransitionTime: "%s"}
  - {type: Ready, status: "False", reason: DoesNotExist}
"""
SINCE_TEN = WAITING % "2026-03-01T10:00:00Z"


def certificate(status: str, namespace: str = "istio-system", extra: str = "") -> str:
    return f"""
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: shop, namespace: {namespace}}}
spec:
  secretName: shop-cert
  dnsNames: [shop.example.com]
  issuerRef: {{name: letsencrypt, kind: ClusterIssuer}}{extra}
status: {status}
"""


def challenge(reason: str = "wrong status code '404', expected '200'") -> str:
    return f"""
apiVersion: acme.cert-manager.io/v1
kind: Challenge
metadata: {{name: shop-1, namespace: istio-system}}
spec: {{type: HTTP-01, dnsName: shop.example.com, token: {TOKEN}, key: {TOKEN}.{THUMBPRINT}}}
status: {{state: pending, reason: "{reason}"}}
"""


def virtual_service(http: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: shop}}
spec:
  hosts: [shop.example.com]
  gateways: [web]
  http:
{http}
"""


def whole(*documents: str) -> str:
    return "---".join((POD, GATEWAY, *documents))


def found(code: str, judged: Mesh) -> list[Finding]:
    return list(CHECKS[code].run(judged))


def speaking(judged: Mesh, of: Iterable[str] = ISSUANCE_CHECKS) -> list[str]:
    return [code for code in of if found(code, judged)]


def unreadable(text: str, kind: Kind) -> Mesh:
    hidden = Unread(kind=kind, reason=UnreadReason.FORBIDDEN)
    return Mesh(cluster(text).plus(Reading(unread=(hidden,))))


def test_a_ready_certificate_behind_a_redirect_is_left_alone():
    assert speaking(mesh(whole(ISSUER, certificate(READY), SECRET))) == []


def test_a_renewal_to_come_behind_a_redirect_is_latent():
    status = READY.removesuffix("}") + ", renewalTime: 2026-12-01T00:00:00Z}"

    (finding,) = found("CM005", mesh(whole(ISSUER, certificate(status), SECRET)))

    assert (finding.severity, finding.confidence) == (Severity.LOW, Confidence.SUSPECTED)


def test_a_renewal_that_waits_behind_a_redirect_is_high_and_ends_with_the_certificate():
    status = '{conditions: [{type: Ready, status: "True"}, {type: Issuing, status: "True"}]}'

    (finding,) = found("CM005", mesh(whole(ISSUER, certificate(status), SECRET, challenge())))

    assert (finding.severity, finding.deadline and finding.deadline.year) == (Severity.HIGH, 2027)


def test_a_first_issue_behind_a_redirect_is_critical_and_the_redirect_is_to_change():
    (finding,) = found("CM005", mesh(whole(ISSUER, certificate(SINCE_TEN), challenge())))

    field = finding.objects[0]
    assert (finding.severity or CHECKS["CM005"].severity, str(field.ref), field.path) == (
        Severity.CRITICAL,
        "Gateway shop/web",
        "/spec/servers/0/tls/httpsRedirect",
    )


def test_a_redirect_to_a_route_for_challenges_with_a_certificate_is_harmless():
    route = virtual_service(
        "  - match: [{uri: {prefix: /.well-known/acme-challenge/}}]\n"
        "    route: [{destination: {host: solver}}]"
    )
    status = '{conditions: [{type: Ready, status: "True"}, {type: Issuing, status: "True"}]}'
    waiting = whole(ISSUER, certificate(status), challenge(), route)

    assert [
        bool(found("CM005", mesh(f"{waiting}---{SECRET}"))),
        bool(found("CM005", mesh(waiting))),
    ] == [False, True]


def test_a_redirecting_rule_is_narrowed_match_by_match():
    rule = virtual_service(
        "  - match: [{port: 80, withoutHeaders: {x-old: {}}}, {port: 80}]\n"
        "    redirect: {scheme: https}"
    )
    text = whole(ISSUER, certificate(SINCE_TEN), challenge(), rule)

    (finding,) = found("CM005", mesh(text.replace("    tls: {httpsRedirect: true}\n", "")))

    prefix = {"prefix": "/.well-known/acme-challenge/"}
    assert finding.fixes[0].patches[0].body == [
        {"op": "add", "path": "/spec/http/0/match/0/withoutHeaders/:path", "value": prefix},
        {"op": "add", "path": "/spec/http/0/match/1/withoutHeaders", "value": {":path": prefix}},
    ]


def test_a_certificate_without_any_status_is_on_its_way_and_not_stuck():
    asked = mesh(whole(ISSUER, certificate("{}")))

    assert speaking(asked) == ["CM011"]
    assert [(each.severity, each.is_settling) for each in found("CM011", asked)] == [
        (Severity.LOW, True)
    ]


@pytest.mark.parametrize(("since", "severity"), [("11:56:00Z", Severity.LOW), ("11:54:00Z", None)])
def test_a_first_issue_gets_five_minutes(since: str, severity: Severity | None):
    fresh = certificate(WAITING % f"2026-03-01T{since}")

    told = [
        (each.severity, each.is_settling) for each in found("CM011", mesh(whole(ISSUER, fresh)))
    ]

    assert told == [(severity, severity is Severity.LOW)]


def test_the_deepest_layer_gives_the_reason_and_the_layers_above_are_evidence():
    order = """
apiVersion: acme.cert-manager.io/v1
kind: Order
metadata:
  name: shop-1
  namespace: istio-system
  ownerReferences: [{kind: CertificateRequest, name: shop-1}]
status: {state: invalid, reason: CAA record forbids issuance}
"""
    request = """
apiVersion: cert-manager.io/v1
kind: CertificateRequest
metadata:
  name: shop-1
  namespace: istio-system
  annotations: {cert-manager.io/certificate-name: shop}
status: {conditions: [{type: Ready, status: "False", reason: Failed, message: Order failed}]}
"""
    text = whole(ISSUER, certificate(SINCE_TEN), order, request)

    (finding,) = found("CM011", mesh(text))

    assert "Order istio-system/shop-1 says: CAA record forbids issuance." in finding.message
    assert [each.text for each in finding.evidence] == [
        "Order istio-system/shop-1: CAA record forbids issuance",
        "CertificateRequest istio-system/shop-1: Order failed",
        "Certificate istio-system/shop: DoesNotExist",
    ]


def test_the_next_automatic_attempt_is_told():
    failed = SINCE_TEN + "  lastFailureTime: 2026-03-01T10:30:00Z\n  failedIssuanceAttempts: 3\n"

    (finding,) = found("CM011", mesh(whole(ISSUER, certificate(failed))))

    assert finding.message.endswith(
        " It failed 3 times; cert-manager tries again by itself at 2026-03-01 14:30 UTC."
    )


def test_challenge_tokens_and_keys_reach_no_finding():
    reason = (
        f"Waiting for HTTP-01 challenge propagation: did not get expected response when querying"
        f" http://shop.example.com/.well-known/acme-challenge/{TOKEN}: expected"
        f" '{TOKEN}.{THUMBPRINT}' but got: {TOKEN}"
    )
    judged = mesh(whole(ISSUER, certificate(SINCE_TEN), challenge(reason)))

    said = repr([each for code in ISSUANCE_CHECKS for each in found(code, judged)])

    assert ("acme-challenge" in said, TOKEN in said, THUMBPRINT in said) == (True, False, False)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("wrong status code '404', expected '200'", "wrong status code '404', expected '200'"),
        (f"/.well-known/acme-challenge/{TOKEN}': EOF", "/.well-known/acme-challenge/…': EOF"),
        (f"presented {TOKEN}.{THUMBPRINT} for a", "presented … for a"),
        ("shop-tls-1-2345678901-3456789012: new", "shop-tls-1-2345678901-3456789012: new"),
        ("x" * 400, "x" * 300 + "…"),
    ],
)  # fmt: skip
def test_status_texts_keep_everything_but_tokens(text: str, kept: str):
    assert without_tokens(text) == kept


def test_unread_secrets_make_a_certificate_in_another_namespace_a_suspicion():
    text = whole(ISSUER, certificate(READY, "shop"))

    (finding,) = found("CM001", unreadable(text, Kind.SECRET))

    assert (finding.severity, finding.confidence, finding.absences) == (
        Severity.HIGH,
        Confidence.SUSPECTED,
        frozenset(),
    )


def test_a_copying_controller_takes_that_suspicion_away():
    allowed = "reflector.v1.k8s.emberstack.com/reflection-allowed"
    template = f"\n  secretTemplate: {{annotations: {{{allowed}: 'true'}}}}"
    text = whole(ISSUER, certificate(READY, "shop", template))

    assert found("CM001", unreadable(text, Kind.SECRET)) == []


def test_a_certificate_elsewhere_for_other_hosts_is_not_the_gateways():
    text = whole(ISSUER, certificate(READY, "shop").replace("shop.example", "blog.example"))

    assert found("CM001", mesh(text)) == []


def test_the_certificate_to_create_wishes_the_same_and_names_its_issuer():
    wishes = certificate(READY, "shop", "\n  duration: 2160h\n  privateKey: {algorithm: ECDSA}")
    text = whole(wishes.replace(", kind: ClusterIssuer", ""))

    (finding,) = found("CM001", mesh(text))

    (fix,) = finding.fixes
    assert fix.patches[0].body == {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "shop", "namespace": "istio-system"},
        "spec": {
            "secretName": "shop-cert",
            "dnsNames": ["shop.example.com"],
            "duration": "2160h",
            "privateKey": {"algorithm": "ECDSA"},
            "issuerRef": {"name": "letsencrypt", "kind": "Issuer"},
        },
    }
    assert "The Issuer letsencrypt serves shop only" in fix.why


def test_issuers_that_could_not_be_read_are_not_missing():
    text = whole(certificate(SINCE_TEN))

    assert (
        bool(found("CM003", mesh(text))),
        bool(found("CM003", unreadable(text, Kind.CLUSTER_ISSUER))),
    ) == (True, False)


def test_a_missing_issuer_is_critical_before_the_first_issue_and_high_before_a_renewal():
    severities = [
        each.severity
        for text in (whole(certificate(SINCE_TEN)), whole(certificate(READY), SECRET))
        for each in found("CM003", mesh(text))
    ]

    assert severities == [Severity.CRITICAL, Severity.HIGH]


def test_a_stale_copy_is_worse_than_a_fresh_one():
    original = SECRET.replace("istio-system", "shop")
    annotation = "istio-system, annotations: {cert-manager.io/certificate-name: shop}"
    copy = SECRET.replace("istio-system", annotation)
    old = copy.replace("shop.example.com\n", "shop.example.com; expires in 90 days\n", 1)
    issued = whole(ISSUER, certificate(READY, "shop"), original)

    findings = [found("CM017", mesh(f"{issued}---{each}")) for each in (copy, old)]

    assert [(each.severity) for (each,) in findings] == [None, Severity.HIGH]


def test_a_host_that_the_certificate_was_never_asked_to_name_is_added_to_it():
    text = whole(ISSUER, certificate(READY), SECRET).replace(
        "hosts: [shop.example.com]", "hosts: [shop.example.com, pay.example.com]"
    )

    (finding,) = found("CM015", mesh(text))

    assert finding.fixes[0].patches[0].body == [
        {"op": "add", "path": "/spec/dnsNames", "value": ["shop.example.com", "pay.example.com"]}
    ]
