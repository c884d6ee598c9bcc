"""CM001."""

from collections.abc import Iterator
from typing import Any

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Fix, Identity, Risk, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificate
from istiodoctor.mesh.cert_manager.secrets_elsewhere import certificates_in_other_namespaces
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor_checks.fixes import create


@check(
    "CM001",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={
        "CRED001",
        "CRED002",
        "CRED016",
        "GW022",
        "SDS001",
        "SDS011",
        "SDS014",
        "SNI011",
        "SNI012",
    },
)
def certificate_in_wrong_namespace(mesh: Mesh) -> Iterator[Finding]:
    """The Certificate is not in the namespace of the gateway's pods, nor is its Secret.

    cert-manager writes the Secret into the namespace of the Certificate. istiod looks up a plain
    `credentialName` in the namespace of the gateway **pods**, wherever Gateway and VirtualService
    are. A Certificate beside the application is issued, shows Ready, and its Secret is never
    served: Envoy resets each connection right after the ClientHello.

    Fix: create the Certificate in the namespace of the pods. An Issuer serves its own namespace
    only: there it takes a ClusterIssuer, or an Issuer of that name.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: cert-manager.io/v1
    kind: ClusterIssuer
    metadata: {name: letsencrypt}
    spec:
      acme:
        server: https://acme-v02.api.letsencrypt.org/directory
        solvers: [{http01: {ingress: {ingressClassName: istio}}}]
    status: {conditions: [{type: Ready, status: "True"}]}
    ---
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: shop, namespace: shop}
    spec:
      secretName: shop-cert
      dnsNames: [shop.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions: [{type: Ready, status: "True", reason: Ready}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    The Gateway may be anywhere; what counts is that Certificate and Secret are beside the pods:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: cert-manager.io/v1
    kind: ClusterIssuer
    metadata: {name: letsencrypt}
    spec:
      acme:
        server: https://acme-v02.api.letsencrypt.org/directory
        solvers: [{http01: {ingress: {ingressClassName: istio}}}]
    status: {conditions: [{type: Ready, status: "True"}]}
    ---
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: shop, namespace: istio-system}
    spec:
      secretName: shop-cert
      dnsNames: [shop.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions: [{type: Ready, status: "True", reason: Ready}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: istio.io, cert-manager integration; cert-manager/cert-manager issues 2522, 6210;
    istio/istio issues 6486, 5421.
    """
    for use, other in certificates_in_other_namespaces(mesh):
        yield Finding(
            message=(
                f"{other.ref} writes its Secret into {other.namespace}, but the pods"
                f" of {use.workload} read {use.reference.text} from {use.namespace}, where"
                f" there is {'no such Secret' if use.is_missing else 'no such Certificate'}."
                " HTTPS fails for its hosts."
            ),
            objects=(
                other.at("/metadata/namespace"),
                Place(use.server.gateway, use.reference.path),
                Place(use.secret),
            ),
            identity=Identity.of(use.secret),
            hosts=use.hosts,
            evidence=(
                Evidence(text=f"{use.server} asks for {use.reference.text}"),
                Evidence(text=f"its pods run in {use.workload.namespace}", ref=use.workload.owner),
                Evidence(text=f"{other.ref} has secretName {use.name}", ref=other.ref),
            ),
            fixes=(_create_beside_pods(mesh, other, use.namespace),),
            severity=None if use.is_missing else Severity.HIGH,
            confidence=Confidence.CERTAIN if use.is_missing else Confidence.SUSPECTED,
            credentials=frozenset({use.key, (other.namespace, use.name)}),
            servers=frozenset({use.server.id}),
            absences=frozenset({use.absence} if use.is_missing else ()),
        )


def _create_beside_pods(mesh: Mesh, other: Certificate, namespace: str) -> Fix:
    name = other.name
    if certificate(mesh, namespace, name):
        name = other.spec.secret_name
    why = f"When it works, delete {other.ref}; its Secret serves nobody here."
    issuer = other.spec.issuer_ref
    if issuer.effective_kind == "Issuer":
        why += (
            f" The Issuer {issuer.name} serves {other.namespace} only: make it a"
            f" ClusterIssuer, or create an Issuer of that name in {namespace}."
        )
    return create(
        {"metadata": {"name": name, "namespace": namespace}, "spec": _spec(other)},
        Kind.CERTIFICATE,
        f"Create the Certificate in {namespace}",
        risk=Risk.NEEDS_ISSUANCE,
        why=why,
    )


def _spec(certificate: Certificate) -> dict[str, Any]:
    """Return the same wishes for another namespace; what is not set stays out."""
    spec = certificate.spec
    issuer = {
        "name": spec.issuer_ref.name,
        "kind": spec.issuer_ref.effective_kind,
        "group": spec.issuer_ref.group,
    }
    key = spec.private_key
    wishes: dict[str, Any] = {
        "secretName": spec.secret_name,
        "commonName": spec.common_name,
        "dnsNames": list(spec.dns_names),
        "duration": spec.duration,
        "renewBefore": spec.renew_before,
        "privateKey": _set({"algorithm": key.algorithm, "size": key.size}) if key else {},
        "issuerRef": _set(issuer),
    }
    return _set(wishes)


def _set(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
