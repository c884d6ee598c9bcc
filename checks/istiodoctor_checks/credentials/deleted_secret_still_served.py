"""CRED016."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.envoy.state import orphaned_secrets
from istiodoctor.model.ref import Place
from istiodoctor_checks.envoys import pods_of
from istiodoctor_checks.fixes import create_tls_secret
from istiodoctor_checks.served import hosts_of, references, servers_of
from istiodoctor_checks.wire import observed_evidence


@check("CRED016", severity=Severity.HIGH, explains={"CRED001", "CRED002"})
def deleted_secret_still_served(mesh: Mesh) -> Iterator[Finding]:
    """A Secret is gone, but Envoy still serves the certificate that it got from it.

    Envoy keeps the last certificate that it was sent, so HTTPS goes on working after a Secret was
    deleted or renamed. The next pod that starts, by a restart, an upgrade or a larger number of
    replicas, asks for it in vain and resets every connection.

    Fix: create the Secret again before any gateway pod restarts.

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
    ```

    ```envoy bad istio-system/gateway
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    ```

    The Secret is there:

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

    ```envoy good istio-system/gateway
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    ```

    Sources: Envoy, Secret discovery service; istio.io, Secure Gateways.
    """
    for held in orphaned_secrets(mesh):
        namespace, name = held.key
        ends = [s.not_after for each in held.pods for s in each.served if s.not_after]
        yield Finding(
            message=(
                f"{held.secret} does not exist, but Envoy in {pods_of(held.workload, held.pods)}"
                f" still serves the certificate that it got from it. HTTPS works until a pod"
                f" restarts, and then it does not."
            ),
            objects=(Place(held.secret), *references(held.uses), Place(held.workload.owner)),
            identity=Identity.of(held.secret),
            hosts=hosts_of(held.uses),
            evidence=observed_evidence(held.pods),
            fixes=(
                create_tls_secret(
                    namespace, name, f"Create {held.secret} again before a gateway pod restarts"
                ),
            ),
            confidence=Confidence.OBSERVED,
            deadline=min(ends, default=None),
            credentials=frozenset({held.key}),
            servers=servers_of(held.uses),
            absences=frozenset({held.uses[0].absence}),
        )
