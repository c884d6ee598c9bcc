"""Routes and clusters that Envoys of gateways refused, and the objects that they were made of.

Envoy takes a route configuration as a whole or not at all, and each cluster by itself: of those in
one answer it refuses some and takes the others (source/common/upstream/cds_api_helper.cc, which
writes `name: reason` for each).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from istiodoctor.mesh.configuration.backend_uses import backend_uses
from istiodoctor.mesh.configuration.cluster import ClusterName
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.configuration.routed_clusters import routed_clusters
from istiodoctor.mesh.configuration.virtual_services import virtual_services_by_gateway_name
from istiodoctor.mesh.gateways.listeners import merged_gateway
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.logs.proxy_logs import facts_by_workload, is_at_start
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.pods import Pod
from istiodoctor.model.ref import Place, Ref

ROUTES = frozenset({"RDS", "RouteConfiguration"})
CLUSTERS = frozenset({"CDS", "Cluster"})
"""How istiod and Envoy call what was refused."""
MOST_CLUSTERS = 50
"""How many of the clusters that a line names are looked up."""

Cluster = tuple[Workload, str]
"""A cluster by its name, at a gateway."""

_ROUTE = re.compile(r" in route (?P<route>[^\s,;]{1,512})")
_DOMAIN = re.compile(r"Duplicate entry of domain (?P<domain>[^\s,;]{1,260})")
_CLUSTER = re.compile(
    r"(?P<name>outbound(?:\||_\.)[^\s:,]{1,512}): (?P<reason>.*?)(?=, (?:outbound|inbound)|\Z)"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusedRoutes:
    """A route configuration that Envoy refused."""

    workload: Workload
    last: LogFact
    """The newest line."""
    at_start: bool
    """Whether a pod that had just started refused it: such a pod has no routes of before."""
    route: str = ""
    """Its name; empty where the reason does not tell it."""
    domain: str = ""
    """The domain that it has twice, where that is the reason."""
    places: tuple[Place, ...] = ()
    """The VirtualServices that have the domain, in whatever spelling."""
    servers: tuple[Server, ...] = ()
    """Those whose routes they are."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusedCluster:
    """A cluster that Envoy refused."""

    workload: Workload
    last: LogFact
    """The newest line."""
    at_start: bool
    name: str
    reason: str
    service: Ref | None
    """What it was made for."""
    made_by: Ref | None
    """The DestinationRule, or what else sets its TLS or its subset."""
    routes: tuple[Place, ...] = ()
    """What leads to it: destinations of VirtualServices, references of routes and Ingresses."""
    hosts: tuple[str, ...] = ()
    """Whose requests go there."""


@question(logs={Meaning.CONFIG_REJECTED})
def refused_routes_in_logs(mesh: Mesh) -> tuple[RefusedRoutes, ...]:
    """Return the route configurations that Envoys of gateways refused, each once."""
    found: dict[tuple[Workload, str, str], list[tuple[LogFact, Pod]]] = {}
    for workload, facts in facts_by_workload(mesh, Meaning.CONFIG_REJECTED).items():
        for fact, pod in facts:
            if fact.xds in ROUTES:
                key = (workload, _named(_ROUTE, fact.reason), _named(_DOMAIN, fact.reason))
                found.setdefault(key, []).append((fact, pod))
    return tuple(
        RefusedRoutes(
            workload=workload,
            last=facts[-1][0],
            at_start=any(is_at_start(fact, pod) for fact, pod in facts),
            route=route,
            domain=domain,
            places=tuple(_written(mesh, servers, domain)) if domain else (),
            servers=servers,
        )
        for (workload, route, domain), facts in found.items()
        for servers in (merged_gateway(mesh, workload).servers_by_route.get(route, ()),)
    )


@question(Kind.DESTINATION_RULE, logs={Meaning.CONFIG_REJECTED})
def refused_clusters_in_logs(mesh: Mesh) -> tuple[RefusedCluster, ...]:
    """Return the clusters that Envoys of gateways refused, each once."""
    found: dict[Cluster, tuple[str, list[tuple[LogFact, Pod]]]] = {}
    for workload, facts in facts_by_workload(mesh, Meaning.CONFIG_REJECTED).items():
        for fact, pod in facts:
            for name, reason in _clusters(fact) if fact.xds in CLUSTERS else ():
                _, lines = found.setdefault((workload, name), (reason, []))
                lines.append((fact, pod))
    if not found:
        return ()
    users = _users(mesh, found)
    return tuple(
        RefusedCluster(
            workload=workload,
            last=facts[-1][0],
            at_start=any(is_at_start(fact, pod) for fact, pod in facts),
            name=name,
            reason=reason,
            service=made.service if made else None,
            made_by=made.made_by if made else None,
            routes=tuple(users[workload, name].places),
            hosts=tuple(users[workload, name].hosts),
        )
        for (workload, name), (reason, facts) in found.items()
        for made in (cluster(mesh, workload, name) if ClusterName.parsed(name) else None,)
    )


@dataclass(slots=True, eq=False)
class _Users:
    """What leads to one cluster, gathered."""

    places: dict[Place, None] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)

    def add(self, place: Place, hosts: Iterable[str]) -> None:
        self.places[place] = None
        self.hosts.update(dict.fromkeys(hosts))


def _users(mesh: Mesh, wanted: Iterable[Cluster]) -> Mapping[Cluster, _Users]:
    found = {key: _Users() for key in wanted}
    for routed in routed_clusters(mesh):
        if users := found.get((routed.workload, str(routed.name))):
            for use in routed.uses:
                users.add(use.place, use.virtual_service.spec.hosts)
    for backend in backend_uses(mesh):
        if users := found.get((backend.workload, str(backend.cluster_name))):
            users.add(backend.place, backend.hosts)
    return found


def _named(expression: re.Pattern[str], reason: str) -> str:
    found = expression.search(reason)
    return found[1].lower() if found and expression is _DOMAIN else found[1] if found else ""


def _clusters(fact: LogFact) -> Iterator[tuple[str, str]]:
    """Yield the clusters that a reason names, each with its own; one without a name for none."""
    named = list(_CLUSTER.finditer(fact.reason))[:MOST_CLUSTERS]
    yield from ((each["name"], each["reason"].strip()) for each in named)
    if not named:
        yield "", fact.reason


def _written(mesh: Mesh, servers: tuple[Server, ...], domain: str) -> Iterator[Place]:
    """Yield the hosts of VirtualServices at these servers that are a domain, in any case."""
    by_name = virtual_services_by_gateway_name(mesh)
    sources = {
        source.ref: source
        for name in dict.fromkeys(each.gateway_name for each in servers)
        for source in by_name.get(name, ())
    }
    for source in sources.values():
        for index, host in enumerate(source.spec.hosts):
            if host.lower() == domain:
                yield source.at(f"/spec/hosts/{index}")
