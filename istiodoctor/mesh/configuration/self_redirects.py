"""Redirects of routes that lead back to the HTTPS URL that was asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from istiodoctor.mesh.configuration.bindings import bindings
from istiodoctor.mesh.configuration.domain_rules import DomainRule, domain_rules
from istiodoctor.mesh.configuration.held import HeldHttpRule, Semantics
from istiodoctor.mesh.configuration.received_headers import FORWARDED_PROTO
from istiodoctor.mesh.configuration.route import Redirect, RouteMatch
from istiodoctor.mesh.configuration.translation import redirect_action
from istiodoctor.mesh.configuration.virtual_host_match import matched_host
from istiodoctor.mesh.configuration.virtual_hosts import Domain, domain_index, domains
from istiodoctor.mesh.gateways.attachments import Attachment, attachments, attachments_of
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.merging import Listener, route_name
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.ref import Place, Ref

CONDITIONS_ON_SCHEME = frozenset({":scheme", FORWARDED_PROTO})
KEEPS_HTTPS = frozenset({"", "https"})


@dataclass(slots=True, kw_only=True, eq=False)
class _Found:
    """One rule on one server, as far as its virtual hosts were gone through."""

    rule: DomainRule
    hosts: dict[str, None] = field(default_factory=dict)
    is_whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SelfRedirect:
    """A rule that redirects to HTTPS what came by HTTPS."""

    rule: HeldHttpRule
    owner: Ref
    """The object in force: the root VirtualService of a delegation, or an HTTPRoute."""
    semantics: Semantics
    server: Server
    hosts: tuple[str, ...]
    is_whole: bool
    """Whether every path is redirected."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RedirectLoop:
    """An HTTPRoute with redirects to https that is attached where https already is."""

    attachment: Attachment
    servers: tuple[Server, ...]
    """The listeners that end TLS."""
    rules: tuple[Place, ...]
    hosts: tuple[str, ...]
    is_whole: bool
    """Whether the route does nothing but redirect."""


@question
def _every_self_redirect(mesh: Mesh) -> tuple[SelfRedirect, ...]:
    found: dict[tuple[Server, Place, Ref], _Found] = {}
    for listener in listeners(mesh):
        for server in listener.servers:
            if server.terminates_tls and server.routes_http:
                for host, rule in _returning_on(mesh, listener, server):
                    key = (server, rule.place, rule.owner)
                    each = found.setdefault(key, _Found(rule=rule))
                    each.hosts[host] = None
                    each.is_whole = each.is_whole or rule.match.is_catch_all
    return tuple(
        SelfRedirect(
            rule=each.rule.held,
            owner=owner,
            semantics=each.rule.section.source.semantics,
            server=server,
            hosts=tuple(each.hosts),
            is_whole=each.is_whole,
        )
        for (server, _, owner), each in found.items()
    )


@question(rests_on=[bindings])
def self_redirects(mesh: Mesh) -> tuple[SelfRedirect, ...]:
    """Return the redirects of VirtualServices that come back to the TLS server that sent them."""
    every = _every_self_redirect(mesh)
    return tuple(each for each in every if each.semantics is not Semantics.GATEWAY)


@question(rests_on=[attachments])
def api_redirect_loops(mesh: Mesh) -> tuple[RedirectLoop, ...]:
    """Return the same of HTTPRoutes, by the parentRefs that attach them there."""
    found: dict[Attachment, list[SelfRedirect]] = {}
    for each in _every_self_redirect(mesh):
        if each.semantics is Semantics.GATEWAY:
            for attachment in attachments_of(mesh, each.server):
                if attachment.route.ref == each.owner:
                    found.setdefault(attachment, []).append(each)
    return tuple(_loop(attachment, own) for attachment, own in found.items())


def _loop(attachment: Attachment, found: list[SelfRedirect]) -> RedirectLoop:
    rules = {each.rule.place for each in found}
    return RedirectLoop(
        attachment=attachment,
        servers=tuple(dict.fromkeys(each.server for each in found)),
        rules=tuple(sorted(rules)),
        hosts=tuple(dict.fromkeys(host for each in found for host in each.hosts)),
        is_whole=len(rules) == len(attachment.route.spec.rules),
    )


def _returning_on(
    mesh: Mesh, listener: Listener, server: Server
) -> Iterator[tuple[str, DomainRule]]:
    name = route_name(server, listener.port)
    for host, domain in domains(mesh, listener.workload, name).items():
        if _has_redirect(domain):
            rules = domain_rules(mesh, listener.workload, name, host)
            for each in _returning(mesh, listener, server, rules):
                yield host, each


def _has_redirect(domain: Domain) -> bool:
    return any(
        held.rule.redirect is not None and held.rule.redirect.scheme in KEEPS_HTTPS
        for section in domain.sections
        for held in section.source.http
    )


def _returning(
    mesh: Mesh, listener: Listener, server: Server, rules: tuple[DomainRule, ...]
) -> Iterator[DomainRule]:
    """Yield the rules that lead back, as far as others do not take their requests before them."""
    taken: set[RouteMatch] = set()
    for each in rules:
        if each.match not in taken and not asks_for_scheme(each.match):
            action = _action(each)
            if (
                action
                and _returns(action, each, server)
                and (not action.host or _leads_back(mesh, listener, server, action.host, each))
            ):
                yield each
        taken.add(each.match)
        if each.match.is_catch_all:
            return


def _action(each: DomainRule) -> Redirect | None:
    redirect = each.rule.redirect
    return redirect_action(redirect, each.section.context) if redirect else None


def _returns(action: Redirect, each: DomainRule, server: Server) -> bool:
    """Whether a redirect changes nothing of a URL, but perhaps its host."""
    return (
        action.scheme in KEEPS_HTTPS
        and not action.path
        and action.prefix_rewrite in ("", each.match.path)
        and action.port in (0, server.port)
    )


def _leads_back(
    mesh: Mesh, listener: Listener, server: Server, host: str, each: DomainRule
) -> bool:
    """Whether the same rule takes requests for the host that is redirected to."""
    name = route_name(server, listener.port)
    found: Mapping[str, Domain] = domains(mesh, listener.workload, name)
    domain = domain_index(mesh, listener.workload, name).find(matched_host(host))
    return domain is not None and any(
        held.place == each.place
        for section in found[domain].sections
        for held in section.source.http
    )


def asks_for_scheme(match: RouteMatch) -> bool:
    """Whether a match is about requests that did not come by HTTPS."""
    return any(each.name in CONDITIONS_ON_SCHEME for each in match.headers)
