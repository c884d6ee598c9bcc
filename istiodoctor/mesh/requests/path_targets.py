"""What to probe for one request: at pods, at addresses, and where its name resolves.

Only GET and HEAD, only hosts that the mesh serves, no header but a client's own and those typed.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from istiodoctor.mesh.configuration.chain_index import chain_index
from istiodoctor.mesh.configuration.request import DEFAULT_PORTS, Request
from istiodoctor.mesh.configuration.virtual_hosts import domain_index, domains
from istiodoctor.mesh.exposure.access_points import (
    access_point_by_name,
    address_access_points,
    is_for_clients,
)
from istiodoctor.mesh.exposure.services import Exposure, exposure
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import covers
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.requests.entries import is_of_service
from istiodoctor.mesh.requests.request_paths import RequestPath
from istiodoctor.mesh.requests.sending import can_be_sent, has_secrets, why_not_sent
from istiodoctor.mesh.workloads.workloads import pod_is_ready
from istiodoctor.model.istio import ServiceEntry
from istiodoctor.model.kind import Kind
from istiodoctor.model.observation import (
    AccessPoint,
    HttpObservation,
    HttpTarget,
    TlsObservation,
    TlsTarget,
    UrlAccessPoint,
    Via,
)
from istiodoctor.model.value import Value

MOST_PODS = 5
MOST_ADDRESSES = 4
OF_CLUSTERS = "*.cluster.local"

Target = TlsTarget | HttpTarget
WireObservation = TlsObservation | HttpObservation


class PathTargets(Value, frozen=True, kw_only=True):
    """Handshakes and requests that would confirm one path of a request."""

    pods: tuple[Target, ...] = ()
    addresses: tuple[Target, ...] = ()
    """Load balancers and nodes."""
    name: tuple[Target, ...] = ()
    """Where DNS points."""
    why_not: str = ""
    """Why nothing is looked at."""

    @property
    def every(self) -> tuple[Target, ...]:
        """All of them."""
        return (*self.pods, *self.addresses, *self.name)


@question(Kind.TLS_PROBE, Kind.HTTP_PROBE)
def was_probed(mesh: Mesh) -> bool:
    """Whether probes were requested."""
    return not mesh.snapshot.requested.isdisjoint({Kind.TLS_PROBE, Kind.HTTP_PROBE})


@question(Kind.TLS_PROBE, Kind.HTTP_PROBE)
def observed(mesh: Mesh) -> Mapping[Target, WireObservation]:
    """Return every observation on the wire, by its target."""
    seen: tuple[WireObservation, ...] = (
        *mesh.snapshot.tls_observations,
        *mesh.snapshot.http_observations,
    )
    return {each.target: each for each in seen}


def why_missed(mesh: Mesh, target: Target) -> str:
    """Say why a target was not probed."""
    where = target.access_point.where
    for each in mesh.snapshot.unread_of((Kind.TLS_PROBE, Kind.HTTP_PROBE)):
        if each.covers(where.namespace, where.name) and each.message:
            return each.message
    return "the time for probes was over"


def path_targets(mesh: Mesh, request_path: RequestPath) -> PathTargets:
    """Return what to probe to confirm a path."""
    server = server_meant(mesh, request_path)
    why_not = _why_not(mesh, request_path, server)
    if why_not or request_path.workload is None or request_path.entry is None:
        return PathTargets(why_not=why_not)
    target = server.id if server else ""
    pods = tuple(_pod_access_points(mesh, request_path))
    addresses = tuple(_address_access_points(mesh, request_path))
    names = tuple(_name_access_points(mesh, request_path))
    # What answers before a gateway has a certificate of its own.
    outside = "" if request_path.entry.front else target
    return PathTargets(
        pods=tuple(_at_pods(request_path, pods, target)),
        addresses=tuple(_as_clients(request_path.request, addresses, outside)),
        name=tuple(_at_name(mesh, request_path.request, names, outside)),
    )


def server_meant(mesh: Mesh, request_path: RequestPath) -> Server | None:
    """Return the server that a request should reach."""
    entry, workload = request_path.entry, request_path.workload
    if entry is None or workload is None or entry.target is None:
        return None
    name = request_path.request.server_name if entry.is_tls else ""
    chain = chain_index(mesh, workload, entry.target).find(name, is_tls=entry.is_tls)
    if chain is None or chain.http is None or chain.tls:
        return chain.server if chain else None
    routes = chain.http.route_configuration
    domain = domain_index(mesh, workload, routes).find(request_path.request.virtual_host)
    return domains(mesh, workload, routes)[domain].servers[0] if domain else None


def _why_not(mesh: Mesh, request_path: RequestPath, server: Server | None) -> str:
    host = request_path.request.served_name
    if request_path.workload is None:
        return "nothing serves it here, and only hosts of the mesh are looked at"
    if any(covers(name, host) for name in _outside(mesh)):
        return "a ServiceEntry says that the host is outside the mesh"
    if server is not None and not is_for_clients(server):
        return "the server is for proxies of the mesh, not for clients"
    return ""


@question(Kind.SERVICE_ENTRY)
def _outside(mesh: Mesh) -> frozenset[str]:
    return frozenset(
        host
        for each in mesh.all(ServiceEntry)
        if each.spec.location != "MESH_INTERNAL"
        for host in each.spec.hosts
    )


def _pod_access_points(mesh: Mesh, request_path: RequestPath) -> Iterator[AccessPoint]:
    entry, workload = request_path.entry, request_path.workload
    if entry is None or workload is None or entry.target is None:
        return
    ready = [each for each in workload.pods if pod_is_ready(each)]
    for pod in ready[:MOST_PODS]:
        yield AccessPoint(
            via=Via.PORT_FORWARD, port=entry.target, gateway=workload.owner, pod=pod.ref
        )


def _address_access_points(mesh: Mesh, request_path: RequestPath) -> Iterator[AccessPoint]:
    entry, workload = request_path.entry, request_path.workload
    if entry is None or workload is None or (entry.front and not is_of_service(entry.front)):
        return
    found = [
        access_point
        for place in address_access_points(mesh, workload)
        for named, target, access_point in place.ports
        if target == entry.target
        and (named == request_path.request.port or access_point.via is Via.NODE_PORT)
    ]
    yield from list(dict.fromkeys(found))[:MOST_ADDRESSES]


def _name_access_points(mesh: Mesh, request_path: RequestPath) -> Iterator[AccessPoint]:
    entry, workload, name = (
        request_path.entry,
        request_path.workload,
        request_path.request.server_name,
    )
    if entry is None or workload is None or not name or covers(OF_CLUSTERS, name):
        return
    if entry.front or exposure(mesh, workload) is not Exposure.INSIDE:
        yield access_point_by_name(workload, name, request_path.request.port)


def _at_name(
    mesh: Mesh, request: Request, access_points: tuple[AccessPoint, ...], server: str
) -> Iterator[Target]:
    """Yield what to ask where DNS points: typed headers go to nobody without a good name."""
    for target in _as_clients(request, access_points, server):
        if isinstance(target, TlsTarget):
            yield target
            handshake = observed(mesh).get(target)
            is_verified = isinstance(handshake, TlsObservation) and handshake.verified
            if has_secrets(request) and not is_verified:
                return
        elif request.scheme == "https" or not has_secrets(request):
            yield target


def _at_pods(
    request_path: RequestPath, access_points: tuple[AccessPoint, ...], server: str
) -> Iterator[Target]:
    """Yield a handshake with every pod, and a request to the first; TLS may end before them."""
    entry, request = request_path.entry, request_path.request
    if entry is None:
        return
    if entry.is_tls:
        for access_point in access_points:
            yield _handshake(request, access_point, server)
        yield from _asked(request, access_points[:1], server)
        return
    proto = entry.front.sends_x_forwarded_proto if entry.front else ""
    port = DEFAULT_PORTS["http"] if request.port == DEFAULT_PORTS["https"] else request.port
    if request.scheme == "https":
        request = replace(request, scheme="http", port=port)
    yield from _asked(request, access_points[:1], server, proto)


def _as_clients(
    request: Request, access_points: tuple[AccessPoint, ...], server: str
) -> Iterator[Target]:
    if request.scheme == "https":
        for access_point in access_points:
            yield _handshake(request, access_point, server)
    yield from _asked(request, access_points, server)


def _handshake(request: Request, access_point: AccessPoint, server: str) -> TlsTarget:
    name = request.server_name
    return TlsTarget(access_point=access_point, host=name, sni=name, server=server)


def _asked(
    request: Request, access_points: tuple[AccessPoint, ...], server: str, proto: str = ""
) -> Iterator[Target]:
    if why_not_sent(request):
        return
    asked = request.by_name
    is_plain = asked.authority == request.authority
    host = () if is_plain else (("host", request.authority),)
    for access_point in access_points:
        yield HttpTarget(
            url=asked.url,
            access_points=(
                UrlAccessPoint(
                    scheme=request.scheme, port=request.port, access_point=access_point
                ),
            ),
            host=request.virtual_host,
            server=server,
            forwarded_proto=proto,
            method=request.method,
            headers=(*host, *(each for each in request.headers if can_be_sent(*each))),
            follows_redirects=False,
            sni=request.sni or "",
        )
