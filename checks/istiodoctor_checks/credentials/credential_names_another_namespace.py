"""CRED004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import (
    CredentialState,
    CredentialUse,
    credential_uses,
    secret_exists,
)
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor_checks._secret_fixes import create_and_name_secret


@check(
    "CRED004",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"SDS011", "MTLS002", "SNI011", "SDS014"},
)
def credential_names_another_namespace(mesh: Mesh) -> Iterator[Finding]:
    """A `credentialName` names a namespace that is not that of the gateway pods.

    `credentialName: shop/shop-cert` is understood as a Secret in namespace shop, and refused: an
    Istio Gateway gets Secrets from the namespace of its pods only. istiod logs `cross namespace
    secret reference requires ReferenceGrant`, but a ReferenceGrant does not help this form. Envoy
    gets no certificate and resets every connection.

    Fix: put the Secret into the namespace of the gateway pods and name it without a namespace.

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
        tls: {mode: SIMPLE, credentialName: shop/shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    Gateway shop/web server 443 (https) names shop/shop-cert, but the pods of Pod
    istio-system/gateway may have Secrets of istio-system only: istiod refuses it, and every
    connection is reset.
    ```

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
        tls: {mode: SIMPLE, credentialName: istio-system/shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: istio.io, Secure Gateways; istio/istio issues 45088, 14598 and pull request 57143.
    """
    for use in credential_uses(mesh):
        if use.state is CredentialState.ELSEWHERE:
            own = (use.workload.namespace, use.name)
            is_there = secret_exists(mesh, *own) is True
            yield Finding(
                message=(
                    f"{use.server} names {use.reference.text}, but the pods of {use.workload} may"
                    f" have Secrets of {use.workload.namespace} only: istiod refuses it, and every"
                    f" connection is reset."
                ),
                objects=(
                    Place(use.server.gateway, use.reference.path),
                    Place(use.secret),
                    Place(use.workload.owner),
                ),
                identity=Identity.of(use.server.gateway, use.secret.path),
                hosts=use.hosts,
                evidence=(
                    Evidence(
                        text=f"{use.server} asks for {use.reference.text}", ref=use.server.gateway
                    ),
                ),
                fixes=(_shortened(use) if is_there else _moved(use),),
                credentials=frozenset({use.key, own}),
                servers=frozenset({use.server.id}),
            )


def _shortened(use: CredentialUse) -> Fix:
    return set_field(
        Place(use.server.gateway, use.reference.path),
        use.name,
        f"Name the Secret that {use.workload.namespace} has",
        why="A name without a namespace is looked up where the gateway pods are.",
    )


def _moved(use: CredentialUse) -> Fix:
    namespace = use.workload.namespace
    return create_and_name_secret(
        Place(use.server.gateway, use.reference.path),
        namespace,
        use.name,
        f"Create the Secret in {namespace} and name it without a namespace",
    )
