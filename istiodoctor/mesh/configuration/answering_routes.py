"""Which objects' routes answer for a host on a server, by virtual host or by filter chain."""

from istiodoctor.mesh.configuration.chain_index import made_chain_index
from istiodoctor.mesh.configuration.domain_rules import found_domain
from istiodoctor.mesh.configuration.filter_chains import filter_chains
from istiodoctor.mesh.configuration.virtual_hosts import Domain, domains
from istiodoctor.mesh.gateways.listeners import listeners_of
from istiodoctor.mesh.gateways.merging import Listener, route_name
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import ANY, HostIndex, meet
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Ref


@question
def answering_routes(mesh: Mesh, server: Server, host: str) -> tuple[Ref, ...]:
    """Return the objects whose routes answer for a host wherever a server is live.

    In Envoy's order; none for a server that is on no workload.
    """
    found = (answering_routes_at(mesh, each, server, host) for each in listeners_of(mesh, server))
    return tuple(dict.fromkeys(ref for refs in found for ref in refs))


def answering_routes_at(
    mesh: Mesh, listener: Listener, server: Server, host: str
) -> tuple[Ref, ...]:
    """Return the objects whose routes answer for a host where a server is on a listener.

    Envoy takes the most specific virtual host, or filter chain, and does not fall through to
    another.
    """
    if route_name(server, listener.port):
        domain = found_domain(mesh, listener, server, host)
        return domain_owners(domain) if domain else ()
    chain = made_chain_index(mesh, listener).find(host, is_tls=server.has_tls)
    if chain is None or chain.server is not server or chain.made_by is None:
        return ()
    return () if chain.made_by.ref == server.gateway else (chain.made_by.ref,)


@question
def routed_domains(mesh: Mesh, workload: Workload, route_name: str) -> HostIndex[str]:
    """Return the domains of a route configuration that have routes."""
    found = domains(mesh, workload, route_name)
    return HostIndex((name, name) for name, domain in found.items() if domain.sections)


@question
def routes_meeting(mesh: Mesh, server: Server, host: str) -> tuple[Ref, ...]:
    """Return the objects whose routes answer for some names of a host, wherever a server is live.

    Of a wildcard those too that have but one name below it.
    """
    found: dict[Ref, None] = {}
    for listener in listeners_of(mesh, server):
        name = route_name(server, listener.port)
        if name:
            domains_there = domains(mesh, listener.workload, name)
            for each in routed_domains(mesh, listener.workload, name).meeting(host):
                found |= dict.fromkeys(domain_owners(domains_there[each]))
            continue
        for chain in filter_chains(mesh, listener):
            names = chain.server_names or (ANY,)
            if chain.server is server and chain.made_by and any(meet(n, host) for n in names):
                found[chain.made_by.ref] = None
    return tuple(found)


@question
def ends_without_route(mesh: Mesh, listener: Listener, server: Server, host: str) -> bool:
    """Whether TLS for a host ends at a server whose virtual hosts do not have it: 404."""
    chain = made_chain_index(mesh, listener).find(host, is_tls=True)
    if chain is None or chain.http is None or chain.server is not server:
        return False
    return found_domain(mesh, listener, server, host) is None


def domain_owners(domain: Domain) -> tuple[Ref, ...]:
    """Return the objects that a domain has rules of, in order."""
    sources = (section.source for section in domain.sections)
    return tuple(
        dict.fromkeys(each.owner or source.made_by for source in sources for each in source.http)
    )
