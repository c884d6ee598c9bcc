"""Which route configurations Envoy refuses, looked for only where a rule could be at fault."""

from dataclasses import dataclass

from istiodoctor.mesh.configuration.envoy_filters_of_routes import touched_routes
from istiodoctor.mesh.configuration.header_changes import has_header_fault, sets_headers
from istiodoctor.mesh.configuration.held import HeldVirtualService
from istiodoctor.mesh.configuration.held_ingresses import held_ingresses_by_gateway
from istiodoctor.mesh.configuration.held_routes import held_routes_of_gateway
from istiodoctor.mesh.configuration.listener import Refusal
from istiodoctor.mesh.configuration.route_refusals import refused_route
from istiodoctor.mesh.configuration.service_registry import scope_service
from istiodoctor.mesh.configuration.virtual_hosts import (
    Domain,
    Section,
    domains,
    section_routes,
)
from istiodoctor.mesh.configuration.virtual_services import virtual_services_by_gateway_name
from istiodoctor.mesh.gateways.listeners import merged_gateway, servers_by_workload
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import control_plane_of, mesh_config
from istiodoctor.mesh.workloads.releases import Change, has
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import (
    HttpMatch,
    HttpRule,
    RouteDestination,
    StringMatch,
    VirtualService,
)
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusedRouteConfiguration:
    """A route configuration that Envoy refuses."""

    workload: Workload
    name: str
    servers: tuple[Server, ...]
    """Those that share it."""
    refusal: Refusal
    unknown_because: str = ""
    """What may make it another one."""


@question(evidence=[touched_routes, mesh_config, scope_service])
def refused_route_configurations(mesh: Mesh) -> tuple[RefusedRouteConfiguration, ...]:
    """Return the route configurations that istiod would send and Envoy would refuse."""
    return tuple(
        RefusedRouteConfiguration(
            workload=workload,
            name=name,
            servers=servers,
            refusal=refusal,
            unknown_because=touched_routes(mesh, workload, name),
        )
        for workload in servers_by_workload(mesh)
        for name, servers in merged_gateway(mesh, workload).servers_by_route.items()
        if _keeps_case(mesh, workload) or _has_refusable_rule(mesh, servers)
        if (refusal := refused_routes(mesh, workload, name))
    )


def _has_refusable_rule(mesh: Mesh, servers: tuple[Server, ...]) -> bool:
    """Whether anything that is bound to servers could be refused: told without translating it."""
    return any(_binds_refusable_rule(mesh, each.gateway_name) for each in servers)


@question(Kind.VIRTUAL_SERVICE)
def _refusable_rule_is_written(mesh: Mesh) -> bool:
    return any(_is_refusable(rule) for each in mesh.all(VirtualService) for rule in each.spec.http)


@question(evidence=[held_routes_of_gateway, held_ingresses_by_gateway])
def _binds_refusable_rule(mesh: Mesh, gateway_name: str) -> bool:
    by_gateway = virtual_services_by_gateway_name(mesh) if _refusable_rule_is_written(mesh) else {}
    written = by_gateway.get(gateway_name, ())
    if any(rule.delegate or _is_refusable(rule) for each in written for rule in each.spec.http):
        return True
    made = (
        *held_routes_of_gateway(mesh, gateway_name),
        *held_ingresses_by_gateway(mesh).get(gateway_name, ()),
    )
    return any(_may_be_refused(mesh, each) for each in made)


@question
def refused_routes(mesh: Mesh, workload: Workload, route_name: str) -> Refusal | None:
    """Return why Envoy refuses a route configuration; None where it takes it.

    istiod writes each domain once, and since Istio 1.22 in lower case, so that only a route can
    be at fault.
    """
    if _keeps_case(mesh, workload):
        for name, domain in domains(mesh, workload, route_name).items():
            if refusal := _two_spellings(name, domain):
                return refusal
    sections: dict[Section, tuple[str, ...]] = {}
    for name, domain in domains(mesh, workload, route_name).items():
        for section in domain.sections:
            sections.setdefault(section, (name,))
    for section, names in sections.items():
        if _may_be_refused(mesh, section.source):
            for route in section_routes(mesh, workload, section):
                if text := refused_route(route):
                    return Refusal(text=text, made_by=(route.made_by,), names=names)
    return None


def _keeps_case(mesh: Mesh, workload: Workload) -> bool:
    """Whether the case of a host stays: Envoy then sees one domain twice."""
    return not has(control_plane_of(mesh, workload), Change.GATEWAY_DOMAINS_LOWERED)


def _two_spellings(name: str, domain: Domain) -> Refusal | None:
    """Return why Envoy refuses a domain that hosts of VirtualServices write in two ways."""
    found: dict[str, Place] = {}
    for section in domain.sections:
        for index, host in enumerate(section.source.hosts):
            if host.lower() == name:
                found.setdefault(host, Place(section.source.made_by, f"/spec/hosts/{index}"))
    if len(found) < 2:
        return None
    (_, first), (text, second), *_ = found.items()
    return Refusal(
        text=f"only unique values for domains are permitted, and {text} is the same as {first}",
        made_by=(second, first),
        names=(name,),
    )


@question
def _may_be_refused(mesh: Mesh, source: HeldVirtualService) -> bool:
    """Whether a rule has anything that Envoy checks and istiod's validation may let pass."""
    return any(_is_refusable(held.rule) for held in source.http)


def _is_refusable(rule: HttpRule) -> bool:
    return bool(
        rule.redirect
        or rule.direct_response
        or rule.fault
        or rule.cors_policy
        or rule.rewrite
        or rule.timeout.startswith("-")
        or (rule.retries and (rule.retries.per_try_timeout or rule.retries.backoff))
        or (len(rule.route) != 1 and _are_refusable(rule.route))
        or (sets_headers(rule) and has_header_fault(rule))
        or (rule.match and any(map(_has_refusable_match, rule.match)))
    )


def _are_refusable(destinations: tuple[RouteDestination, ...]) -> bool:
    """Whether the weights of destinations are 0 in all, or one is less than 0."""
    weights = [each.weight for each in destinations]
    return sum(weights) <= 0 or min(weights) < 0


def _has_refusable_match(match: HttpMatch) -> bool:
    """Whether a match has a regular expression; asked of every match there is, so kept quick."""
    return bool(
        match.without_headers
        or _is_regex(match.uri)
        or _is_regex(match.method)
        or _is_regex(match.authority)
        or _is_regex(match.scheme)
        or (match.headers and any(map(_is_regex, match.headers.values())))
        or (match.query_params and any(map(_is_regex, match.query_params.values())))
    )


def _is_regex(text: StringMatch | None) -> bool:
    return text is not None and text.regex is not None
