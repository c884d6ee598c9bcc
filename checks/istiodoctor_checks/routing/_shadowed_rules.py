"""Rules of routes that never apply because others take their requests."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.answering_routes import answering_routes_at
from istiodoctor.mesh.configuration.bindings import as_held, bindings
from istiodoctor.mesh.configuration.domain_rules import DomainRule, domain_rules
from istiodoctor.mesh.configuration.held import HeldHttpRule, Semantics
from istiodoctor.mesh.configuration.match_translation import EVERYTHING, route_match
from istiodoctor.mesh.configuration.precedence import Precedence, precedence_of
from istiodoctor.mesh.configuration.redirects import is_to_https, tls_hosts_meeting
from istiodoctor.mesh.configuration.route import PathComparison, RouteMatch
from istiodoctor.mesh.configuration.translation import MatchedRule
from istiodoctor.mesh.configuration.virtual_hosts import Domain, domains
from istiodoctor.mesh.configuration.virtual_services import virtual_services
from istiodoctor.mesh.gateways.attachments import attachments
from istiodoctor.mesh.gateways.listeners import listeners, merged_gateway
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.names import MESH
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import HttpMatch, VirtualService
from istiodoctor.model.ref import Ref

EVERY_PATH = "/.*"
"""A regular expression that takes every request, though istiod does not move it to the end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shadow:
    """Rules that never apply because another one takes the same requests before them."""

    winner: HeldHttpRule
    winning: Ref
    """The VirtualService or HTTPRoute that the winner is a rule of."""
    losers: tuple[HeldHttpRule, ...]
    """All of one object; those that do what the winner does are not among them."""
    losing: Ref
    keeps_others: bool
    """Whether the losing object has rules besides."""
    hosts: tuple[str, ...]
    precedence: Precedence = Precedence.WRITTEN
    server: Server | None = None
    """Where two objects meet; None within one."""
    order_is_known: bool = True
    """Whether creation times, or what is written, decide."""
    is_whole: bool = True
    """Whether the losers lose every request, not some of their matches only."""


@question
def _shadows_between(mesh: Mesh) -> tuple[Shadow, ...]:
    """Return rules that one of another object stands before, each once."""
    found: dict[tuple[object, ...], Shadow] = {}
    for workload in dict.fromkeys(each.workload for each in listeners(mesh)):
        for name in merged_gateway(mesh, workload).servers_by_route:
            for each in _shadows_across(mesh, workload, name):
                found.setdefault((each.server, each.hosts, each.winner, each.losers), each)
    return tuple(found.values())


@question(rests_on=[bindings, attachments])
def shadowed_rules(mesh: Mesh) -> tuple[Shadow, ...]:
    """Return rules of routes on gateways that never apply.

    Within a VirtualService the first match wins. Several for one host follow each other, and rules
    that take everything move to the end: of equal matches the first one wins. Routes of the
    Gateway API are put in one order, the narrower match first: of equal ones the oldest wins.
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
        winner=rules[first],
        winning=source.ref,
        losers=losers,
        losing=source.ref,
        keeps_others=len(losers) < len(rules),
        hosts=source.spec.hosts,
    )


def _shadows_across(mesh: Mesh, workload: Workload, route_name: str) -> Iterator[Shadow]:
    for host, domain in domains(mesh, workload, route_name).items():
        if not _has_several(domain):
            continue
        made = domain_rules(mesh, workload, route_name, host)
        for one, other, is_whole in _pairs([*made, *_unmade(domain, made)]):
            if not _is_meant(mesh, workload, host, one, other):
                yield _shadow(mesh, workload, host, one, other, is_whole=is_whole)


def _has_several(domain: Domain) -> bool:
    """Whether rules of several VirtualServices or routes of the Gateway API meet in a domain.

    istiod makes one VirtualService of all routes of a hostname.
    """
    if len(domain.sections) != 1:
        return len(domain.sections) > 1
    source = domain.sections[0].source
    return source.semantics is Semantics.GATEWAY and len({each.owner for each in source.http}) > 1


def _unmade(domain: Domain, made: tuple[DomainRule, ...]) -> Iterator[DomainRule]:
    """Yield the rules of routes of the Gateway API that stand behind one that takes everything.

    istiod makes no routes of them: to it they are the rest of one VirtualService.
    """
    reached = {each.held for each in made}
    for section in domain.sections:
        source = section.source
        for held in source.http if source.semantics is Semantics.GATEWAY else ():
            if held not in reached:
                written = next(iter(held.rule.match), None)
                match = route_match(written, source.semantics)
                rule = MatchedRule(held=held, written=written, match=match)
                yield DomainRule(matched=rule, section=section)


def _pairs(rules: list[DomainRule]) -> Iterator[tuple[DomainRule, DomainRule, bool]]:
    """Yield rules that one of another object takes requests from, with that one.

    And whether it takes all of them.
    """
    first: dict[RouteMatch, DomainRule] = {}
    lost: dict[object, list[tuple[DomainRule, DomainRule]]] = {}
    kept: set[object] = set()
    for each in rules:
        if each.section.source.semantics is Semantics.INGRESS:
            continue
        winner = first.get(EVERYTHING) or first.setdefault(_taken(each.match), each)
        if winner.owner == each.owner or _acts_alike(winner.held, each.held):
            kept.add(_written_rule(each))
        else:
            lost.setdefault(_written_rule(each), []).append((winner, each))
    for rule, pairs in lost.items():
        yield (*pairs[0], rule not in kept)


def _written_rule(rule: DomainRule) -> object:
    """Return what stands for a rule as it is written: istiod splits those of the Gateway API."""
    is_split = rule.section.source.semantics is Semantics.GATEWAY
    return rule.place if is_split else rule.held


def _is_meant(
    mesh: Mesh, workload: Workload, host: str, winner: DomainRule, loser: DomainRule
) -> bool:
    """Whether a redirect to HTTPS takes plain requests from a route that also answers by HTTPS."""
    if not (is_to_https(winner.rule) and loser.section.server.is_plain_http):
        return False
    return loser.section.source.semantics is Semantics.GATEWAY and any(
        loser.owner in answering_routes_at(mesh, tls.listener, tls.server, host)
        for tls in tls_hosts_meeting(mesh, workload, host)
    )


def _shadow(
    mesh: Mesh,
    workload: Workload,
    host: str,
    winner: DomainRule,
    loser: DomainRule,
    *,
    is_whole: bool,
) -> Shadow:
    precedence, is_known = precedence_of(mesh, workload, winner, loser)
    return Shadow(
        winner=winner.held,
        winning=winner.owner,
        losers=(loser.held,),
        losing=loser.owner,
        keeps_others=any(
            held.place != loser.place and (held.owner or loser.owner) == loser.owner
            for held in loser.section.source.http
        ),
        hosts=(host,),
        precedence=precedence,
        server=loser.section.server,
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
