"""MTLS009."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Evidence, Finding, Fix, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.servers import WITH_CLIENT_CA
from istiodoctor.mesh.workloads.control_planes import proxy_config
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Place

SILENT = frozenset({"SANITIZE", "FORWARD_ONLY", "ALWAYS_FORWARD_ONLY"})
NUMBERS = {1: "SANITIZE", 2: "FORWARD_ONLY", 5: "ALWAYS_FORWARD_ONLY"}
"""The values of `ForwardClientCertDetails` in Istio's mesh API."""


@check("MTLS009", severity=Severity.LOW)
def client_certificate_not_forwarded(mesh: Mesh) -> Iterator[Finding]:
    """A gateway checks client certificates, but does not tell the application whose they are.

    Behind a MUTUAL server an application learns the client's identity from the header
    `x-forwarded-client-cert`. By default a gateway writes it from the certificate that it has
    checked. With `forwardClientCertDetails: SANITIZE` it removes the header, and with
    `FORWARD_ONLY` or `ALWAYS_FORWARD_ONLY` it passes on what the client itself wrote there.

    Fix: `SANITIZE_SET`, or `APPEND_FORWARD` behind another proxy that sets the header, if the
    application needs it.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data:
      mesh: |
        defaultConfig: {gatewayTopology: {forwardClientCertDetails: SANITIZE}}
    ---
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
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data:
      mesh: |
        defaultConfig: {gatewayTopology: {forwardClientCertDetails: SANITIZE_SET}}
    ---
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
    ```

    Without client certificates there is nothing to tell:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.22.3"}]}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data:
      mesh: |
        defaultConfig: {gatewayTopology: {forwardClientCertDetails: SANITIZE}}
    ---
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

    Sources: istio.io, Configuring Gateway Network Topology.
    """
    for listener in listeners(mesh):
        checking = [each for each in listener.servers if each.mode in WITH_CLIENT_CA]
        details = _details(mesh, listener.workload) if checking else ""
        if details in SILENT:
            yield Finding(
                message=(
                    f"{checking[0]} checks client certificates, but {listener.workload} has"
                    f" forwardClientCertDetails {details}: applications are not told, in"
                    f" x-forwarded-client-cert, whose certificate it was."
                ),
                objects=(Place(listener.workload.owner), *(each.place for each in checking)),
                identity=Identity.of(listener.workload.owner),
                hosts=frozenset(name for each in checking for name in each.names),
                evidence=(Evidence(text=f"forwardClientCertDetails is {details}"),),
                fixes=(
                    Fix(
                        title="Set gatewayTopology.forwardClientCertDetails to SANITIZE_SET",
                        why=(
                            "In the pod's annotation proxy.istio.io/config or in the mesh's"
                            " defaultConfig, if the application needs the header."
                        ),
                    ),
                ),
                servers=frozenset(each.id for each in checking),
            )


def _details(mesh: Mesh, workload: Workload) -> str:
    """Return the setting's name; it may be written as its number."""
    config = proxy_config(mesh, workload)
    topology = config.gateway_topology if config else None
    written = topology.forward_client_cert_details if topology else ""
    return NUMBERS.get(written, "") if isinstance(written, int) else written
