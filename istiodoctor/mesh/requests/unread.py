"""What could not be read and could change how a request is answered.

Of plain manifests nothing is said where an answer was found: they show what they show. That
something is not in them is no fact all the same.
"""

from collections.abc import Iterable, Iterator

from istiodoctor.mesh.configuration.envoy_filter_patches import root_and_own_namespace
from istiodoctor.mesh.gateways.api_gateways import api_gateways, gateways_of_unknown_class
from istiodoctor.mesh.gateways.credential_references import Form
from istiodoctor.mesh.gateways.ingresses import undecided_ingresses
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.requests.hops import UNKNOWN, Hop
from istiodoctor.mesh.workloads.control_planes import mesh_config_unknown_because
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import EVERYWHERE, Unread
from istiodoctor.text import listing

Kinds = tuple[Kind, ...]

SETS: Kinds = (Kind.LISTENER_SET, Kind.X_LISTENER_SET)
OF_INGRESSES: Kinds = (Kind.INGRESS_CLASS, Kind.CONFIG_MAP, Kind.DEPLOYMENT, Kind.POD)
"""What decides which Ingresses are istiod's."""
GATEWAYS: Kinds = (Kind.ISTIO_GATEWAY, Kind.GATEWAY, *SETS, Kind.INGRESS, Kind.INGRESS_CLASS)
"""What servers are made of."""
API_ROUTES: Kinds = (Kind.HTTP_ROUTE, Kind.GRPC_ROUTE)
ROUTES: Kinds = (Kind.VIRTUAL_SERVICE, *API_ROUTES)
API_CONNECTION_ROUTES: Kinds = (Kind.TLS_ROUTE, Kind.TCP_ROUTE)
CONNECTION_ROUTES: Kinds = (Kind.VIRTUAL_SERVICE, *API_CONNECTION_ROUTES)
MESH_HOSTS: Kinds = (Kind.SERVICE, Kind.SERVICE_ENTRY)
"""What filter chains of AUTO_PASSTHROUGH servers are made of."""
FILTERS: Kinds = (Kind.ENVOY_FILTER, Kind.WASM_PLUGIN, Kind.TRAFFIC_EXTENSION)
OF_PODS: Kinds = (Kind.POD, Kind.DEPLOYMENT, Kind.DAEMON_SET, Kind.SERVICE)
CLASSES: Kinds = (Kind.GATEWAY_CLASS,)
CONFIG: Kinds = (Kind.CONFIG_MAP,)
ANYWHERE: Kinds = tuple(
    dict.fromkeys((*GATEWAYS, *OF_PODS, *CONNECTION_ROUTES, Kind.AUTHORIZATION_POLICY, *CONFIG))
)
"""What could give a request a gateway."""
EVERY: Kinds = tuple(
    dict.fromkeys(
        (
            *ANYWHERE,
            *ROUTES,
            *MESH_HOSTS,
            *FILTERS,
            Kind.GATEWAY_CLASS,
            Kind.NAMESPACE,
            Kind.REFERENCE_GRANT,
            Kind.SECRET,
        )
    )
)
USUAL = frozenset(
    {
        Kind.ISTIO_GATEWAY,
        Kind.GATEWAY,
        Kind.VIRTUAL_SERVICE,
        Kind.HTTP_ROUTE,
        Kind.TLS_ROUTE,
        *MESH_HOSTS,
    }
)
"""Kinds without which nothing is said not to exist."""
MOST_NAMED = 4
_SINGLE = {
    Kind.POD_LOG: "the log of Pod",
    Kind.ENVOY: "the Envoy of Pod",
    Kind.ENVOY_CONFIGURATION: "the configuration of the Envoy of Pod",
}
_PLURAL = {
    Kind.GATEWAY: "Gateways of the Gateway API",
    Kind.POD_LOG: "logs",
    Kind.ENVOY: "Envoys",
    Kind.ENVOY_CONFIGURATION: "the configuration of Envoys",
}


@question(*EVERY)
def refused(mesh: Mesh, kinds: Kinds) -> tuple[Unread, ...]:
    """Return what was looked for of some kinds and could not be read."""
    asked = [each for each in kinds if each not in mesh.snapshot.absent_apis]
    return mesh.snapshot.unread_of(asked)


@question(*EVERY)
def are_complete(mesh: Mesh, kinds: Kinds) -> bool:
    """Whether an object of the usual among some kinds that is not here does not exist.

    Others were perhaps not asked for at all: these count where they are refused.
    """
    return all(mesh.is_complete(each) for each in kinds if each in USUAL)


def named(unread: tuple[Unread, ...]) -> str:
    """Name what was not read: `VirtualServices in shop and HTTPRoutes`."""
    return listing(map(_name, unread), shown=MOST_NAMED)


def _name(unread: Unread) -> str:
    if unread.kind is None:
        return ""
    if unread.name:
        place = f"{unread.namespace}/" if unread.namespace else ""
        return f"{_SINGLE.get(unread.kind, unread.kind.value.kind)} {place}{unread.name}"
    there = f" in {unread.namespace}" if unread.namespace else ""
    if unread.namespace == EVERYWHERE:
        there = " in other namespaces"
    return f"{plural(unread.kind)}{there}"


