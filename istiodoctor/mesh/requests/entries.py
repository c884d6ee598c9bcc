"""How a request reaches a gateway: proxies before it, its Service, the port of its pods."""

import re
from collections.abc import Iterable

from msgspec.structs import replace

from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.mesh.configuration.received_request import received
from istiodoctor.mesh.configuration.redirects import plain_hosts_for, tls_hosts_meeting
from istiodoctor.mesh.configuration.request import Request, is_address
from istiodoctor.mesh.configuration.request_line import EarlyAnswer
from istiodoctor.mesh.exposure.front_proxies import (
    BACKEND_PROTOCOL,
    Front,
    fronts_for,
    http_listener,
)
from istiodoctor.mesh.exposure.services import PortRoute, port_routes
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.hosts import ANY, HostIndex
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization_policies import applying_policies
from istiodoctor.mesh.question import question
from istiodoctor.mesh.requests.hops import BROKEN, OK, UNKNOWN, Hop, HopState, service_hop
from istiodoctor.mesh.requests.unread import named, refused
from istiodoctor.mesh.workloads.service_ports import listening_ports, services_of
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.services import Service
from istiodoctor.model.value import Value

_ORDINARY = re.compile(r"[A-Za-z0-9/._~-]*")
_OUTERMOST = ("LoadBalancer", "NodePort")


class Entry(Value, frozen=True, kw_only=True):
    """How a request comes to a port of a gateway's pods: hops before them, port, TLS."""

    hops: tuple[Hop, ...]
    target: int | None
    """The port in the pod; None where the request ends before it."""
    is_tls: bool
    """Whether TLS comes as far as the pod."""
    front: Front | None = None


@question
def serving_workloads(mesh: Mesh, request: Request) -> tuple[Workload, ...]:
    """Return the gateway workloads that a request may be meant for.

    Those with a server for its name, or for any name where no other has it; for an address
    those whose Services have it.
    """
    servers = servers_by_workload(mesh)
    if request.workload:
        return tuple(each for each in servers if _is_named(each, request.workload))
    if is_address(request.host):
        addressed = [each for each in servers if _is_at(mesh, each, request.host)]
        if addressed:
            return tuple(addressed)
    found = tuple(_workloads_by_host(mesh).covering(request.served_name))
    named = {workload for host, workload in found if host != ANY}
    serving = named or {workload for _, workload in found}
    return tuple(each for each in servers if each in serving)


def other_workloads(mesh: Mesh, request: Request) -> tuple[Workload, ...]:
    """Return the gateway workloads that may answer a request, though others name its host.

    Those with a server for any name, and those that pass connections on: their rules may have
    names that no server has.
    """
    if request.workload or is_address(request.host):
        return ()
    if _is_answered_early(request):
        return tuple(servers_by_workload(mesh))
    names = dict.fromkeys((request.served_name, request.virtual_host))
    covering = (
        workload for name in names for _, workload in _workloads_by_host(mesh).covering(name)
    )
    return tuple(dict.fromkeys((*covering, *_passing_workloads(mesh))))


def _is_answered_early(request: Request) -> bool:
    """Whether Envoy may answer without looking for a route, whatever the host."""
    if _ORDINARY.fullmatch(request.path):
        return False
    return isinstance(received(request, HttpOptions(), is_tls=False), EarlyAnswer)


@question
def guarded_workloads(mesh: Mesh) -> tuple[Workload, ...]:
    """Return the gateway workloads to which AuthorizationPolicies apply.

    These answer 403 where another gateway answers 404.
    """
    return tuple(
        workload
        for workload in servers_by_workload(mesh)
        if applying_policies(mesh, workload).policies
    )


@question
def _passing_workloads(mesh: Mesh) -> tuple[Workload, ...]:
    return tuple(
        workload
        for workload, servers in servers_by_workload(mesh).items()
        if any(not server.routes_http for server in servers)
    )


@question
def _workloads_by_host(mesh: Mesh) -> HostIndex[tuple[str, Workload]]:
    return HostIndex(
        (host, (host, workload))
        for workload, servers in servers_by_workload(mesh).items()
        for host in dict.fromkeys(host for server in servers for host in server.names)
    )


