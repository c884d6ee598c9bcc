"""Rules of routes that never apply because others take their requests."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.configuration.bound import virtual_service_exports, visibility
from istiodoctor.mesh.configuration.domain_rules import DomainRule, domain_rules
from istiodoctor.mesh.configuration.held import HeldHttpRule, HeldVirtualService, Semantics
from istiodoctor.mesh.configuration.match_translation import EVERYTHING, route_match
from istiodoctor.mesh.configuration.names import MESH
from istiodoctor.mesh.configuration.route import PathComparison, RouteMatch
from istiodoctor.mesh.configuration.virtual_hosts import domains
from istiodoctor.mesh.configuration.virtual_services import virtual_services
from istiodoctor.mesh.listeners import listeners, merged_gateway
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.routing import as_held, bindings
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import HttpMatch, VirtualService

EVERY_PATH = "/.*"
"""A regular expression that takes every request, though istiod does not move it to the end."""


class Precedence(StrEnum):
    """Why the rules of one VirtualService stand before those of another."""

    WRITTEN = "written"
    """They are of one VirtualService, in this order."""
    AGE = "age"
    GATEWAY_AGE = "gateway-age"
    """Its Gateway is older."""
    VISIBILITY = "visibility"
    """Fewer namespaces see it: private ones first, then those exported by name."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shadow:
    """Rules that never apply because another one takes the same requests before them."""

    winner: HeldHttpRule
    winning: HeldVirtualService
    """What the winner is a rule of."""
    losers: tuple[HeldHttpRule, ...]
    """All of one VirtualService; those that do what the winner does are not among them."""
    losing: HeldVirtualService
    hosts: tuple[str, ...]
    precedence: Precedence = Precedence.WRITTEN
    server: Server | None = None
    """Where two VirtualServices meet; None within one."""
    order_is_known: bool = True
    """Whether creation times, or what is written, decide."""
    is_whole: bool = True
    """Whether the losers lose every request, not some of their matches only."""


@question
def _shadows_between(mesh: Mesh) -> tuple[Shadow, ...]:
    """Return rules that one of another VirtualService stands before, each once."""
    found: dict[tuple[object, ...], Shadow] = {}
    for workload in dict.fromkeys(each.workload for each in listeners(mesh)):
        for name in merged_gateway(mesh, workload).servers_by_route:
            for each in _shadows_across(mesh, workload, name):
                found.setdefault((each.server, each.hosts, each.winner, each.losers), each)
    return tuple(found.values())


@question(rests_on=[bindings], evidence=[_shadows_between])
def shadowed_rules(mesh: Mesh) -> tuple[Shadow, ...]:
    """Return rules of routes on gateways that never apply.

    Within a VirtualService the first match wins. Several for one host follow each other, and rules
    that take everything move to the end: of equal matches the first one wins.
    """
    within = (
        _shadow_within(mesh, source)
        for source in virtual_services(mesh)
        if any(gateway != MESH for gateway in source.spec.gateways)
    )
    return (*filter(None, within), *_shadows_between(mesh))


def _shadow_within(mesh: Mesh, source: VirtualService) -> Shadow | None:
    if len(source.spec.http) < 2:
        return None
    held = as_held(mesh, source)
    rules = [each for each in held.http if each.place.ref == source.ref]
    if len(rules) < len(source.spec.http):
        return None  # delegates add their own conditions
    first = next((i for i, each in enumerate(rules) if _takes_every_request(each)), -1)
    losers = tuple(each for each in rules[first + 1 :] if not _acts_alike(rules[first], each))
    if first < 0 or not losers:
        return None
    return Shadow(
        winner=rules[first], winning=held, losers=losers, losing=held, hosts=source.spec.hosts
    )


def _shadows_across(mesh: Mesh, workload: Workload, route_name: str) -> Iterator[Shadow]:
    for host, domain in domains(mesh, workload, route_name).items():
        written = [each for each in domain.sections if each.source.semantics is Semantics.ISTIO]
        if len(written) < 2:
            continue
        for one, other, is_whole in _pairs(domain_rules(mesh, workload, route_name, host)):
            yield _shadow(mesh, workload, host, one, other, is_whole=is_whole)


def _pairs(rules: tuple[DomainRule, ...]) -> Iterator[tuple[DomainRule, DomainRule, bool]]:
    """Yield rules of VirtualServices that one of another takes requests from, with that one.

    And whether it takes all of them.
    """
    first: dict[RouteMatch, DomainRule] = {}
    lost: dict[HeldHttpRule, list[tuple[DomainRule, DomainRule]]] = {}
    kept: set[HeldHttpRule] = set()
    for each in rules:
        if each.section.source.semantics is not Semantics.ISTIO:
            continue
        winner = first.get(EVERYTHING) or first.setdefault(_taken(each.match), each)
        if winner.section.source is each.section.source or _acts_alike(winner.held, each.held):
            kept.add(each.held)
        else:
            lost.setdefault(each.held, []).append((winner, each))
    for held, pairs in lost.items():
        yield (*pairs[0], held not in kept)


def _shadow(
    mesh: Mesh,
    workload: Workload,
    host: str,
    winner: DomainRule,
    loser: DomainRule,
    *,
    is_whole: bool,
) -> Shadow:
    one, other = winner.section, loser.section
    exports = virtual_service_exports(mesh, workload)
    ranks = {visibility(each.source, workload.namespace, exports) for each in (one, other)}
    if one.server.gateway_name != other.server.gateway_name:
        precedence = Precedence.GATEWAY_AGE
        is_known = one.server.age_is_known and other.server.age_is_known
    elif len(ranks) > 1:
        precedence, is_known = Precedence.VISIBILITY, workload.is_known
    else:
        precedence = Precedence.AGE
        is_known = all(each.source.age_order[0] for each in (one, other))
    return Shadow(
        winner=winner.held,
        winning=one.source,
        losers=(loser.held,),
        losing=other.source,
        hosts=(host,),
        precedence=precedence,
        server=other.server,
        order_is_known=is_known,
        is_whole=is_whole,
    )


def _taken(match: RouteMatch) -> RouteMatch:
    """Return what a match takes: one condition for all that take everything."""
    takes_every_path = match.comparison is PathComparison.REGEX and match.path == EVERY_PATH
    has_more = match.headers or match.query_parameters or match.metadata
    return EVERYTHING if match.is_catch_all or (takes_every_path and not has_more) else match


def _takes_every_request(held: HeldHttpRule) -> bool:
    return not held.rule.match or any(map(_is_unconditional, held.rule.match))


def _is_unconditional(match: HttpMatch) -> bool:
    """Whether a match takes every request on every server."""
    uri = match.uri
    if uri and (uri.exact is not None or (uri.prefix is not None and uri.prefix != "/")):
        return False
    own = HttpMatch(name=match.name, uri=match.uri, ignore_uri_case=match.ignore_uri_case)
    return match == own and _taken(route_match(match, Semantics.ISTIO)) is EVERYTHING


def _acts_alike(one: HeldHttpRule, other: HeldHttpRule) -> bool:
    return (one.rule.route, one.rule.redirect, one.rule.rewrite, one.rule.direct_response) == (
        other.rule.route,
        other.rule.redirect,
        other.rule.rewrite,
        other.rule.direct_response,
    )
