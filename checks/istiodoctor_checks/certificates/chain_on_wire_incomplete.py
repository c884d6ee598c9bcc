"""CERT020."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.certificates.trust import Knowledge
from istiodoctor.mesh.observations.certificates import incomplete_chains
from istiodoctor_checks.wire import (
    detail_of,
    doubted,
    keys_of,
    objects_of,
    observed_evidence,
    presenter,
    sureness,
)


@check("CERT020", severity=Severity.HIGH)
def chain_on_wire_incomplete(mesh: Mesh) -> Iterator[Finding]:
    """A handshake shows a certificate without the intermediate that issued it.

    Seen on the wire: curl, Java and mobile clients refuse it with `unable to get local issuer
    certificate`, while browsers often have the intermediate by chance.

    Where the Secret holds the chain as it was seen, CERT006 is the fault. Otherwise it is what
    else is served: an older version of the Secret (SDS013), or a backend's own chain behind
    PASSTHROUGH.

    Fix: the certificate followed by its intermediates, without the root, where the chain comes
    from.

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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com; leaf only
      tls.key: key of shop.example.com
      ca.crt: intermediate
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      trusted: false
      chain: "certificate for shop.example.com; leaf only"
    ```

    A private root that signs servers itself needs no intermediate:

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
      tls.crt: certificate for shop.example.com; issued by Shop Root
      tls.key: key of shop.example.com
      ca.crt: authority Shop Root
    ```

    ```tls good
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      trusted: false
      chain: "certificate for shop.example.com; issued by Shop Root"
    ```

    Sources: RFC 8446 section 4.4.2; istio/istio issues 38152, 10001.
    """
    for seen, knowledge in incomplete_chains(mesh):
        is_sure = knowledge is not Knowledge.LIKELY
        yield Finding(
            message=(
                f"{presenter(seen)} presents its certificate without its issuer"
                f" {seen.leaf.issuer}. Clients that do not have it by chance, like curl and Java,"
                f" refuse it."
            ),
            objects=objects_of(seen),
            identity=Identity.of(seen.server.gateway, detail_of(seen)),
            hosts=seen.hosts,
            evidence=observed_evidence(seen.handshakes),
            severity=doubted(seen),
            confidence=sureness(seen) if is_sure else Confidence.SUSPECTED,
            credentials=keys_of(seen),
            servers=frozenset({seen.server.id}),
        )