def _is_named(workload: Workload, name: str) -> bool:
    return f"{workload.owner.namespace}/{workload.owner.name}" == name


def _is_at(mesh: Mesh, workload: Workload, address: str) -> bool:
    return any(address in addresses_of(each) for each in services_of(mesh, workload))


def entries(mesh: Mesh, request: Request, workload: Workload) -> tuple[Entry, ...]:
    """Return how a request can come to the pods: one entry for each port in the pod."""
    name = request.served_name
    direct = _direct(mesh, workload, request.scheme, request.port)
    front = _front(mesh, request, workload, name, direct)
    if front is None:
        return direct
    if request.scheme == "http":
        hop = _front_hop(front, "redirects to https://")
        return (Entry(hops=(hop,), target=None, is_tls=False, front=front),)
    return (_behind(mesh, front, workload, name, direct),)


@question(Kind.SERVICE, evidence=[refused])
def _direct(mesh: Mesh, workload: Workload, scheme: str, port: int) -> tuple[Entry, ...]:
    """Return how clients of a port come to the pods where nothing stands before those."""
    is_tls = scheme == "https"
    routes = port_routes(mesh, workload)
    if not routes:
        return (_without_service(mesh, port, workload, is_tls=is_tls),)
    leading = [each for each in routes if _leads(each, port)]
    if not leading:
        return (Entry(hops=(_closed(routes, port),), target=None, is_tls=is_tls),)
    by_target: dict[int | None, list[PortRoute]] = {}
    for route in sorted(leading, key=_outermost_first):
        by_target.setdefault(route.target, []).append(route)
    return tuple(_into(each, port, target, is_tls=is_tls) for target, each in by_target.items())


def _into(routes: list[PortRoute], port: int, target: int | None, *, is_tls: bool) -> Entry:
    """Return the entry by Services that lead to one port in the pod."""
    hop = _entry_hop(routes, port)
    if is_tls and all(_takes_http_only(each, port) for each in routes):
        return Entry(hops=(_without_tls(routes[0], hop),), target=None, is_tls=is_tls)
    return Entry(hops=(hop,), target=target, is_tls=is_tls)


def _without_service(mesh: Mesh, port: int, workload: Workload, *, is_tls: bool) -> Entry:
    """Return how a request comes to pods that no known Service leads to, if it can."""
    ports = [each for one in workload.spec.containers for each in one.ports]
    bound = [each for each in ports if each.host_port == port]
    if workload.spec.host_network or bound:
        target = bound[0].container_port if bound else port
        hop = _without(OK, f"port {port} of the node leads to the pods")
        return Entry(hops=(hop,), target=target, is_tls=is_tls)
    if workload.is_known and mesh.is_complete(Kind.SERVICE, workload.namespace):
        hop = _without(BROKEN, "no Service selects the pods")
        return Entry(hops=(hop,), target=None, is_tls=is_tls)
    unread = workload.is_known and refused(mesh, (Kind.SERVICE,))
    why = f"{named(unread)} were not read: " if unread else ""
    hop = _without(UNKNOWN, f"{why}what leads to the pods is not known")
    return Entry(hops=(hop,), target=listening_ports(mesh, workload, port)[0], is_tls=is_tls)


def _front(
    mesh: Mesh, request: Request, workload: Workload, name: str, direct: tuple[Entry, ...]
) -> Front | None:
    """Return what answers, or ends TLS, before a request reaches the gateway."""
    targets = {each.target for each in direct}
    fronts = fronts_for(mesh, workload, name) if name else ()
    if request.scheme == "http":
        return next((each for each in fronts if each.redirects_to_https), None)
    return next(
        (
            each
            for each in fronts
            if each.terminates_tls
            # The annotated load balancer of a Service ends TLS at some of its ports only.
            and (not is_of_service(each) or each.plain_port in targets)
        ),
        None,
    )


