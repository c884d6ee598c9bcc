"""MTLS015."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence, EvidenceKind
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._envoys import look_at_log, pods_of
from istiodoctor_checks._wire import SHOWN
from istiodoctor_checks.mutual_tls._client_cas_in_envoy import (
    ClientCaTrouble,
    TroubledClientCa,
    troubled_client_cas,
)

_WORDS = {
    ClientCaTrouble.AWAITED: "waits for it: every connection there is reset",
    ClientCaTrouble.REFUSED: "cannot load what came",
    ClientCaTrouble.EXPIRED: "has one that has expired, whole: it accepts no client",
    ClientCaTrouble.OTHER: "has another one than the Secret holds",
}


@check("MTLS015", severity=Severity.CRITICAL, explains={"MTLS016", "SDS014", "SNI011"})
def client_ca_not_in_envoy(mesh: Mesh) -> Iterator[Finding]:
    """The client CA in Envoy is missing, expired or not the stored one.

    Envoy asks for the CA of clients by a name of its own (`kubernetes://shop-cert-cacert`).
    Without it Envoy does not open the TLS context at all: every connection for the host is reset,
    with or without a client certificate. With an expired one it accepts nobody, and with an old
    one it accepts the wrong clients.

    Where the objects show why (MTLS002, MTLS004, MTLS012, MTLS013), that is reported and this
    stands under it. A CA that was changed less than two minutes ago is on its way.

    Fix: that of the cause in the report; where there is none, the pod's log.

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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-01-01T08:00:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```envoy bad istio-system/gateway
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    - {name: "kubernetes://shop-cert-cacert", updated: "2026-03-01T08:00:00Z"}
    ```

    ```finding
    critical, observed: Secret istio-system/shop-cert-cacert
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway is to check the clients of shop.example.com with the CA of
    Secret istio-system/shop-cert-cacert, and waits for it: every connection there is reset.
    ```

    Envoy has an older one:

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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-01-01T08:00:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata:
      name: shop-cert-cacert
      namespace: istio-system
      creationTimestamp: "2026-01-01T08:00:00Z"
    stringData: {cacert: authority Partners}
    ```

    ```envoy bad istio-system/gateway
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    - name: kubernetes://shop-cert-cacert
      authority: authority Clients
      updated: "2026-01-01T08:00:00Z"
    ```

    ```finding
    high, observed: Secret istio-system/shop-cert-cacert
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway is to check the clients of shop.example.com with the CA of
    Secret istio-system/shop-cert-cacert, and has another one than the Secret holds.
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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-01-01T08:00:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata:
      name: shop-cert-cacert
      namespace: istio-system
      creationTimestamp: "2026-01-01T08:00:00Z"
    stringData: {cacert: authority Clients}
    ```

    ```envoy good istio-system/gateway
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    - name: kubernetes://shop-cert-cacert
      authority: authority Clients
      updated: "2026-01-01T08:00:00Z"
    ```

    Sources: istio.io, Secure Gateways, Configure a mutual TLS ingress gateway; istio/istio issues
    47315, 18912.
    """
    for troubled in troubled_client_cas(mesh):
        use = troubled.use
        secret = Ref(CORE, "Secret", *use.key)
        yield Finding(
            message=_message(troubled, secret),
            objects=(
                Place(secret),
                Place(use.server.gateway, use.reference.path),
                Place(use.workload.owner),
                *map(Place, troubled.pods),
            ),
            identity=Identity.of(use.workload.owner, secret.path),
            hosts=frozenset(use.server.names),
            evidence=tuple(
                Evidence(
                    kind=EvidenceKind.ENVOY,
                    text=f"Envoy in {state.pod}: {held.name} {_content(troubled)}",
                    ref=state.pod,
                    at=held.last_updated,
                )
                for state, held in troubled.held[:SHOWN]
            ),
            fixes=(look_at_log(troubled.pods[0]),),
            severity=_severity(troubled),
            confidence=Confidence.OBSERVED,
            is_settling=troubled.is_settling,
            credentials=frozenset({use.key}),
            servers=frozenset({use.server.id}),
        )


def _message(troubled: TroubledClientCa, secret: Ref) -> str:
    use = troubled.use
    text = (
        f"Envoy in {pods_of(use.workload, troubled.pods)} is to check the clients of"
        f" {host_listing(use.server.names)} with the CA of {secret}, and"
        f" {_WORDS[troubled.trouble]}."
    )
    return f"{text} It is new, and may be on its way." if troubled.is_settling else text


def _content(troubled: TroubledClientCa) -> str:
    match troubled.trouble:
        case ClientCaTrouble.AWAITED:
            return "was asked for and has not come"
        case ClientCaTrouble.REFUSED:
            return "came, and is not in use"
        case _:
            _, held = troubled.held[0]
            return f"is {listing(each.subject for each in held.bundle.certificates)}"


def _severity(troubled: TroubledClientCa) -> Severity:
    if troubled.is_settling:
        return Severity.LOW
    if troubled.trouble is ClientCaTrouble.OTHER or troubled.may_have_older:
        return Severity.HIGH
    if not troubled.is_everywhere:
        return Severity.HIGH
    optional = troubled.use.server.mode is TlsMode.OPTIONAL_MUTUAL
    is_expired = troubled.trouble is ClientCaTrouble.EXPIRED
    return Severity.MEDIUM if optional and is_expired else Severity.CRITICAL
