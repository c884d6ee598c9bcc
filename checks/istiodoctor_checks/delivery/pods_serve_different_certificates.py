"""SDS008."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.envoy.secrets import HeldSecret
from istiodoctor.mesh.envoy.state import divergent_secrets
from istiodoctor.model.ref import Place
from istiodoctor_checks.fixes import restart_once_good
from istiodoctor_checks.served import hosts_of, references, servers_of
from istiodoctor_checks.text import listing
from istiodoctor_checks.wire import observed_evidence


@check("SDS008", severity=Severity.HIGH, explains={"SDS013"})
def pods_serve_different_certificates(mesh: Mesh) -> Iterator[Finding]:
    """The pods of one gateway serve different certificates for the same host.

    Which certificate a client gets then depends on the pod that its connection falls on: an error
    that comes and goes. A pod that refused a renewed Secret, or that does not hear from istiod,
    keeps the old certificate while the others have the new one.

    Fix: find the pod that is behind, and why. Restart that pod alone, once it is known that
    istiod reaches it and that the Secret is good.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway-a
      namespace: istio-system
      labels: {istio: ingressgateway, pod-template-hash: 5d9}
      ownerReferences: [{kind: ReplicaSet, name: gateway-5d9, controller: true}]
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway-b
      namespace: istio-system
      labels: {istio: ingressgateway, pod-template-hash: 5d9}
      ownerReferences: [{kind: ReplicaSet, name: gateway-5d9, controller: true}]
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

    ```envoy bad istio-system/gateway-a
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    ```

    ```envoy bad istio-system/gateway-b
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com; renewed
      updated: "2026-03-01T08:00:00Z"
    ```

    One of them took the new certificate a minute ago; the other is about to:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway-a
      namespace: istio-system
      labels: {istio: ingressgateway, pod-template-hash: 5d9}
      ownerReferences: [{kind: ReplicaSet, name: gateway-5d9, controller: true}]
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway-b
      namespace: istio-system
      labels: {istio: ingressgateway, pod-template-hash: 5d9}
      ownerReferences: [{kind: ReplicaSet, name: gateway-5d9, controller: true}]
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

    ```envoy good istio-system/gateway-a
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    ```

    ```envoy good istio-system/gateway-b
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com; renewed
      updated: "2026-03-01T11:59:00Z"
    ```

    They got the same certificate at different times:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway-a
      namespace: istio-system
      labels: {istio: ingressgateway, pod-template-hash: 5d9}
      ownerReferences: [{kind: ReplicaSet, name: gateway-5d9, controller: true}]
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway-b
      namespace: istio-system
      labels: {istio: ingressgateway, pod-template-hash: 5d9}
      ownerReferences: [{kind: ReplicaSet, name: gateway-5d9, controller: true}]
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

    ```envoy good istio-system/gateway-a
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-01-01T08:00:00Z"
    ```

    ```envoy good istio-system/gateway-b
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-02-01T08:00:00Z"
    ```

    Sources: istio/istio issue 53497; Envoy, Administration interface.
    """
    for held in divergent_secrets(mesh):
        yield Finding(
            message=(
                f"The pods of {held.workload} serve different certificates for {held.name}:"
                f" {_serials(held)}. Which one clients get is left to chance."
            ),
            objects=(
                *(Place(each.pod) for each in held.pods),
                Place(held.secret),
                *references(held.uses),
            ),
            identity=Identity.of(held.workload.owner, held.secret.path),
            hosts=hosts_of(held.uses),
            evidence=observed_evidence(held.pods),
            fixes=(restart_once_good(held.workload),),
            confidence=Confidence.OBSERVED,
            deadline=min(
                (s.not_after for each in held.pods for s in each.served if s.not_after),
                default=None,
            ),
            credentials=frozenset({held.key}),
            servers=servers_of(held.uses),
        )


def _serials(held: HeldSecret) -> str:
    pods: dict[str, list[str]] = {}
    for each in held.pods:
        for serial in sorted(each.serials):
            pods.setdefault(serial, []).append(each.pod.name)
    return listing(f"serial {serial} in {listing(names)}" for serial, names in pods.items())
