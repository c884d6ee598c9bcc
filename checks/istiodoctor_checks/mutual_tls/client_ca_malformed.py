"""MTLS013."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.client_cas import client_ca_uses
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing


@check(
    "MTLS013",
    severity=Severity.HIGH,
    explains={"GWAPI017", "MTLS015", "SDS003", "SDS014", "SNI011"},
)
def client_ca_malformed(mesh: Mesh) -> Iterator[Finding]:
    """The client CA is not in a form that Envoy can load.

    istiod sends what the Secret holds under `cacert` or `ca.crt`; Envoy refuses what holds no PEM
    certificate (`Failed to load trusted CA certificates from <inline>`). It keeps an older CA if
    it has one, until the pod restarts, and otherwise resets every connection.

    Fix: put the CA certificates into the Secret as PEM, one after the other.

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
        tls: {mode: MUTUAL, credentialName: shop-cert}
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
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData:
      cacert: this is no certificate
    ```

    ```finding
    high: Secret istio-system/shop-cert-cacert data.cacert
    hosts: shop.example.com
    cacert of Secret istio-system/shop-cert-cacert holds no certificate that Envoy can load
    (not-pem), so it cannot check the clients of shop.example.com: it keeps an older CA, or resets
    every connection.
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
        tls: {mode: MUTUAL, credentialName: shop-cert}
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
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData:
      cacert: authority Clients
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
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData:
      cacert: this is no certificate
    ```

    Sources: istio.io, Secure Gateways, Key formats.
    """
    for use in client_ca_uses(mesh):
        source = use.source
        bundle = source.ca_bundle if source else None
        if source and bundle and bundle.is_malformed and not bundle.certificates:
            defects = listing(bundle.defects)
            yield Finding(
                message=(
                    f"{source.ca_key} of {source.ref} holds no certificate that Envoy can"
                    f" load ({defects}), so it cannot check the clients of"
                    f" {host_listing(use.server.names)}: it keeps an older CA, or resets every"
                    f" connection."
                ),
                objects=(
                    Place(source.ref, f"/data/{source.ca_key}"),
                    Place(use.server.gateway, use.reference.path),
                    Place(use.workload.owner),
                ),
                identity=Identity.of(source.ref),
                hosts=frozenset(use.server.names),
                evidence=(Evidence(text=f"{source.ca_key} is {defects}", ref=source.ref),),
                fixes=(
                    Fix(
                        title=f"Put PEM certificates into {source.ca_key} of {source.ref}",
                        commands=(kubectl("edit", source.ref),),
                        why="The value is base64 of the PEM text, as it is encoded once.",
                    ),
                ),
                credentials=frozenset({use.key, (source.namespace, source.name)}),
                servers=frozenset({use.server.id}),
            )