def _behind(
    mesh: Mesh, front: Front, workload: Workload, name: str, direct: tuple[Entry, ...]
) -> Entry:
    """Return how a request comes to the pods behind a proxy that ends TLS."""
    target, hop = front.plain_port, _front_hop(front, "ends TLS, and goes on in plain HTTP")
    if target is None:
        plain = plain_hosts_for(mesh, workload, name)
        target = plain[0].listener.port if plain else direct[0].target if direct else None
        if tls_hosts_meeting(mesh, workload, name):
            text = f"{hop.text}; that it speaks no TLS to the gateway is taken for granted"
            hop = replace(hop, state=UNKNOWN, text=text)
    inner = next((each for each in port_routes(mesh, workload) if each.target == target), None)
    service = (service_hop(inner.service, _leading(inner)),) if inner else ()
    return Entry(hops=(hop, *service), target=target, is_tls=False, front=front)


def _takes_http_only(route: PortRoute, port: int) -> bool:
    """Whether the load balancer of a port takes no TLS; of those that are known to do so alone."""
    return port == route.port.port and http_listener(route.service) == BACKEND_PROTOCOL


def _without_tls(route: PortRoute, hop: Hop) -> Hop:
    text = f"{hop.text}: the load balancer takes HTTP there ({http_listener(route.service)})"
    return replace(hop, state=BROKEN, text=f"{text}, so that no TLS handshake passes")


def _leads(route: PortRoute, port: int) -> bool:
    is_node_port = route.service.spec.type in _OUTERMOST and route.port.node_port == port
    return route.port.port == port or is_node_port


def _outermost_first(route: PortRoute) -> int:
    kind = route.service.spec.type
    return _OUTERMOST.index(kind) if kind in _OUTERMOST else len(_OUTERMOST)


def addresses_of(service: Service) -> frozenset[str]:
    """Return the addresses under which clients reach a Service."""
    spec = service.spec
    given = (each.ip for each in service.status.load_balancer.ingress)
    written = (spec.load_balancer_ip, spec.cluster_ip, *spec.external_ips, *given)
    return frozenset(filter(None, written))


def _closed(routes: Iterable[PortRoute], port: int) -> Hop:
    """Return the hop of Services without the port that a client asks for."""
    found = tuple(routes)
    ports = ", ".join(map(str, sorted({each.port.port for each in found})))
    service = min(found, key=_outermost_first).service
    text = f"no Service of the pods has port {port}, only {ports}"
    return Hop(hop="service", ref=service.ref, state=BROKEN, text=text)


def _entry_hop(routes: list[PortRoute], port: int) -> Hop:
    first = routes[0]
    text = _leading(first, port)
    if first.target is None:
        text = f"{text}, a name that no container of the pods declares"
        return Hop(hop="service", ref=first.service.ref, state=BROKEN, text=text)
    others = sorted({str(each.service.ref) for each in routes} - {str(first.service.ref)})
    also = f" (so does {', '.join(others)})" if others else ""
    return service_hop(first.service, text + also)


def _leading(route: PortRoute, port: int = 0) -> str:
    """Say from where a Service's port can be reached, and where it leads."""
    spec = route.service.spec
    given = [each.ip or each.hostname for each in route.service.status.load_balancer.ingress]
    where = {
        "LoadBalancer": f"load balancer {', '.join(given) or 'without an address in its status'}",
        "NodePort": f"node port {route.port.node_port or 'of any number'}",
    }.get(spec.type, f"{spec.type}, inside the cluster")
    if port and port == route.port.node_port:
        where = f"node port {port}"
    target = route.port.target_port if route.target is None else route.target
    return f"{where}, port {route.port.port} leads to port {target} of the pods"


def _front_hop(front: Front, does: str) -> Hop:
    text = f"{front.text}: {does}"
    return Hop(hop="front", ref=front.place.ref if front.place else None, state=OK, text=text)


def _without(state: HopState, text: str) -> Hop:
    return Hop(hop="service", ref=None, state=state, text=text)


def is_of_service(front: Front) -> bool:
    """Whether what stands before a gateway is the load balancer of its own Service."""
    return front.place is not None and front.place.ref.kind == "Service"
