"""MTLS016."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence, EvidenceKind
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._envoys import look_at_log
from istiodoctor_checks._served import value_of
from istiodoctor_checks.mutual_tls._requested_client_cas import other_client_cas

SHOWN = 4


@check("MTLS016", severity=Severity.HIGH)
def client_ca_on_wire_differs(mesh: Mesh) -> Iterator[Finding]:
    """A gateway pod asks for client certificates of other CAs than its Secret holds.

    Seen on the wire: with its request for a client certificate Envoy names the CAs that it
    accepts. They are those of an older version of the Secret, or of another one (MTLS005): clients
    with the right certificate are refused, and those with the former one are let in.

    Authorities are compared by their names. One that was made anew under the same name, a
    revocation list (MTLS007) and a pin (MTLS008) do not show to a client without a certificate.

    For two minutes after the Secret was written nothing is said: it is on its way.

    Fix: find out why the pod did not take the Secret, in its log and istiod's.

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
    stringData: {cacert: authority Partners}
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      outcome: alert
      alert: certificate required
      asks_for_certificate: true
      authorities: [CN=Clients]
      chain: certificate for shop.example.com
    ```

    ```finding
    high, observed: Secret istio-system/shop-cert-cacert data.cacert
    hosts: shop.example.com
    Pod istio-system/gateway asks clients of shop.example.com for certificates of CN=Clients, but
    Secret istio-system/shop-cert-cacert holds CN=Partners.
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
    stringData: {cacert: authority Partners}
    ```

    ```tls good
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      outcome: alert
      alert: certificate required
      asks_for_certificate: true
      authorities: [CN=Partners]
      chain: certificate for shop.example.com
    ```

    Sources: RFC 8446 section 4.2.4; istio.io, Secure Gateways, Configure a mutual TLS ingress
    gateway; istio/istio issue 26790.
    """
    for other in other_client_cas(mesh):
        use, source = other.use, other.use.source
        pods = tuple(
            dict.fromkeys(
                e.target.access_point.pod for e in other.seen if e.target.access_point.pod
            )
        )
        if source:
            yield Finding(
                message=(
                    f"{listing(pods)} asks clients of {host_listing(use.server.names)} for"
                    f" certificates of {listing(other.asked)}, but {source.ref} holds"
                    f" {listing(other.stored)}."
                ),
                objects=(
                    value_of(source, source.ca_key),
                    Place(use.server.gateway, use.reference.path),
                    *map(Place, pods),
                ),
                identity=Identity.of(use.workload.owner, source.ref.path),
                hosts=frozenset(use.server.names),
                evidence=tuple(
                    Evidence(
                        kind=EvidenceKind.TLS,
                        text=(
                            f"{each.target.access_point}, SNI {each.target.sni}: asks for"
                            f" certificates of {listing(each.acceptable_client_cas)}"
                        ),
                        ref=each.target.access_point.pod,
                        at=each.at,
                    )
                    for each in other.seen[:SHOWN]
                ),
                fixes=(look_at_log(pods[0]),),
                confidence=Confidence.OBSERVED,
                credentials=frozenset({(source.namespace, source.name)}),
                servers=frozenset({use.server.id}),
            )
