"""SDS002."""

from collections.abc import Iterator
from datetime import datetime

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.envoy.secrets import StaleSecret
from istiodoctor.mesh.envoy.state import stale_secrets
from istiodoctor.model.ref import Place
from istiodoctor_checks.envoys import look_at_log, pods_of
from istiodoctor_checks.fixes import restart_once_good
from istiodoctor_checks.served import chain_of, hosts_of, references, servers_of
from istiodoctor_checks.text import listing
from istiodoctor_checks.wire import observed_evidence


@check("SDS002", severity=Severity.HIGH, explains={"CERT018", "SDS008", "SDS013"})
def renewed_certificate_not_served(mesh: Mesh) -> Iterator[Finding]:
    """Envoy serves another certificate than the Secret holds.

    istiod sends a renewed Secret to the gateways by itself, within seconds, and no pod needs a
    restart. An Envoy that still has the old certificate minutes later has refused the new one
    (SDS003), or does not hear from istiod (SDS004). Clients get the old certificate until it
    expires; a pod that restarts may come up with none.

    For two minutes after the Secret was written nothing is said: it is on its way.

    Fix: find out why the pod did not take it, and mend that. Restarting the pod is the last
    resort, and only once the Secret is known to be good.

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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-01-01T08:00:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com; renewed
      tls.key: key of shop.example.com
    ```

    ```envoy bad istio-system/gateway
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    ```

    It lists the new one as active, but has not loaded it, since the key is of another:

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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-01-01T08:00:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com; renewed
      tls.key: key of other.example.com
    ```

    ```envoy bad istio-system/gateway
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com; renewed
      updated: "2026-01-01T08:00:00Z"
      in_use: certificate for shop.example.com
    ```

    Envoy has what the Secret holds, be it ever so old:

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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-01-01T08:00:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```envoy good istio-system/gateway
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    ```

    The Secret was written a minute ago:

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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-03-01T11:59:00Z"}
    stringData:
      tls.crt: certificate for shop.example.com; renewed
      tls.key: key of shop.example.com
    ```

    ```envoy good istio-system/gateway
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    ```

    Sources: istio/istio issues 23715, 34425, 29047, 18325; Envoy, Administration interface.
    """
    for stale in stale_secrets(mesh):
        held, credential = stale.held, stale.credential
        ends = _end(stale)
        is_over = stale.is_everywhere and ends is not None and ends <= mesh.taken_at
        yield Finding(
            message=_message(stale),
            objects=(
                chain_of(credential),
                Place(held.workload.owner),
                *references(held.uses),
                *(Place(each.pod) for each in stale.pods),
            ),
            identity=Identity.of(held.workload.owner, held.secret.path),
            hosts=hosts_of(held.uses),
            evidence=observed_evidence(stale.pods),
            fixes=(look_at_log(stale.pods[0].pod), restart_once_good(held.workload)),
            severity=Severity.CRITICAL if is_over else Severity.HIGH,
            confidence=Confidence.OBSERVED,
            deadline=ends,
            credentials=frozenset({held.key}),
            servers=servers_of(held.uses),
        )


def _message(stale: StaleSecret) -> str:
    held = stale.held
    serials = listing(each.serial for each in stale.served)
    refused = ", having refused the new one" if stale.is_refused else ""
    ends = _end(stale)
    until = f", and the old one ends at {ends:%Y-%m-%d %H:%M} UTC" if ends else ""
    return (
        f"{held.secret} holds the certificate with serial {stale.stored.serial}, but Envoy in"
        f" {pods_of(held.workload, stale.pods)} serves serial {serials}{refused}: clients do not"
        f" get the new one{until}."
    )


def _end(stale: StaleSecret) -> datetime | None:
    return min((each.not_after for each in stale.served if each.not_after), default=None)
