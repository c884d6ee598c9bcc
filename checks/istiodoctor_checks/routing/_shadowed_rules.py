"""Rules of routes that never apply because others take their requests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from istiodoctor.mesh.configuration.answering_routes import answering_routes_at
from istiodoctor.mesh.configuration.bindings import as_held, bindings
from istiodoctor.mesh.configuration.domain_rules import DomainRule, domain_rules
from istiodoctor.mesh.configuration.held import HeldHttpRule, HeldVirtualService, Semantics
from istiodoctor.mesh.configuration.match_coverage import Coverage
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
    taken: RouteMatch | None = None
    """What the winner takes, where that is not every request."""
    asked: RouteMatch | None = None
    """What the first of the losers asks for, with `taken`."""

    @property
    def is_equal(self) -> bool:
        """Whether both ask for the same."""
        return self.taken == self.asked

    @property
    def leads_elsewhere(self) -> bool:
        """Whether requests end elsewhere than the losers say."""
        return any(_target(each) != _target(self.winner) for each in self.losers)


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
        shadow
        for source in virtual_services(mesh)
        if any(gateway != MESH for gateway in source.spec.gateways)
        for shadow in _shadows_within(mesh, source)
    )
    return (*within, *_shadows_between(mesh))


def _shadows_within(mesh: Mesh, source: VirtualService) -> Iterator[Shadow]:
    delegates = any(each.delegate for each in source.spec.http)
    if len(source.spec.http) < 2 and not delegates:
        return
    held = as_held(mesh, source)
    before = sum(1 for _ in takewhile(lambda rule: not _takes_every_request(rule), held.http))
    if before < len(held.http) - 1 and (behind_everything := _behind_everything(source, held)):
        yield behind_everything
    if before > 1:
        yield from _covered(source, held.http[:before])


def _covered(source: VirtualService, rules: Sequence[HeldHttpRule]) -> Iterator[Shadow]:
    """Yield the rules all of whose matches others take; none of them takes everything."""
    earlier: Coverage[tuple[HeldHttpRule, RouteMatch]] = Coverage()
    for rule in rules:
        matches = [
            (route_match(each, Semantics.ISTIO), tuple(_scope(each))) for each in rule.rule.match
        ]
        winners = [earlier.first(match, *scope) for match, scope in matches]
        for (match, _), winner in zip(matches, winners, strict=True):
            if all(winners) and winner and not _acts_alike(winner[0], rule):
                yield Shadow(
                    winner=winner[0],
                    winning=winner[0].place.ref,
                    losers=(rule,),
                    losing=rule.place.ref,
                    keeps_others=True,
                    hosts=source.spec.hosts,
                    taken=winner[1],
                    asked=match,
                )
                break
        for match, scope in matches:
            earlier.add(match, (rule, match), *scope)


def _scope(match: HttpMatch) -> Iterator[tuple[object, ...]]:
    """Yield what a match asks of the gateway, not of the request."""
    if match.port:
        yield "port", match.port
    if match.gateways:
        yield "gateways", frozenset(match.gateways)
    if match.source_namespace:
        yield "namespace", match.source_namespace
    for label in match.source_labels.items():
        yield "label", label


def _behind_everything(source: VirtualService, held: HeldVirtualService) -> Shadow | None:
    rules = [each for each in held.http if each.place.ref == source.ref]
    if len(rules) < max(2, len(source.spec.http)):
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
    """Whether rules of several VirtualServices, or several of the Gateway API, meet in a domain.

    istiod makes one VirtualService of all routes of a hostname.
    """
    if len(domain.sections) != 1:
        return len(domain.sections) > 1
    source = domain.sections[0].source
    return source.semantics is Semantics.GATEWAY and len(source.http) > 1


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
    earlier: Coverage[DomainRule] = Coverage()
    lost: dict[object, list[tuple[DomainRule, DomainRule]]] = {}
    kept: set[object] = set()
    for each in rules:
        if each.section.source.semantics is Semantics.INGRESS:
            continue
        winner = earlier.first(each.match)
        earlier.add(each.match, each)
        if winner is None or _is_told(winner, each) or _acts_alike(winner.held, each.held):
            kept.add(_written_rule(each))
        else:
            lost.setdefault(_written_rule(each), []).append((winner, each))
    for rule, pairs in lost.items():
        yield (*pairs[0], rule not in kept)


def _is_told(winner: DomainRule, loser: DomainRule) -> bool:
    """Whether both are of one VirtualService, which is looked at by itself, or one rule."""
    if winner.owner != loser.owner:
        return False
    return not _is_split(loser) or winner.place == loser.place


def _is_split(rule: DomainRule) -> bool:
    """Whether a rule is of a route of the Gateway API: istiod splits those by their matches."""
    return rule.section.source.semantics is Semantics.GATEWAY


def _written_rule(rule: DomainRule) -> object:
    """Return what stands for a rule as it is written."""
    return rule.place if _is_split(rule) else rule.held


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
        server=loser.section.server if winner.owner != loser.owner else None,
        order_is_known=is_known or winner.owner == loser.owner,
        is_whole=is_whole,
        taken=winner.match,
        asked=loser.match,
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


def _target(held: HeldHttpRule) -> object:
    """Return where a rule leads, whatever it changes on the way."""
    rule = held.rule
    destinations = frozenset((each.destination, each.weight) for each in rule.route)
    return destinations, rule.redirect, rule.direct_response


def _acts_alike(one: HeldHttpRule, other: HeldHttpRule) -> bool:
    return (one.rule.route, one.rule.redirect, one.rule.rewrite, one.rule.direct_response) == (
        other.rule.route,
        other.rule.redirect,
        other.rule.rewrite,
        other.rule.direct_response,
    )
