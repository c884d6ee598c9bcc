"""SNI012."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.unserved_names import (
    UnservedName,
    WhyUnserved,
    unserved_handshakes,
)
from istiodoctor.model.ref import Place
from istiodoctor_checks._wire import observed_evidence


@check("SNI012", severity=Severity.CRITICAL)
def unserved_sni_refused(mesh: Mesh) -> Iterator[Finding]:
    """A gateway refuses TLS for a name that clients use, since no server has it.

    Seen on the wire: a ready pod was asked for the name, and reset the connection or did not
    listen, as it does for every name that no server has. Clients see `connection reset by peer` or
    SSL_ERROR_SYSCALL right after the ClientHello.

    The name was asked for because a server that has it is left out (GW002, GW003, GW004, GW007,
    GW013, or a listener of the Gateway API whose Secret cannot be used), because a route has it
    and none of its Gateways does (VS003), or because a certificate has it beside its form with or
    without `www.` (SNI008). Names that nobody mentions are refused by every gateway, and not asked
    for.

    Fix: that of the cause in the report; where there is none, add the name to the hosts of a
    server with a certificate for it.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: older, namespace: shop, creationTimestamp: "2025-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: younger, namespace: shop, creationTimestamp: "2025-06-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com, www.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com, www.example.com
      tls.key: key of shop.example.com
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      sni: www.example.com
      outcome: reset
    ```

    ```finding
    critical, observed: Gateway shop/younger spec.servers[0].hosts
    hosts: www.example.com
    Pod istio-system/gateway refuses TLS for www.example.com (the connection was closed without a
    word): Gateway shop/younger server 443 (https), which has it, is not in force there.
    ```

    A name that nobody counts on is refused by design, and the pod may have it by now:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: older, namespace: shop, creationTimestamp: "2025-01-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: younger, namespace: shop, creationTimestamp: "2025-06-01T00:00:00Z"}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com, www.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com, www.example.com
      tls.key: key of shop.example.com
    ```

    ```tls good
    - pod: istio-system/gateway
      port: 443
      sni: strange.example.com
      outcome: reset
    - pod: istio-system/gateway
      port: 443
      sni: www.example.com
      chain: certificate for shop.example.com, www.example.com
    ```

    Sources: istio.io, Secure Gateways, Network Problems; istio/istio issues 31423, 23318.
    """
    for asked in unserved_handshakes(mesh):
        unserved = asked.unserved
        if asked.refused and not asked.completed:
            yield Finding(
                message=(
                    f"{unserved.listener.workload} refuses TLS for {unserved.name}"
                    f" ({asked.refused[0].ending}): {_reason(unserved)}."
                ),
                objects=(unserved.place, Place(unserved.listener.workload.owner)),
                identity=Identity.of(unserved.place.ref, unserved.name),
                hosts=frozenset({unserved.name}),
                evidence=observed_evidence(asked.refused),
                severity=_severity(unserved),
                confidence=Confidence.OBSERVED,
                servers=frozenset({unserved.server.id}),
            )


def _reason(unserved: UnservedName) -> str:
    match unserved.why:
        case WhyUnserved.ROUTE:
            return f"{unserved.place.ref} routes it, but no TLS server has it"
        case WhyUnserved.WWW_COUNTERPART:
            return f"{unserved.place.ref} is valid for it, but no TLS server has it"
        case _:
            return f"{unserved.server}, which has it, is not in force there"


def _severity(unserved: UnservedName) -> Severity:
    """Nobody was promised a name that is only in a certificate."""
    return Severity.LOW if unserved.why is WhyUnserved.WWW_COUNTERPART else Severity.CRITICAL
