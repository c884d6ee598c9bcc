"""The matches of a domain's routes in Envoy's order, without the routes' actions.

What a rule matches and does follows from VirtualServices alone; which cluster it leads to, from
Services and more.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.held import HeldHttpRule
from istiodoctor.mesh.configuration.route import RouteMatch
from istiodoctor.mesh.configuration.translation import MatchedRule, matched_rules
from istiodoctor.mesh.configuration.virtual_host_match import matched_host
from istiodoctor.mesh.configuration.virtual_hosts import (
    Domain,
    Section,
    domain_index,
    domains,
)
from istiodoctor.mesh.gateways.merging import Listener, route_name
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import HttpMatch, HttpRule
from istiodoctor.model.ref import Place, Ref


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DomainRule:
    """One match of one rule in a domain: a route without its action."""

    matched: MatchedRule
    section: Section

    @property
    def held(self) -> HeldHttpRule:
        """The rule, its names resolved."""
        return self.matched.held

    @property
    def rule(self) -> HttpRule:
        """The rule itself."""
        return self.matched.held.rule

    @property
    def written(self) -> HttpMatch | None:
        """The match; None for a rule without any."""
        return self.matched.written

    @property
    def match(self) -> RouteMatch:
        """The match in Envoy's words."""
        return self.matched.match

    @property
    def place(self) -> Place:
        """Where the rule is written."""
        return self.matched.held.place

    @property
    def owner(self) -> Ref:
        """The object in force: the root one of a delegation."""
        return self.matched.held.owner or self.section.source.made_by


@question
def section_rules(mesh: Mesh, section: Section) -> tuple[MatchedRule, ...]:
    """Return the matches that routes are made of in a section."""
    return tuple(matched_rules(section.source, section.context))


@question
def domain_rules(
    mesh: Mesh, workload: Workload, route_name: str, domain: str
) -> tuple[DomainRule, ...]:
    """Return the rules of a domain that the route configuration has, as Envoy asks them.

    Those that take everything move behind the others (`SortVHostRoutes`, route.go:1613).
    """
    found = [
        DomainRule(matched=matched, section=section)
        for section in domains(mesh, workload, route_name)[domain].sections
        for matched in section_rules(mesh, section)
    ]
    return tuple(sorted(found, key=lambda each: each.match.is_catch_all))


def domain_at(mesh: Mesh, listener: Listener, server: Server, host: str) -> str | None:
    """Return the domain that a request for a host takes where a server is on a listener.

    None where no routes are made for it, or the server has no HTTP routes at all.
    """
    name = route_name(server, listener.port)
    if not name:
        return None
    return domain_index(mesh, listener.workload, name).find(matched_host(host))


def found_domain(mesh: Mesh, listener: Listener, server: Server, host: str) -> Domain | None:
    """Return what the routes for a host come from, where a server is on a listener."""
    return domain_finder(mesh, listener, server)(host)


def domain_finder(
    mesh: Mesh, listener: Listener, server: Server
) -> Callable[[str], Domain | None]:
    """Return how to find the domain of a host, where a server is on a listener."""
    name = route_name(server, listener.port)
    found = domains(mesh, listener.workload, name) if name else {}

    def find(host: str) -> Domain | None:
        host = matched_host(host)
        if host in found:
            return found[host]
        domain = domain_index(mesh, listener.workload, name).find(host) if found else None
        return found[domain] if domain is not None else None

    return find


def rules_at(mesh: Mesh, listener: Listener, server: Server, host: str) -> Iterator[DomainRule]:
    """Yield the rules for a host in Envoy's order, where a server is on a listener."""
    name = domain_at(mesh, listener, server, host)
    if name is not None:
        yield from domain_rules(mesh, listener.workload, route_name(server, listener.port), name)
