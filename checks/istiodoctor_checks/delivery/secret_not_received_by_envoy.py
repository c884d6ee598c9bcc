"""SDS014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, restart
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import CredentialState
from istiodoctor.mesh.envoy.secrets import AwaitedSecret
from istiodoctor.mesh.envoy.state import awaited_secrets
from istiodoctor.mesh.logs.proxy_logs import refused_credentials
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.credential import Credential
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._envoys import look_at_log, pods_of, span
from istiodoctor_checks._served import hosts_of, references, servers_of
from istiodoctor_checks._wire import observed_evidence

Refused = tuple[tuple[Credential, str], ...]
"""Secrets that Envoy cannot take, each with the reason."""


@check("SDS014", severity=Severity.CRITICAL, explains={"SNI011"})
def secret_not_received_by_envoy(mesh: Mesh) -> Iterator[Finding]:
    """Envoy waits for a Secret that it has not received, so it resets connections.

    Envoy lists the Secret as warming. After a few seconds it opens the port all the same, and
    resets every connection for the hosts that need the certificate; other hosts of the port
    work. The same happens where the Secret came and Envoy refused it, with nothing older to go
    on with: it is listed as active then, but its certificate is not among those loaded.

    Envoy takes an answer of SDS as a whole or not at all: one Secret that it cannot take keeps
    the good ones that come with it away too, and a gateway that restarts then serves neither.

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

    The Secret is well; another one of the gateway is not, and Envoy refuses both:

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
      - port: {number: 443, name: https-api, protocol: HTTPS}
        hosts: [api.example.com]
        tls: {mode: SIMPLE, credentialName: api-cert}
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
    metadata: {name: api-cert, namespace: istio-system, creationTimestamp: "2026-01-01T08:00:00Z"}
    stringData:
      tls.crt: certificate for api.example.com
      tls.key: key of shop.example.com
    ```

    ```envoy bad istio-system/gateway
    secrets:
    - {name: kubernetes://shop-cert, updated: "2026-03-01T08:00:00Z"}
    - {name: kubernetes://api-cert, updated: "2026-03-01T08:00:00Z"}
    ```

    ```finding
    critical, observed: Secret istio-system/api-cert
    hosts: api.example.com
    Envoy in Pod istio-system/gateway has waited for 4 h for kubernetes://api-cert: connections to
    api.example.com are reset there. Secret istio-system/api-cert exists, but it was not delivered.

    critical, observed: Secret istio-system/api-cert data
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway has waited for 4 h for kubernetes://shop-cert: connections to
    shop.example.com are reset there. Secret istio-system/shop-cert is well, but Envoy refuses an
    answer as a whole, and it cannot take Secret istio-system/api-cert beside it: tls.key does not
    belong to the certificate.
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
        refused = _refused_beside(mesh, awaited)
        yield Finding(
            message=_message(awaited, refused),
            objects=(
                *(Place(each.ref, "/data") for each, _ in refused),
                Place(held.secret),
                Place(held.workload.owner),
                *references(held.uses),
                *(Place(each.pod) for each in awaited.pods),
            ),
            identity=Identity.of(held.workload.owner, held.secret.path),
            hosts=hosts_of(held.uses),
            evidence=(
                *observed_evidence(awaited.pods),
                *(Evidence(text=why, ref=each.ref) for each, why in refused),
            ),
            fixes=(_after(refused, held.workload),)
            if refused
            else (look_at_log(awaited.pods[0].pod),),
            severity=_severity(awaited),
            confidence=Confidence.OBSERVED,
            is_settling=awaited.is_settling,
            credentials=frozenset({held.key, *_keys(refused)}),
            servers=servers_of(held.uses),
        )


def _severity(awaited: AwaitedSecret) -> Severity:
    if awaited.is_settling:
        return Severity.LOW
    return Severity.CRITICAL if awaited.is_everywhere else Severity.HIGH


def _refused_beside(mesh: Mesh, awaited: AwaitedSecret) -> Refused:
    """Return the Secrets that Envoy cannot take, for which it refuses the good ones with them.

    Envoy takes an answer of SDS as a whole or not at all (measured with Envoy 1.40).
    """
    held = awaited.held
    if held.uses[0].state is not CredentialState.FOUND or awaited.is_refused:
        return ()
    waiting = {
        each.held.key for each in awaited_secrets(mesh) if each.held.workload is held.workload
    }
    found = refused_credentials(mesh, held.workload)
    if held.key in _keys(found):
        return ()
    return tuple(each for each in found if not waiting.isdisjoint(_keys((each,))))


def _keys(refused: Refused) -> frozenset[tuple[str, str]]:
    return frozenset((each.namespace, each.name) for each, _ in refused)


def _after(refused: Refused, workload: Workload) -> Fix:
    names = listing(each.ref for each, _ in refused)
    return restart(
        workload,
        once=f"once {names} is repaired",
        why="istiod does not send the others again by itself: a restart asks for all of them.",
    )


def _message(awaited: AwaitedSecret, refused: Refused) -> str:
    held = awaited.held
    did = f"has waited{span(awaited.age)} for {held.name}"
    if awaited.is_refused:
        did = f"refused what came as {held.name}, and has no older certificate to serve"
    text = (
        f"Envoy in {pods_of(held.workload, awaited.pods)} {did}: connections to"
        f" {host_listing(sorted(held.hosts))} are reset there."
    )
    if awaited.is_settling:
        return f"{text} It may be on its way: {held.secret} or the question for it is new."
    if refused:
        (first, why), *_ = refused
        return (
            f"{text} {held.secret} is well, but Envoy refuses an answer as a whole, and it cannot"
            f" take {first.ref} beside it: {why}."
        )
    if held.uses[0].state is CredentialState.FOUND and not awaited.is_refused:
        return f"{text} {held.secret} exists, but it was not delivered."
    return text
