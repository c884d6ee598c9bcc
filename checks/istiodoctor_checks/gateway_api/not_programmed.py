"""GWAPI011."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.hosts import ANY
from istiodoctor_checks.gateway_api._listeners import status_evidence
from istiodoctor_checks.gateway_api._refused_references import Unprogrammed, unprogrammed_gateways


@check("GWAPI011", severity=Severity.CRITICAL, explains={"GW022", "GWAPI017"})
def not_programmed(mesh: Mesh) -> Iterator[Finding]:
    """The status of a Gateway says that it is not accepted or not programmed.

    istiod makes a Deployment and a Service for a Gateway of its class, and says in `Accepted` and
    `Programmed` whether that worked: the class may be another's, the load balancer may have no
    address yet, or the Service that `addresses` names may not exist. Until then nothing outside
    reaches the listeners.

    Fix: do what the condition's message asks for.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, generation: 1}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    status:
      conditions:
      - type: Programmed
        status: "False"
        reason: AddressNotAssigned
        message: Assigned to service(s) web-istio.shop.svc.cluster.local, but no address
        observedGeneration: 1
    ```

    ```finding
    high: Gateway API Gateway shop/web spec
    hosts: *
    Gateway API Gateway shop/web is not ready: istiod says Programmed=False (AddressNotAssigned):
    Assigned to service(s) web-istio.shop.svc.cluster.local, but no address. Nothing outside
    reaches its listeners.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, generation: 2}
    spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
    status:
      conditions:
      - {type: Accepted, status: "True", reason: Accepted, observedGeneration: 2}
      - {type: Programmed, status: "False", reason: Pending, observedGeneration: 1}
    ```

    Sources: gateway-api.sigs.k8s.io, API reference (GatewayConditionType); istio.io, Kubernetes
    Gateway API.
    """
    for found in unprogrammed_gateways(mesh):
        gateway, said = found.gateway, found.condition
        yield Finding(
            message=(
                f"{gateway.ref} is not ready: istiod says {said.type}={said.status}"
                f" ({said.reason}){_words(found)}. Nothing outside reaches its listeners."
            ),
            objects=(gateway.at("/spec"), gateway.at("/status/conditions")),
            identity=Identity.of(gateway.ref, said.type),
            hosts=frozenset(each.hostname or ANY for each in gateway.spec.listeners),
            evidence=status_evidence(said, gateway.ref),
            fixes=(
                Fix(
                    title="Do what the condition asks for",
                    commands=(get(gateway.ref),),
                    why="Its message is istiod's own word on what is missing.",
                ),
            ),
            severity=Severity.HIGH if said.reason == "AddressNotAssigned" else None,
        )


def _words(found: Unprogrammed) -> str:
    return f": {found.condition.message}" if found.condition.message else ""
