"""What the examples of CRED checks cannot show: what is unknown, and which check speaks."""

from collections.abc import Iterable

import pytest

from istiodoctor.finding import Confidence, Finding
from istiodoctor.mesh import Mesh
from istiodoctor.model.istio import IstioGateway
from istiodoctor.model.kind import Kind
from istiodoctor.model.pods import Pod
from istiodoctor.model.snapshot import Reading, Snapshot, Unread, UnreadReason
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster, mesh
from istiodoctor.testing.words import NOW

CHECKS = discover().by_code()
CREDENTIAL_CHECKS = sorted(code for code in CHECKS if code.startswith("CRED"))

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
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
"""
READER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: istio-system}
rules: [{apiGroups: [""], resources: [secrets], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: istio-system}
roleRef: {kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: default, namespace: istio-system}]
"""


def in_namespace(text: str, namespace: str) -> str:
    return text.replace("namespace: istio-system", f"namespace: {namespace}")


def secret(namespace: str, name: str = "shop-cert", host: str = "shop.example.com") -> str:
    return f"""
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: {namespace}}}
stringData:
  tls.crt: certificate for {host}
  tls.key: key of {host}
"""


def documents(*texts: str) -> str:
    return "---".join(texts)


def found(code: str, asked: Mesh) -> list[Finding]:
    return list(CHECKS[code].run(asked))


def codes(asked: Mesh, of: Iterable[str] = CREDENTIAL_CHECKS) -> set[str]:
    return {code for code in of if found(code, asked)}


@pytest.mark.parametrize(
    ("secrets", "speaks"),
    [
        ((), "CRED002"),
        ((secret("shop"),), "CRED001"),
        ((secret("edge"),), "CRED003"),
        ((secret("edge"), secret("shop")), "CRED003"),
    ],
)
def test_one_check_speaks_of_a_missing_secret(secrets: tuple[str, ...], speaks: str):
    pods = (POD, READER, in_namespace(POD, "edge"), in_namespace(READER, "edge"))

    assert codes(mesh(documents(*pods, GATEWAY, *secrets))) == {speaks}


def test_a_secret_that_could_not_be_read_is_not_missing():
    forbidden = Unread(
        kind=Kind.SECRET,
        namespace="istio-system",
        name="shop-cert",
        reason=UnreadReason.FORBIDDEN,
    )
    snapshot = cluster(documents(POD, READER, GATEWAY)).plus(Reading(unread=(forbidden,)))

    assert codes(Mesh(snapshot)) == set()


def test_plain_manifests_prove_no_secret_and_no_right_missing():
    read = cluster(documents(POD, GATEWAY))
    shown = Reading(resources=(*read.all(Pod), *read.all(IstioGateway)))
    plain = Snapshot(taken_at=NOW, source="files", readings=[shown])

    assert codes(Mesh(plain)) == set()


def test_a_missing_secret_is_said_to_be_looked_for_here_only_where_that_is_so():
    elsewhere = Unread(kind=Kind.SECRET, namespace="shop", reason=UnreadReason.FORBIDDEN)
    snapshot = cluster(documents(POD, GATEWAY)).plus(Reading(unread=(elsewhere,)))

    (finding,) = found("CRED002", Mesh(snapshot))

    assert finding.message.endswith(
        " Not every other namespace could be searched for one of that name."
    )


def test_a_secret_for_other_hosts_is_no_slip_in_a_name():
    text = documents(
        POD,
        GATEWAY,
        secret("istio-system", "shop-certs"),
        secret("istio-system", "shap-cert", "other.example.com"),
    )

    (finding,) = found("CRED002", mesh(text))

    assert "A similar name there: shop-certs." in finding.message
    assert [fix.title for fix in finding.fixes] == [
        "Name Secret istio-system/shop-certs in Gateway shop/web",
        "Create Secret istio-system/shop-cert",
    ]


def test_two_servers_that_lack_one_secret_are_one_problem():
    other = GATEWAY.replace("name: web", "name: api").replace("shop.example.com", "a.example.com")

    findings = found("CRED002", mesh(documents(POD, GATEWAY, other)))

    assert len(findings) == 2
    assert len({each.identity for each in findings}) == 1


def test_a_gateway_beside_the_application_is_suspected_where_the_version_is_not_known():
    reference = "kubernetes-gateway://istio-system/shop-cert"
    verified = GATEWAY.replace("credentialName: shop-cert", f'credentialName: "{reference}"')
    grant = """
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: gateways, namespace: istio-system}
spec:
  from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: istio-system}]
  to: [{group: "", kind: Secret}]
"""

    (finding,) = found("CRED005", mesh(documents(POD, verified, grant, secret("istio-system"))))

    assert finding.confidence is Confidence.SUSPECTED
    assert [fix.patches[0].body[0]["value"] for fix in finding.fixes] == ["shop-cert"]


def test_without_a_grant_no_release_serves_such_a_gateway():
    reference = "kubernetes-gateway://istio-system/shop-cert"
    verified = GATEWAY.replace("credentialName: shop-cert", f'credentialName: "{reference}"')

    (finding,) = found("CRED005", mesh(documents(POD, verified, secret("istio-system"))))

    assert finding.confidence is Confidence.CERTAIN
    assert "the version is not known" not in finding.message


def test_a_gateway_that_istio_made_needs_no_right_to_list_secrets():
    made = """
apiVersion: v1
kind: Pod
metadata:
  {name: web, namespace: shop, labels: {gateway.networking.k8s.io/gateway-name: web}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  gatewayClassName: istio
  listeners:
  - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: shop-cert}]}}
"""

    assert codes(mesh(documents(made, secret("shop")))) == set()


def test_the_fix_of_a_missing_right_makes_a_role_and_its_binding():
    (finding,) = found("CRED011", mesh(documents(POD, GATEWAY, secret("istio-system"))))

    (fix,) = finding.fixes
    assert [str(patch.ref) for patch in fix.patches] == [
        "Role istio-system/default-reads-secrets",
        "RoleBinding istio-system/default-reads-secrets",
    ]
