"""CRED005."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, create, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import (
    CredentialState,
    CredentialUse,
    credential_uses,
    is_served_by_older_releases,
    secret_exists,
)
from istiodoctor.mesh.gateways.credential_references import Form
from istiodoctor.mesh.gateways.servers import GatewayApi
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.workloads.control_planes import istiod_version
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor_checks._secret_fixes import create_and_name_secret


@check(
    "CRED005",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={
        "GW022",
        "MTLS002",
        "SDS011",
        "SDS014",
        "SNI011",
        "SNI012",
    },
)
def credential_reference_unverified(mesh: Mesh) -> Iterator[Finding]:
    """A `kubernetes-gateway://` credential is refused because istiod cannot verify it.

    This form names a Secret together with its namespace. istiod serves it only when

    * the Gateway object and the Secret are both in the namespace of the gateway pods, or a
      ReferenceGrant beside the Secret admits Gateways of that namespace, and
    * from Istio 1.26.5, 1.27.2 and 1.28.0 on, the Gateway object itself is in the namespace of
      the gateway pods, grant or not. A Gateway beside the application with a ReferenceGrant
      worked before, and breaks at that patch upgrade.

    Fix: move the Gateway object to the namespace of its pods, or name a Secret of that namespace
    without any prefix.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.2"}]}
    ---
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
        tls: {mode: SIMPLE, credentialName: "kubernetes-gateway://istio-system/shop-cert"}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    Gateway shop/web server 443 (https) names kubernetes-gateway://istio-system/shop-cert, but
    istiod verifies that form only for Gateways in istio-system, where the pods of Pod
    istio-system/gateway are: it refuses the Secret.
    ```

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.1"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: "kubernetes-gateway://certs/shop-cert"}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: certs}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Gateway istio-system/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    Gateway istio-system/web server 443 (https) names kubernetes-gateway://certs/shop-cert, and no
    ReferenceGrant in certs admits Gateways of istio-system: istiod refuses it, and every
    connection is reset.
    ```

    One patch release earlier, a Gateway beside the application is served if it is granted:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.1"}]}
    ---
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
        tls: {mode: SIMPLE, credentialName: "kubernetes-gateway://istio-system/shop-cert"}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: gateway.networking.k8s.io/v1beta1
    kind: ReferenceGrant
    metadata: {name: gateways, namespace: istio-system}
    spec:
      from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: istio-system}]
      to: [{group: "", kind: Secret}]
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.2"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: "kubernetes-gateway://certs/shop-cert"}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: certs}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: gateway.networking.k8s.io/v1beta1
    kind: ReferenceGrant
    metadata: {name: certs, namespace: certs}
    spec:
      from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: istio-system}]
      to: [{group: "", kind: Secret}]
    ```

    Sources: istio/istio issue 27740 and pull request 57716; istio.io, Gateway.
    """
    for use in credential_uses(mesh):
        version = istiod_version(mesh, use.workload)
        refused = use.state is CredentialState.NOT_GRANTED
        verified = use.reference.form is Form.KUBERNETES_GATEWAY and use.workload.is_known
        if verified and use.server.api is GatewayApi.ISTIO and refused:
            doubtful = is_served_by_older_releases(mesh, use)
            is_there = secret_exists(mesh, use.workload.namespace, use.name) is True
            yield Finding(
                message=_message(use, doubtful=doubtful),
                objects=(
                    Place(use.server.gateway, use.reference.path),
                    Place(use.secret),
                    Place(use.workload.owner),
                ),
                identity=Identity.of(use.server.gateway, use.secret.path),
                hosts=use.hosts,
                evidence=(
                    Evidence(text=f"{use.server} asks for {use.reference.text}"),
                    Evidence(text=f"istiod's version is {version or 'not known'}"),
                ),
                fixes=tuple(_fixes(use, is_there=is_there)),
                severity=Severity.HIGH if doubtful else Severity.CRITICAL,
                confidence=Confidence.SUSPECTED if doubtful else Confidence.CERTAIN,
                credentials=frozenset({use.key, (use.workload.namespace, use.name)}),
                servers=frozenset({use.server.id}),
            )


def _message(use: CredentialUse, *, doubtful: bool) -> str:
    gateway, pods = use.server.gateway, use.workload.namespace
    if gateway.namespace == pods:
        return (
            f"{use.server} names {use.reference.text}, and no ReferenceGrant in {use.namespace}"
            f" admits Gateways of {pods}: istiod refuses it, and every connection is reset."
        )
    when = ", from Istio 1.26.5, 1.27.2 or 1.28.0 on; the version is not known" if doubtful else ""
    return (
        f"{use.server} names {use.reference.text}, but istiod verifies that form only for"
        f" Gateways in {pods}, where the pods of {use.workload} are: it refuses the Secret"
        f"{when}."
    )


def _fixes(use: CredentialUse, *, is_there: bool) -> Iterator[Fix]:
    pods = use.workload.namespace
    if is_there:
        yield set_field(
            Place(use.server.gateway, use.reference.path),
            use.name,
            f"Name the Secret that {pods} has, without a prefix",
            why="The ServiceAccount of the gateway must be allowed to list Secrets for this form.",
        )
    elif use.server.namespace == pods:
        yield create(_grant(use), Kind.REFERENCE_GRANT, f"Admit Gateways of {pods}")
    else:
        yield create_and_name_secret(
            Place(use.server.gateway, use.reference.path),
            pods,
            use.name,
            f"Create the Secret in {pods} and name it without a prefix",
        )


def _grant(use: CredentialUse) -> dict[str, object]:
    origin = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "namespace": use.workload.namespace,
    }
    return {
        "metadata": {"name": f"{use.name}-for-gateways", "namespace": use.namespace},
        "spec": {
            "from": [origin],
            "to": [{"group": "", "kind": "Secret", "name": use.name}],
        },
    }
