"""Rules of HTTPRoutes and GRPCRoutes as istiod makes rules of VirtualServices of them.

Source: pilot/pkg/config/kube/gateway/conversion.go:97-247 (`convertHTTPRoute`), 261-331
(`convertGRPCRoute`), route_collections.go:79-104: one rule for each match.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from istiodoctor.mesh.configuration import api_filters as filters
from istiodoctor.mesh.configuration.api_backends import (
    SERVICE,
    Backend,
    RouteFault,
    Surroundings,
    backend,
    backend_kind,
    backends,
    total_weight,
)
from istiodoctor.mesh.configuration.api_matches import grpc_match, http_match, in_order
from istiodoctor.mesh.configuration.held import HeldHttpRule
from istiodoctor.model.gatewayapi import HttpBackendReference, HttpRoute, HttpRouteRule
from istiodoctor.model.grpcroute import GrpcRoute, GrpcRouteRule
from istiodoctor.model.istio import (
    HttpDirectResponse,
    HttpMatch,
    HttpMirror,
    HttpRule,
    Percent,
    RouteDestination,
)
from istiodoctor.model.routefilters import RequestMirror, RouteFilter

NO_BACKEND = HttpDirectResponse(status=500)
HTTP_FILTERS = frozenset(
    {
        filters.REQUEST_HEADERS,
        filters.RESPONSE_HEADERS,
        filters.REDIRECT,
        filters.REWRITE,
        filters.MIRROR,
        filters.CORS,
    }
)
BACKEND_FILTERS = frozenset({filters.REQUEST_HEADERS, filters.RESPONSE_HEADERS})
GRPC_FILTERS = BACKEND_FILTERS | {filters.MIRROR}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedRoute:
    """What istiod makes of the rules of one route."""

    rules: tuple[HeldHttpRule, ...] = ()
    """In the order of the Gateway API; none where there is a fault."""
    fault: str = ""
    """Why istiod makes nothing of the whole route: a clause."""
    fault_path: str = ""


def http_rules(route: HttpRoute, around: Surroundings) -> ConvertedRoute:
    """Return the rules of an HTTPRoute; one that istiod refuses takes the others with it."""
    return _converted(
        _split(_rule(route, rule, index, around), _http_matches(rule, index))
        for index, rule in enumerate(route.spec.rules)
    )


def grpc_rules(route: GrpcRoute, around: Surroundings) -> ConvertedRoute:
    """Return the rules of a GRPCRoute."""
    return _converted(
        _split(_rule(route, rule, index, around), _grpc_matches(rule, index))
        for index, rule in enumerate(route.spec.rules)
    )


def _converted(rules: Iterator[tuple[HeldHttpRule, ...]]) -> ConvertedRoute:
    try:
        return ConvertedRoute(rules=in_order(each for split in rules for each in split))
    except RouteFault as fault:
        return ConvertedRoute(fault=fault.text, fault_path=fault.path)


def _split(held: HeldHttpRule, matches: tuple[HttpMatch, ...]) -> tuple[HeldHttpRule, ...]:
    """Return a rule for each match: the Gateway API orders matches, not rules."""
    if not matches:
        return (held,)
    return tuple(
        replace(held, rule=msgspec.structs.replace(held.rule, match=(match,))) for match in matches
    )


def _http_matches(rule: HttpRouteRule, index: int) -> tuple[HttpMatch, ...]:
    path = f"/spec/rules/{index}/matches"
    return tuple(http_match(each, f"{path}/{i}") for i, each in enumerate(rule.matches))


def _grpc_matches(rule: GrpcRouteRule, index: int) -> tuple[HttpMatch, ...]:
    path = f"/spec/rules/{index}/matches"
    return tuple(grpc_match(each, f"{path}/{i}") for i, each in enumerate(rule.matches))


def _rule(
    route: HttpRoute | GrpcRoute,
    rule: HttpRouteRule | GrpcRouteRule,
    index: int,
    around: Surroundings,
) -> HeldHttpRule:
    """Return a rule without its matches."""
    path = f"/spec/rules/{index}"
    written = _filters(rule.filters, f"{path}/filters", route)
    redirect = written.get(filters.REDIRECT)
    has_backends = total_weight(rule.backend_refs) != 0 or redirect is not None
    led = tuple(_led(rule, path, route, around)) if has_backends else ()
    rewrite, cors = written.get(filters.REWRITE), written.get(filters.CORS)
    return HeldHttpRule(
        rule=HttpRule(
            name=rule.name or f"{route.namespace}.{route.name}.{index}",
            route=tuple(
                RouteDestination(
                    destination=each.destination, weight=each.weight, headers=each.headers
                )
                for each in led
            ),
            redirect=filters.redirect(redirect.request_redirect)
            if redirect and redirect.request_redirect
            else None,
            direct_response=None if has_backends else _without_backends(route, rule, around),
            mirrors=tuple(_mirrors(rule.filters, f"{path}/filters", route, around)),
            rewrite=filters.rewrite(rewrite.url_rewrite)
            if rewrite and rewrite.url_rewrite
            else None,
            cors_policy=filters.cors(cors.cors) if cors and cors.cors else None,
            headers=filters.headers(rule.filters, f"{path}/filters"),
        ),
        place=route.at(path),
        destinations=tuple(route.at(each.path) for each in led),
        owner=route.ref,
        unknown_because="; ".join(dict.fromkeys(filter(None, (e.unknown_because for e in led)))),
    )


def _without_backends(
    route: HttpRoute | GrpcRoute, rule: HttpRouteRule | GrpcRouteRule, around: Surroundings
) -> HttpDirectResponse:
    if isinstance(route, GrpcRoute) or rule.backend_refs:
        return NO_BACKEND
    return HttpDirectResponse(status=around.status_without_backends)


def _filters(
    written: tuple[RouteFilter, ...], path: str, route: HttpRoute | GrpcRoute
) -> dict[str, RouteFilter]:
    """Return the filters by type, the last of each; RouteFault for a type istiod refuses."""
    served = HTTP_FILTERS if isinstance(route, HttpRoute) else GRPC_FILTERS
    _refuse_others(written, served, path)
    return {each.type: each for each in written}


def _refuse_others(written: tuple[RouteFilter, ...], served: frozenset[str], path: str) -> None:
    for index, each in enumerate(written):
        if each.type not in served:
            raise RouteFault(f"istiod serves no filter {each.type}", f"{path}/{index}")


def _led(
    rule: HttpRouteRule | GrpcRouteRule,
    path: str,
    route: HttpRoute | GrpcRoute,
    around: Surroundings,
) -> Iterator[Backend]:
    """Yield the backends of a rule; their filters may only change headers."""
    for each in backends(rule.backend_refs, f"{path}/backendRefs", route.ref, around):
        if isinstance(each.reference, HttpBackendReference) and each.reference.filters:
            where = f"{each.path}/filters"
            _refuse_others(each.reference.filters, BACKEND_FILTERS, where)
            yield replace(each, headers=filters.headers(each.reference.filters, where))
        else:
            yield each


def _mirrors(
    written: tuple[RouteFilter, ...],
    path: str,
    route: HttpRoute | GrpcRoute,
    around: Surroundings,
) -> Iterator[HttpMirror]:
    """Yield the mirrors that can be reached; one that cannot ends a whole GRPCRoute."""
    for index, each in enumerate(written):
        mirror = each.request_mirror
        if each.type != filters.MIRROR or mirror is None:
            continue
        where = f"{path}/{index}/requestMirror/backendRef"
        try:
            yield _mirror(mirror, where, route, around)
        except RouteFault:
            if isinstance(route, GrpcRoute):
                raise


def _mirror(
    mirror: RequestMirror, path: str, route: HttpRoute | GrpcRoute, around: Surroundings
) -> HttpMirror:
    reference = mirror.backend_ref
    found = backend(reference, path, route.ref, around)
    namespace = reference.namespace or route.namespace
    is_missing = (
        backend_kind(reference) == SERVICE
        and around.service_exists(namespace, reference.name) is False
    )
    if found.is_nowhere or is_missing:
        raise RouteFault(f"the mirror {reference.name} cannot be reached", path)
    return HttpMirror(destination=found.destination, percentage=_percentage(mirror))


def _percentage(mirror: RequestMirror) -> Percent | None:
    if mirror.fraction:
        whole = mirror.fraction.denominator
        return Percent(value=100 * mirror.fraction.numerator / whole if whole else 0.0)
    return None if mirror.percent is None else Percent(value=float(mirror.percent))
