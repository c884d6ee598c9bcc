"""SDS013."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.certificates import SeenCertificate, unexpected_certificates
from istiodoctor.model.credential import Credential
from istiodoctor.text import listing
from istiodoctor_checks._wire import detail_of, objects_of, observed_evidence


@check("SDS013", severity=Severity.HIGH, explains={"CERT018", "CERT019", "CERT020", "CERT021"})
def wire_serves_another_certificate(mesh: Mesh) -> Iterator[Finding]:
    """A gateway pod presents another certificate than the one in its Secret.

    Envoy goes on with the last certificate that it could use. It keeps an old one when it
    refuses the new one (SDS003), when istiod does not reach it (SDS004), or when the certificate
    comes from a file that nobody rotates (CRED013). Clients then get the old certificate until
    it expires, and the pod comes up with none when it restarts. Where another Secret holds what
    was seen, another server answers for the name.

    For two minutes after a certificate was issued, nothing is said: it is on its way.

    Fix: find out why the pod did not take it, in its log and istiod's. Restarting the pod is the
    last resort, and only after the Secret is known to be good.

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
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```tls bad
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      chain: "certificate for shop.example.com; expires in 9 days"
    ```

    ```finding
    high, observed: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    Pod istio-system/gateway port 443 presents another certificate for Gateway shop/web server 443
    (https) than Secret istio-system/shop-cert holds: serial 5cd69075025e27dd, valid until
    2026-03-10.
    ```

    The certificate of the Secret, as it should be:

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
    ```

    ```tls good
    - pod: istio-system/gateway
      port: 443
      server: shop/web/0
      sni: shop.example.com
      chain: certificate for shop.example.com
    ```

    Sources: istio.io, Secure Gateways; istio/istio issues 23715, 34425, 53497.
    """
    for seen, other in unexpected_certificates(mesh):
        yield Finding(
            message=_message(seen, other),
            objects=objects_of(seen),
            identity=Identity.of(seen.server.gateway, detail_of(seen)),
            hosts=seen.hosts,
            evidence=observed_evidence(seen.handshakes),
            fixes=(_look_closer(seen),),
            confidence=Confidence.OBSERVED,
            deadline=seen.leaf.not_after,
            credentials=seen.keys,
            servers=frozenset({seen.server.id}),
        )


def _message(seen: SeenCertificate, other: Credential | None) -> str:
    stored = listing(each.ref for each in seen.stored)
    origin = f"that of {other.ref}" if other else f"serial {seen.leaf.serial}"
    return (
        f"{listing(seen.access_points)} presents another certificate for {seen.server} than"
        f" {stored} holds: {origin}, valid until {seen.leaf.not_after:%Y-%m-%d}."
    )


def _look_closer(seen: SeenCertificate) -> Fix:
    pod = next(access_point.pod for access_point in seen.access_points if access_point.pod)
    logs = kubectl("logs", pod, "-c", "istio-proxy", "--tail=200")
    return Fix(
        title="Find out why the pod did not take the Secret",
        risk=Risk.SAFE,
        commands=(logs,),
        why="A refused Secret is a warning with 'Secret' and 'rejected' in it.",
    )
