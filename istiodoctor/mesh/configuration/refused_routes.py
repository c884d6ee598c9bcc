"""Which route configurations Envoy refuses, looked for only where a rule could be at fault."""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.held import HeldVirtualService
from istiodoctor.mesh.configuration.listener import Refusal
from istiodoctor.mesh.configuration.route_refusals import refused_route
from istiodoctor.mesh.configuration.virtual_hosts import Section, domains, section_routes
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import HttpMatch, HttpRule, StringMatch


@question
def refused_routes(mesh: Mesh, workload: Workload, route_name: str) -> Refusal | None:
    """Return why Envoy refuses a route configuration; None where it takes it.

    istiod writes each domain once and in lower case, so that only a route can be at fault.
    """
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


@question
def _may_be_refused(mesh: Mesh, source: HeldVirtualService) -> bool:
    """Whether a rule has anything that Envoy checks and istiod's validation may let pass."""
    return any(_is_odd(held.rule) for held in source.http)


def _is_odd(rule: HttpRule) -> bool:
    has_action = rule.redirect or rule.direct_response
    weights = sum(each.weight for each in rule.route)
    return bool(
        has_action
        or rule.fault
        or rule.cors_policy
        or (rule.rewrite and rule.rewrite.uri_regex_rewrite)
        or (len(rule.route) != 1 and weights <= 0)
        or any(_asks_oddly(match) for match in rule.match)
    )


def _asks_oddly(match: HttpMatch) -> bool:
    return any(each.regex is not None for each in _texts(match)) or bool(match.without_headers)


def _texts(match: HttpMatch) -> Iterator[StringMatch]:
    yield from match.headers.values()
    yield from match.query_params.values()
    for each in (match.uri, match.method, match.authority, match.scheme):
        if each is not None:
            yield each
