"""The backends that routes of the Gateway API and Ingresses lead to, and those that fail.

Those of VirtualServices are in `destinations`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from istiodoctor.mesh.configuration.api_backends import NOWHERE
from istiodoctor.mesh.configuration.cluster import (
    Cluster,
    ClusterFault,
    ClusterName,
    ClusterState,
)
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.configuration.held import (
    HeldHttpRule,
    HeldRule,
    HeldVirtualService,
    Semantics,
)
from istiodoctor.mesh.configuration.held_ingresses import held_ingresses_by_gateway
from istiodoctor.mesh.configuration.held_routes import held_routes_of_gateway
from istiodoctor.mesh.configuration.registry_service import RegistryService
from istiodoctor.mesh.configuration.scope import scope_of
from istiodoctor.mesh.configuration.service_endpoints import has_ready_endpoint
from istiodoctor.mesh.configuration.service_registry import (
    EXTERNAL_NAME,
    has_no_service,
    scope_service,
    undisputed_services,
)
from istiodoctor.mesh.gateways.listeners import listeners_of, servers
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.hosts import ANY, meet
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import Destination, HttpMatch
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place, Ref
from istiodoctor.model.services import Service


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BackendUse:
    """One backend of a route at one gateway workload."""

    place: Place
    """The reference in the route or Ingress."""
    destination: Destination
    workload: Workload
    hosts: tuple[str, ...]
    """What its requests are for, on every listener that has the route."""
    is_http: bool
    is_ingress: bool
    is_whole: bool
    """Whether every request for its hosts goes here, as far as this route is concerned."""
    unknown_because: str = ""
    """What was not read and could change it."""

    @property
    def route(self) -> Ref:
        """The route or Ingress."""
        return self.place.ref

    @property
    def cluster_name(self) -> ClusterName:
        """The cluster that Envoy would need."""
        port = self.destination.port
        return ClusterName(
            port=(port.number or 0) if port else 0, subset="", host=self.destination.host
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FailedBackend:
    """A backend whose requests reach nothing at a gateway workload."""

    use: BackendUse
    cluster: Cluster
    service: RegistryService | None = None
    """What istiod knows by the name of the backend."""

    @property
    def is_sure(self) -> bool:
        """Whether nothing that was not read may serve it all the same."""
        return self.cluster.state is not ClusterState.UNKNOWN and not self.use.unknown_because


@question
def backend_uses(mesh: Mesh) -> tuple[BackendUse, ...]:
    """Return every backend of the routes and Ingresses on live servers, once for a workload."""
    found: dict[tuple[Workload, Place], BackendUse] = {}
    hosts: dict[tuple[Workload, Place], dict[str, None]] = {}
    for server in servers(mesh):
        if server.api is GatewayApi.ISTIO:
            continue
        live = listeners_of(mesh, server)
        for held in _held(mesh, server) if live else ():
            for use in _uses(held, server, live[0].workload):
                for listener in live:
                    key = (listener.workload, use.place)
                    if key not in found or use.is_whole:  # of a rule's matches one may be `/`
                        found[key] = use
                    hosts.setdefault(key, {}).update(dict.fromkeys(use.hosts))
    return tuple(
        replace(use, workload=workload, hosts=tuple(hosts[workload, place]))
        for (workload, place), use in found.items()
    )


def _held(mesh: Mesh, server: Server) -> tuple[HeldVirtualService, ...]:
    if server.api is GatewayApi.INGRESS:
        return held_ingresses_by_gateway(mesh).get(server.gateway_name, ())
    return held_routes_of_gateway(mesh, server.gateway_name)


def _uses(held: HeldVirtualService, server: Server, workload: Workload) -> Iterator[BackendUse]:
    own = server.hostname or ANY
    hosts = tuple(found for each in held.hosts if (found := meet(own, each.lower())))
    rules: tuple[HeldRule, ...] = (*held.http, *held.tls, *held.tcp)
    for rule in rules:
        for place, destination in zip(rule.destinations, _destinations(rule), strict=False):
            yield BackendUse(
                place=place,
                destination=destination,
                workload=workload,
                hosts=hosts or held.hosts,
                is_http=isinstance(rule, HeldHttpRule),
                is_ingress=held.semantics is Semantics.INGRESS,
                is_whole=_is_whole(held, rule),
                unknown_because=held.unknown_because or rule.unknown_because,
            )


def _destinations(rule: HeldRule) -> Iterator[Destination]:
    return (each.destination for each in rule.rule.route)


def _is_whole(held: HeldVirtualService, rule: HeldRule) -> bool:
    """Whether a rule leads every request of its hosts to one backend."""
    if len(rule.rule.route) > 1:
        return False
    if not isinstance(rule, HeldHttpRule):
        return True
    return len(held.http) == 1 or not rule.rule.match or all(map(_takes_all, rule.rule.match))


def _takes_all(match: HttpMatch) -> bool:
    is_root = match.uri is None or match.uri.prefix == "/"
    return is_root and not (match.headers or match.query_params or match.method)


@question(Kind.SERVICE)
def backends_of_unknown_kind(mesh: Mesh) -> tuple[BackendUse, ...]:
    """Return the backends that istiod makes nothing of: not permitted, or of another kind."""
    return tuple(each for each in backend_uses(mesh) if each.destination is NOWHERE)


@question(Kind.SERVICE)
def backends_without_cluster(mesh: Mesh) -> tuple[FailedBackend, ...]:
    """Return the backends whose Service, or port of it, istiod does not know at the gateway."""
    absent = backends_of_no_known_port(mesh)
    failed = _failed(mesh, absent, ClusterState.NO_CLUSTER, ClusterState.UNKNOWN)
    return tuple(each for each in failed if _is_gone(mesh, each))


def _is_gone(mesh: Mesh, failed: FailedBackend) -> bool:
    """Whether a backend is not there, but for a ServiceEntry that may have its name unread."""
    if (failed.cluster.state_here or failed.cluster.state) is ClusterState.NO_CLUSTER:
        return True
    is_nameless = failed.cluster.fault is ClusterFault.NO_SERVICE
    return is_nameless and has_no_service(mesh, failed.use.workload, failed.use.destination.host)


@question(Kind.SERVICE)
def backends_of_no_known_port(mesh: Mesh) -> tuple[BackendUse, ...]:
    """Return the backends whose Service was not read, or does not have their port."""
    return tuple(
        each
        for each in backend_uses(mesh)
        if each.destination is not NOWHERE and not _has_port(mesh, each)
    )


def without_service(failed: FailedBackend) -> bool:
    """Whether it is the Service itself that is not there, or not seen by the gateway."""
    return failed.service is None


def without_port(failed: FailedBackend) -> bool:
    """Whether it is the port that the Service does not have."""
    return failed.service is not None and failed.cluster.fault is ClusterFault.NO_PORT


@question(Kind.ENDPOINT_SLICE, Kind.POD, Kind.WORKLOAD_ENTRY)
def backends_without_endpoints(mesh: Mesh) -> tuple[FailedBackend, ...]:
    """Return the backends whose Services have no endpoint that takes requests."""
    suspects = (
        each
        for each in backend_uses(mesh)
        if (service := _service(mesh, each))
        and service.spec.type != EXTERNAL_NAME
        and any(
            port.port == each.cluster_name.port
            and has_ready_endpoint(mesh, service, port.name) is False
            for port in service.spec.ports
        )
    )
    return tuple(_failed(mesh, suspects, ClusterState.NO_ENDPOINT))


def _failed(
    mesh: Mesh, suspects: Iterable[BackendUse], *states: ClusterState
) -> Iterator[FailedBackend]:
    """Yield the backends whose clusters are in some state, each once whatever the workload."""
    seen: set[Place] = set()
    for use in suspects:
        found = cluster(mesh, use.workload, str(use.cluster_name))
        if (found.state_here or found.state) in states and use.place not in seen:
            seen.add(use.place)
            service = scope_service(mesh, scope_of(mesh, use.workload), use.destination.host)
            yield FailedBackend(use=use, cluster=found, service=service)


def _has_port(mesh: Mesh, use: BackendUse) -> bool:
    """Whether a Service has the port; cheaper than its cluster, which is asked only if not."""
    service = _service(mesh, use)
    return service is not None and any(
        each.port == use.cluster_name.port and each.protocol != "UDP"
        for each in service.spec.ports
    )


def _service(mesh: Mesh, use: BackendUse) -> Service | None:
    scope = scope_of(mesh, use.workload)
    known = undisputed_services(mesh, scope).get(use.destination.host)
    if known:
        return known
    found = scope_service(mesh, scope, use.destination.host)
    return found.source if found and isinstance(found.source, Service) else None