def plural(kind: Kind) -> str:
    """Name objects of a kind: `VirtualServices`."""
    if kind in _PLURAL:
        return _PLURAL[kind]
    name = kind.value.kind
    if name.endswith("y") and name[-2] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith("s") else f"{name}s"


def unread_servers(mesh: Mesh, workload: Workload) -> Iterator[Hop]:
    """Yield a hop where a server was not read that could take the connection instead."""
    kinds = [Kind.ISTIO_GATEWAY, Kind.GATEWAY, Kind.INGRESS]
    kinds += SETS if refused(mesh, SETS) and api_gateways(mesh) else ()
    kinds += kinds_that_decide(mesh)
    yield from _hop(mesh, "listener", tuple(kinds), "one may serve this port too")
    unread = mesh_config_unknown_because(mesh, workload) if refused(mesh, CONFIG) else ""
    if unread:
        text = f"{unread}: the defaults of Istio are taken for it"
        yield Hop(hop="listener", ref=None, state=UNKNOWN, text=text)


def anywhere(mesh: Mesh) -> Kinds:
    """Return the kinds that could give a request a gateway that none has been found for."""
    return (*ANYWHERE, *kinds_that_decide(mesh))


def kinds_that_decide(mesh: Mesh) -> Kinds:
    """Return what decides of Ingresses and Gateways that are not known to be istiod's."""
    kinds: Kinds = ()
    if refused(mesh, OF_INGRESSES) and undecided_ingresses(mesh):
        kinds = OF_INGRESSES
    if refused(mesh, CLASSES) and gateways_of_unknown_class(mesh):
        kinds += CLASSES
    return kinds


def unread_chains(mesh: Mesh, servers: tuple[Server, ...]) -> Iterator[Hop]:
    """Yield a hop where a route was not read that could make a filter chain of a port."""
    if refused(mesh, (*MESH_HOSTS, *CONNECTION_ROUTES)):  # else the servers need no look
        kinds = chain_kinds(servers)
        yield from _hop(mesh, "filter-chain", kinds, "one may make a filter chain of this port")


def unread_certificates(mesh: Mesh, servers: tuple[Server, ...]) -> Iterator[Hop]:
    """Yield a hop where it is not known whether istiod makes a listener of the Gateway API.

    It makes none whose certificate or client CA it cannot use.
    """
    unread = tuple(
        each
        for each in refused(mesh, (Kind.SECRET, Kind.CONFIG_MAP))
        for server in servers
        if server.api is GatewayApi.GATEWAY_API
        and any(
            each.covers(used.namespace, used.name)
            for used in server.credentials
            if (used.form is Form.CONFIG_MAP) is (each.kind is Kind.CONFIG_MAP)
        )
    )
    if unread:
        text = f"{named(unread)} could not be read: istiod may not make this listener"
        yield Hop(hop="listener", ref=None, state=UNKNOWN, text=text)


def chain_kinds(servers: Iterable[Server]) -> Kinds:
    """Return the kinds that the filter chains of servers are made of, beside the servers."""
    kinds: dict[Kind, None] = {}
    for server in servers:
        if server.mode is TlsMode.AUTO_PASSTHROUGH:
            kinds |= dict.fromkeys(MESH_HOSTS)
        elif not server.routes_http:
            kinds |= dict.fromkeys(CONNECTION_ROUTES)
    return tuple(kinds)


def unread_routes(mesh: Mesh, workload: Workload) -> Iterator[Hop]:
    """Yield a hop where a route was not read that could take the request first."""
    if refused(mesh, ROUTES):
        apis = {each.api for each in servers_by_workload(mesh).get(workload, ())}
        kinds = (Kind.VIRTUAL_SERVICE, *(API_ROUTES if GatewayApi.GATEWAY_API in apis else ()))
        yield from _hop(mesh, "virtual-host", kinds, "one may take the request first")


def unread_filters(mesh: Mesh, workload: Workload) -> Iterator[Hop]:
    """Yield a hop where something was not read that could change what filters answer."""
    namespaces = root_and_own_namespace(mesh, workload) if refused(mesh, FILTERS) else ()
    unread = [each for each in refused(mesh, FILTERS) if each.namespace in ("", *namespaces)]
    if unread:
        text = f"{named(tuple(unread))} were not read: they may change what is answered"
        yield Hop(hop="http-filters", ref=None, state=UNKNOWN, text=text)


def _hop(mesh: Mesh, hop: str, kinds: Kinds, may: str) -> Iterator[Hop]:
    unread = refused(mesh, kinds)
    if unread:
        were = "was" if len(unread) == 1 and unread[0].name else "were"
        text = f"{named(unread)} {were} not read: {may}"
        yield Hop(hop=hop, ref=None, state=UNKNOWN, text=text)
