"""Health probes of Azure's load balancers: what they ask of gateways, and whether it is answered.

Source: `buildHealthProbeRulesForPort` (kubernetes-sigs/cloud-provider-azure,
pkg/provider/azure_loadbalancer_healthprobe.go): the protocol is that of the port's annotation,
else its `appProtocol`, else the Service's annotation, else TCP; HTTP and HTTPS ask for `/` unless
an annotation says another path, and take 200 alone for an answer. With externalTrafficPolicy Local
the node's own health port is asked. A cluster may be set to ask kube-proxy in place of it all
(`clusterServiceLoadBalancerHealthProbeMode: shared`), which no object shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.chain_index import tls_server_for
from istiodoctor.mesh.gateways.listeners import listeners, servers_by_workload
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.hosts import ANY
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.service_ports import services_of, target_port
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import Node
from istiodoctor.model.services import Service, ServicePort

PREFIX = "service.beta.kubernetes.io/"
AZURE = f"{PREFIX}azure-"
OF_SERVICE = f"{AZURE}load-balancer-health-probe-"
PROVIDER = "azure://"
AKS_NODE = "aks-"
"""How the names of AKS's nodes begin."""
GKE_NODE, NODE_OF_OTHERS = "gke-", ".internal"
"""How the names of nodes of Google's and Amazon's clusters begin and end."""
PROTOCOL, PATH, PORT = "protocol", "request-path", "port"
ASKING = frozenset({"http", "https"})
READY_PATH = "/healthz/ready"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FailingProbe:
    """A probe of one port of a gateway's Service that Envoy does not answer with 200."""

    service: Service
    port: ServicePort
    protocol: str
    path: str
    reason: str
    """A clause without a full stop."""
    workload: Workload
    hosts: frozenset[str]

    @property
    def annotation(self) -> str:
        """The annotation that decides."""
        return annotation_of(self.port.port, PROTOCOL)


def annotation_of(port: int, parameter: str) -> str:
    """Return the annotation by which the probe of one port is set."""
    return f"{PREFIX}port_{port}_health-probe_{parameter}"


@question(Kind.NODE)
def nodes_are_azure(mesh: Mesh) -> bool:
    """Whether the nodes that were read are virtual machines of Azure."""
    return any(each.spec.provider_id.startswith(PROVIDER) for each in mesh.all(Node))


@question(evidence=[nodes_are_azure])
def failing_probes(mesh: Mesh) -> tuple[FailingProbe, ...]:
    """Return the probes that fail, of load balancers that are known to be Azure's."""
    by_port = {(each.workload, each.port): each for each in listeners(mesh)}
    return tuple(
        FailingProbe(
            service=service,
            port=port,
            protocol=protocol,
            path=path,
            reason=reason,
            workload=listener.workload,
            hosts=frozenset(name for each in listener.servers for name in each.names),
        )
        for workload, service in _probed(mesh)
        if _is_of_azure(mesh, workload, service)
        for port, protocol, path in _asked(service)
        if (listener := by_port.get((workload, target_port(port, workload))))
        and (reason := _why_not(mesh, listener, protocol))
    )


@question
def telling_nodes(mesh: Mesh) -> tuple[str, ...]:
    """Return the name of a node that tells the cloud, where a probe would fail if it were Azure's.

    Of one gateway alone: all are in one cloud. None where names tell it already.
    """
    for workload, service in _probed(mesh):
        names = [pod.spec.node_name for pod in workload.pods if pod.spec.node_name]
        if names and not _is_told(service, names[0]):
            return (names[0],)
    return ()


def _is_told(service: Service, node: str) -> bool:
    """Whether a cloud is known by names: Azure's load balancers have no host names."""
    return (
        any(key.startswith(AZURE) for key in service.metadata.annotations)
        or any(each.hostname for each in service.status.load_balancer.ingress)
        or node.startswith((AKS_NODE, GKE_NODE))
        or node.endswith(NODE_OF_OTHERS)
    )


@question
def _probed(mesh: Mesh) -> tuple[tuple[Workload, Service], ...]:
    """Return the load balancers of gateways that would be asked in HTTP."""
    return tuple(
        (workload, service)
        for workload in servers_by_workload(mesh)
        if workload.is_known
        for service in services_of(mesh, workload)
        if service.spec.type == "LoadBalancer"
        and service.spec.external_traffic_policy != "Local"
        and any(_asked(service))
    )


def _is_of_azure(mesh: Mesh, workload: Workload, service: Service) -> bool:
    return (
        any(key.startswith(AZURE) for key in service.metadata.annotations)
        or any(pod.spec.node_name.startswith(AKS_NODE) for pod in workload.pods)
        or nodes_are_azure(mesh)
    )


def _asked(service: Service) -> Iterator[tuple[ServicePort, str, str]]:
    """Yield the ports that are asked in HTTP or HTTPS, with protocol and path.

    Not those whose probe an annotation sends to another port.
    """
    annotations = service.metadata.annotations
    for port in service.spec.ports:
        own = annotations.get(annotation_of(port.port, PROTOCOL))
        written = own or port.app_protocol or annotations.get(OF_SERVICE + PROTOCOL, "")
        protocol = written.strip().lower()
        path = annotations.get(
            annotation_of(port.port, PATH), annotations.get(OF_SERVICE + PATH, "/")
        )
        is_elsewhere = annotations.get(annotation_of(port.port, PORT)) or any(
            annotations.get(f"{PREFIX}port_{port.port}_{rule}") == "true"
            for rule in ("no_probe_rule", "no_lb_rule")
        )
        if port.protocol == "TCP" and protocol in ASKING and not is_elsewhere:
            yield port, protocol, path


def _why_not(mesh: Mesh, listener: Listener, protocol: str) -> str:
    """Return why a port does not answer 200; empty where it may.

    The probe's Host is an address, and it sends no SNI: a server for any host may answer it.
    """
    if listener.is_tls and protocol == "http":
        return "it asks in plain text, and the port speaks TLS"
    if not listener.is_tls and protocol == "https":
        return "it begins a TLS handshake, and the port speaks plain HTTP"
    if listener.is_tls and tls_server_for(mesh, listener, "") is None:
        return "it sends no SNI, and no server takes a handshake without one"
    if any(ANY in server.names for server in listener.servers):
        return ""
    return "it asks for no host that is served, and gets 404"
