"""What the examples of SDS and MTLS checks cannot show: severities, recovery, fixes."""

import pytest

from istiodoctor.finding import Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster, log_lines, mesh
from tests.checks.test_credentials import GATEWAY, POD, READER, documents, secret

CHECKS = discover().by_code()
ISTIOD, PROXY = "istio-system/istiod-0/discovery", "istio-system/gateway/istio-proxy"
NOT_FOUND = (
    "2026-03-01T11:40:00.000000Z\twarn\tads\tfailed to fetch key and certificate for"
    " kubernetes://shop-cert: secret istio-system/shop-cert not found"
)
REJECTED = (
    "2026-03-01T11:40:00.000000Z\twarning\tenvoy config external/envoy/a.cc:1\tgRPC config for"
    " type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret rejected:"
    " Failed to load private key from <inline>"
)
LOST = (
    "2026-03-01T{at}.000000Z\twarning\tenvoy config external/envoy/a.cc:1\t"
    "StreamAggregatedResources gRPC config stream to xds-grpc closed: 14, no healthy upstream"
)


def found(code: str, text: str, source: str = ISTIOD, *lines: str) -> list[Finding]:
    logs = tuple(log_lines(source, "\n".join(lines)))
    return list(CHECKS[code].run(Mesh(cluster(text, logs))))


def severities(findings: list[Finding]) -> list[Severity | None]:
    return [each.severity for each in findings]


def broken(text: str) -> str:
    """Give the Secret a key that belongs to another certificate."""
    return text.replace("key of shop.example.com", "key of other.example.com")


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        (documents(POD, GATEWAY, READER), Severity.CRITICAL),
        (documents(POD, GATEWAY, READER, secret("istio-system")), Severity.MEDIUM),
        (documents(POD, READER), Severity.LOW),
    ],
)
def test_a_failure_in_the_log_weighs_what_the_objects_say(text: str, severity: Severity):
    assert severities(found("SDS011", text, ISTIOD, NOT_FOUND)) == [severity]


@pytest.mark.parametrize(
    ("started", "severity"),
    [("2026-03-01T08:00:00Z", Severity.HIGH), ("2026-03-01T11:39:00Z", Severity.CRITICAL)],
)
def test_a_refused_secret_is_critical_for_a_pod_that_has_no_older_one(
    started: str, severity: Severity
):
    pod = POD.replace("name: gateway,", f'name: gateway, creationTimestamp: "{started}",')
    text = documents(pod, GATEWAY, broken(secret("istio-system")))

    assert severities(found("SDS003", text, PROXY, REJECTED)) == [severity]


def test_a_refusal_names_the_one_secret_that_envoy_cannot_load():
    other = GATEWAY.replace("name: web", "name: api").replace("shop", "api")
    good = secret("istio-system", "api-cert", "api.example.com")
    text = documents(POD, GATEWAY, other, broken(secret("istio-system")), good)

    (finding,) = found("SDS003", text, PROXY, REJECTED)

    assert finding.credentials == {("istio-system", "shop-cert")}


def test_a_refused_secret_that_was_made_again_since_is_no_finding():
    again = secret("istio-system").replace(
        "name: shop-cert,", 'name: shop-cert, creationTimestamp: "2026-03-01T11:50:00Z",'
    )

    assert found("SDS003", documents(POD, GATEWAY, again), PROXY, REJECTED) == []


def test_a_pod_that_lost_istiod_a_moment_ago_may_be_connecting_again():
    text = documents(POD, GATEWAY)

    assert found("SDS004", text, PROXY, LOST.format(at="11:59:30")) == []
    assert len(found("SDS004", text, PROXY, LOST.format(at="11:50:00"))) == 1


def test_logs_of_pods_that_are_gone_say_nothing_about_the_gateway():
    text = documents(POD, GATEWAY, broken(secret("istio-system")))

    assert found("SDS003", text, "istio-system/gateway-of-old/istio-proxy", REJECTED) == []


MUTUAL = GATEWAY.replace("SIMPLE", "MUTUAL")
MISSPELT = """
apiVersion: v1
kind: Secret
metadata: {name: shop-cert-ca, namespace: istio-system}
stringData: {ca.crt: authority Clients}
"""
ISTIOD_POD = """
apiVersion: v1
kind: Pod
metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
spec: {containers: [{name: discovery, image: "istio/pilot:1.28.0"}]}
"""


def test_a_misnamed_client_authority_is_one_problem_and_can_be_named_from_1_28_on():
    text = documents(POD, ISTIOD_POD, MUTUAL, secret("istio-system"), MISSPELT)

    (finding,) = found("MTLS004", text)

    assert found("MTLS002", text) == []
    assert finding.fixes[0].patches[0].body == [
        {
            "op": "add",
            "path": "/spec/servers/0/tls/caCertCredentialName",
            "value": "shop-cert-ca",
        }
    ]


def test_an_empty_client_authority_is_a_missing_one():
    empty = secret("istio-system").rstrip() + "\n  ca.crt: empty\n"

    (finding,) = CHECKS["MTLS002"].run(mesh(documents(POD, MUTUAL, empty)))

    assert "Secret istio-system/shop-cert has no cacert and no ca.crt" in finding.message
