"""CRED003."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import credential_uses
from istiodoctor.mesh.credentials.secret_lookup import (
    SecretLookup,
    secret_lookup,
    secrets_beside_other_pods,
)
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._secret_fixes import create_tls_secret


@check(
    "CRED003",
    severity=Severity.HIGH,
    claims=Claim.NO_HANDSHAKE,
    explains={"MTLS002", "MTLS015", "SDS001", "SDS011", "SDS014", "SNI011"},
)
def selector_spans_namespaces(mesh: Mesh) -> Iterator[Finding]:
    """A Gateway selects pods in several namespaces, and not all of those have its Secret.

    `spec.selector` is matched in all namespaces, and each pod's Secret is looked up in that pod's
    own namespace. So the host works through one gateway (one load balancer, one address) and is
    reset through the other.

    It happens when two gateways carry the same labels, mostly the default `istio:
    ingressgateway`.

    Fix: narrow the selector to the gateway that is meant, or keep the Secret in every namespace
    that the selector reaches.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: edge-gateway, namespace: edge, labels: {istio: ingressgateway}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]
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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    high: Gateway shop/web spec.selector
    hosts: shop.example.com
    Gateway shop/web selects pods in edge and in istio-system, but Secret edge/shop-cert does not
    exist: shop.example.com is reset wherever clients come in through Pod edge/edge-gateway.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: edge-gateway, namespace: edge, labels: {istio: ingressgateway}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]
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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: edge}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: edge-gateway, namespace: edge, labels: {istio: edge}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]
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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: istio.io, Gateway; istio/istio issue 43891.
    """
    for use in credential_uses(mesh):
        if secret_lookup(mesh, use) is SecretLookup.BESIDE_OTHER_PODS:
            present = secrets_beside_other_pods(mesh, use)
            others = listing(each.namespace for each in present)
            yield Finding(
                message=(
                    f"{use.server.gateway} selects pods in {use.namespace} and in {others}, but"
                    f" {use.secret} does not exist: {host_listing(use.server.names)} is reset"
                    f" wherever clients come in through {use.workload}."
                ),
                objects=(
                    Place(use.server.gateway, "/spec/selector"),
                    Place(use.workload.owner),
                    *map(Place, present),
                ),
                identity=Identity.of(use.secret),
                hosts=use.hosts,
                evidence=(
                    Evidence(text=f"{use.server} asks for {use.reference.text}"),
                    *(Evidence(text=f"{each} exists", ref=each) for each in present),
                ),
                fixes=(
                    create_tls_secret(
                        use.namespace, use.name, f"Create the Secret in {use.namespace} too"
                    ),
                ),
                credentials=frozenset({use.key}),
                servers=frozenset({use.server.id}),
                absences=frozenset({use.absence}),
            )
