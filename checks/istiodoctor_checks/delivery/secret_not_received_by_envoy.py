"""SDS014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import CredentialState
from istiodoctor.mesh.envoy.secrets import AwaitedSecret
from istiodoctor.mesh.envoy.state import awaited_secrets
from istiodoctor.model.ref import Place
from istiodoctor.text import listing
from istiodoctor_checks._envoys import look_at_log, pods_of, span
from istiodoctor_checks._served import hosts_of, references, servers_of
from istiodoctor_checks._wire import observed_evidence


@check("SDS014", severity=Severity.CRITICAL, explains={"SNI011"})
def secret_not_received_by_envoy(mesh: Mesh) -> Iterator[Finding]:
    """Envoy waits for a Secret that it has not received, so it resets connections.

    Envoy lists the Secret as warming. After a few seconds it opens the port all the same, and
    resets every connection for the hosts that need the certificate; other hosts of the port
    work. The same happens where the Secret came and Envoy refused it, with nothing older to go
    on with: it is listed as active then, but its certificate is not among those loaded.

    Where the objects show why the Secret does not come, that problem is reported and this one
    stands under it as what was seen of it. Alone, it says that they do not.

    A Secret that was made, or asked for, less than two minutes ago may be on its way.

    Fix: see what istiod says about it, and whether the gateway refused it.

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
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```envoy bad istio-system/gateway
    secrets:
    - {name: kubernetes://shop-cert, updated: "2026-03-01T08:00:00Z"}
    ```

    ```finding
    critical, observed: Secret istio-system/shop-cert
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway has waited for 4 h for kubernetes://shop-cert: connections to
    shop.example.com are reset there. Secret istio-system/shop-cert exists, but it was not
    delivered.
    ```

    Envoy refused it:

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
      tls.crt: certificate for shop.example.com
      tls.key: key of other.example.com
    ```

    ```envoy bad istio-system/gateway
    secrets:
    - name: kubernetes://shop-cert
      certificate: certificate for shop.example.com
      updated: "2026-03-01T08:00:00Z"
      in_use: nothing
    ```

    ```finding
    critical, observed: Secret istio-system/shop-cert
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway refused what came as kubernetes://shop-cert, and has no older
    certificate to serve: connections to shop.example.com are reset there.
    ```

    The Secret has just been made: wait, and look again.

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
    metadata: {name: shop-cert, namespace: istio-system, creationTimestamp: "2026-03-01T11:59:30Z"}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```envoy bad istio-system/gateway
    secrets:
    - {name: kubernetes://shop-cert, updated: "2026-03-01T08:00:00Z"}
    ```

    ```finding
    low, observed: Secret istio-system/shop-cert
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway has waited for 4 h for kubernetes://shop-cert: connections to
    shop.example.com are reset there. It may be on its way: Secret istio-system/shop-cert or the
    question for it is new.
    ```

    What other servers wait for is no trouble of this one, and what no server asks for any more
    is nobody's:

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
    - {name: kubernetes://long-gone, updated: "2026-03-01T08:00:00Z"}
    ```

    Sources: istio.io, Secure Gateways, Troubleshooting; Envoy, Secret discovery service.
    """
    for awaited in awaited_secrets(mesh):
        held = awaited.held
        yield Finding(
            message=_message(awaited),
            objects=(
                Place(held.secret),
                Place(held.workload.owner),
                *references(held.uses),
                *(Place(each.pod) for each in awaited.pods),
            ),
            identity=Identity.of(held.workload.owner, held.secret.path),
            hosts=hosts_of(held.uses),
            evidence=observed_evidence(awaited.pods),
            fixes=(look_at_log(awaited.pods[0].pod),),
            severity=_severity(awaited),
            confidence=Confidence.OBSERVED,
            is_settling=awaited.is_settling,
            credentials=frozenset({held.key}),
            servers=servers_of(held.uses),
        )


def _severity(awaited: AwaitedSecret) -> Severity:
    if awaited.is_settling:
        return Severity.LOW
    return Severity.CRITICAL if awaited.is_everywhere else Severity.HIGH


def _message(awaited: AwaitedSecret) -> str:
    held = awaited.held
    did = f"has waited{span(awaited.age)} for {held.name}"
    if awaited.is_refused:
        did = f"refused what came as {held.name}, and has no older certificate to serve"
    text = (
        f"Envoy in {pods_of(held.workload, awaited.pods)} {did}: connections to"
        f" {listing(sorted(held.hosts))} are reset there."
    )
    if awaited.is_settling:
        return f"{text} It may be on its way: {held.secret} or the question for it is new."
    if held.uses[0].state is CredentialState.FOUND and not awaited.is_refused:
        return f"{text} {held.secret} exists, but it was not delivered."
    return text
