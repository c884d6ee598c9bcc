"""Filter chains that collide: what they are called, what to change, and how."""

from collections.abc import Iterator

from istiodoctor.command import kubectl
from istiodoctor.finding import Fix
from istiodoctor.mesh.configuration.listener import FilterChain
from istiodoctor.mesh.configuration.listener_addresses import BIND
from istiodoctor.mesh.configuration.refusals import ChainFault
from istiodoctor.mesh.configuration.refused_listeners import servers_of
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor_checks.fixes import remove_field, set_field
from istiodoctor_checks.text import listing

HTTP_PORT = 80
ONE_KIND = 1
LISTS_OF_NAMES = ("/hosts", "/sniHosts")


def chains_of(fault: ChainFault) -> tuple[FilterChain, ...]:
    """Return the chains at fault, the later one first."""
    return (fault.chain, fault.other) if fault.other else (fault.chain,)


def name_of(chain: FilterChain) -> str:
    """Return what makes a chain: a server, or a rule of a route on it."""
    rule = _rule(chain)
    return f"{rule.ref} on {chain.server}" if rule else str(chain.server)


def asked_by(chain: FilterChain) -> str:
    """Return what a chain takes."""
    kind = "TLS" if chain.tls or chain.passes_tls else "connections"
    return f"{kind} for {listing(chain.server_names)}" if chain.server_names else "everything"


def place_of(chain: FilterChain, fault: ChainFault) -> Place:
    """Return the field by which a chain takes what the other one takes."""
    if fault.field and chain.server:
        return chain.server.field(fault.field)
    rule = _rule(chain)
    if rule:
        return Place(rule.ref, f"{rule.path}/sniHosts") if _is_of_sni(chain, rule) else rule
    own, servers = chain.server, servers_of(fault)
    if own is None:  # in a dump of Envoy's alone
        return Place(chain.made_by.ref) if chain.made_by else servers[0].place
    if own.bind and len({each.bind for each in servers}) > ONE_KIND:
        return own.field("/bind")
    is_beside_tls = own.is_plain_http and any(each.is_tls for each in servers)
    return own.field("/port/number" if is_beside_tls else "/hosts")


def _rule(chain: FilterChain) -> Place | None:
    """Return the match of a route that a chain was made of."""
    place, server = chain.made_by, chain.server
    return place if place and server and place.ref != server.gateway else None


def _is_of_sni(chain: FilterChain, rule: Place) -> bool:
    return chain.passes_tls and rule.ref.kind == Kind.VIRTUAL_SERVICE.value.kind


def fixes_of(fault: ChainFault) -> Iterator[Fix]:
    """Yield the changes that let the chains be told apart."""
    servers = servers_of(fault)
    if fault.field == BIND:
        yield from _rebound(servers)
    elif fault.field:
        place = place_of(fault.chain, fault)
        yield Fix(title=f"Correct {place}", commands=(kubectl("edit", place.ref),), why=fault.text)
    elif len({each.bind for each in servers}) > ONE_KIND:
        yield from _unbound(servers)
    elif len({each.is_plain_http for each in servers}) > ONE_KIND:
        yield from _moved(servers)
    elif fault.other:
        yield from _without_names(fault.chain, fault.other, fault)
        yield from _without_names(fault.other, fault.chain, fault)


def _rebound(servers: tuple[Server, ...]) -> Iterator[Fix]:
    """Yield the change after which servers bind what can be bound, in one spelling."""
    first, last = servers[0], servers[-1]
    if first is not last and first.bind and last.bind:
        title = f"Let {last} bind {first.bind} in the same letters as {first}"
        yield set_field(last.field("/bind"), first.bind, title)
    else:
        bound = next(each for each in servers if each.bind)
        yield remove_field(bound.field("/bind"), f"Let {bound} bind every address")


def _unbound(servers: tuple[Server, ...]) -> Iterator[Fix]:
    for server in servers:
        if server.bind and server.api is GatewayApi.ISTIO:
            title = f"Let {server} bind every address as the other server does"
            yield remove_field(server.field("/bind"), title)
            return


def _moved(servers: tuple[Server, ...]) -> Iterator[Fix]:
    for server in servers:
        if server.is_plain_http and server.api is GatewayApi.ISTIO and server.port != HTTP_PORT:
            yield set_field(
                server.field("/port/number"),
                HTTP_PORT,
                f"Move {server} to port 80",
                why="Its clients must then use http:// on port 80.",
            )
        elif server.is_tls:
            yield Fix(title=f"List the hosts of {server} by their names instead of *")


def _without_names(chain: FilterChain, other: FilterChain, fault: ChainFault) -> Iterator[Fix]:
    """Yield the change that leaves names to the other chain."""
    names = {name.lower() for name in fault.names}
    server, rule = chain.server, _rule(chain)
    if server is None or not names:
        return
    title = f"Leave {listing(sorted(names))} to {name_of(other)}"
    field = place_of(chain, fault)
    if rule is None:
        kept = [str(host) for host in server.hosts if host.name not in names]
    else:
        kept = [name for name in chain.server_names if name.lower() not in names]
    if kept and server.api is GatewayApi.ISTIO and field.path.endswith(LISTS_OF_NAMES):
        yield set_field(field, kept, title)
    else:
        yield Fix(title=title, commands=(kubectl("edit", field.ref),), why=f"See {field.path}.")
