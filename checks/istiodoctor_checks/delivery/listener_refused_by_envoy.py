"""SDS012."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence, EvidenceKind
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.envoy.state import RefusedListener, refused_listeners
from istiodoctor.mesh.logs.refusal_culprits import refusal_culprits
from istiodoctor.model.ref import Place
from istiodoctor_checks._envoys import pods_of
from istiodoctor_checks._wire import SHOWN
from istiodoctor_checks.delivery._refusals import correct, origin, refs_of


@check(
    "SDS012",
    severity=Severity.HIGH,
    explains={"GW022", "GW023", "HTTP018", "SDS010", "SDS013", "SDS016", "SNI011"},
)
def listener_refused_by_envoy(mesh: Mesh) -> Iterator[Finding]:
    """Envoy says that it refuses the present version of a listener.

    A listener is taken as a whole or not at all. While the last version is refused, Envoy goes on
    with the one before it: new hosts of that port never appear, removed ones stay, and a pod that
    restarts does not open the port. The reason is Envoy's own: an EnvoyFilter that does not fit
    the version, two servers with the same SNI, a file that is not there.

    Fix: find the object that the reason points to and revert its last change.

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
    listeners:
    - name: 0.0.0.0_443
      port: 443
      refused: "Didn't find a registered implementation for 'envoy.filters.listener.http_inspect'"
      at: "2026-03-01T11:40:00Z"
    ```

    ```finding
    high, observed: Pod istio-system/gateway
    hosts: shop.example.com
    Envoy in Pod istio-system/gateway refuses the present version of listener 0.0.0.0_443: Didn't
    find a registered implementation for 'envoy.filters.listener.http_inspect'. Changes of that
    port do not arrive, and a restarted pod does not open it.
    ```

    The last version was taken:

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
    ```

    ```envoy good istio-system/gateway
    listeners:
    - {name: 0.0.0.0_443, port: 443}
    ```

    Sources: Envoy, Administration interface (config dump); istio/istio issues 49836, 13717.
    """
    for found in refused_listeners(mesh):
        refused = found.refused
        culprits = refusal_culprits(mesh, found.workload, refused.port, refused.error)
        yield Finding(
            message=(
                f"Envoy in {pods_of(found.workload, found.pods)} refuses the present version of"
                f" listener {refused.name}: {refused.error}.{origin(culprits)}"
                f" {_consequence(found)}"
            ),
            objects=(
                *culprits,
                Place(found.workload.owner),
                *(each.place for each in found.servers),
                *map(Place, found.pods),
            ),
            identity=Identity.of(found.workload.owner, found.refused.name),
            hosts=frozenset(host for each in found.servers for host in each.names),
            evidence=tuple(
                Evidence(
                    kind=EvidenceKind.ENVOY,
                    text=f"Envoy in {pod}: {found.refused.name}: {found.refused.error}",
                    ref=pod,
                    at=found.refused.refused_at,
                )
                for pod in found.pods[:SHOWN]
            ),
            fixes=(correct(culprits),),
            severity=Severity.HIGH if found.is_open else Severity.CRITICAL,
            confidence=Confidence.OBSERVED,
            servers=frozenset(each.id for each in found.servers),
            culprits=refs_of(culprits),
        )


def _consequence(found: RefusedListener) -> str:
    if found.is_open:
        return "Changes of that port do not arrive, and a restarted pod does not open it."
    return "There is no older version to go on with, so the port is closed."
