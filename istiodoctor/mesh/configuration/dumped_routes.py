"""Route configurations of an Envoy's dump, in the types of the expected configuration."""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.dumped_matches import (
    held_match,
    held_string_matcher,
    share,
    unknown_conditions,
)
from istiodoctor.mesh.configuration.made_by import noted_namespace, route_place
from istiodoctor.mesh.configuration.route import (
    Action,
    ClusterWeight,
    Cors,
    DirectResponse,
    Fault,
    Forward,
    Redirect,
    RegexRewrite,
    Route,
    RouteConfiguration,
    VirtualHost,
)
from istiodoctor.model import envoy_routes as envoy
from istiodoctor.model import http_statuses
from istiodoctor.model.ref import Place, Ref

REDIRECTS = {
    "MOVED_PERMANENTLY": http_statuses.MOVED_PERMANENTLY,
    "FOUND": http_statuses.FOUND,
    "SEE_OTHER": http_statuses.SEE_OTHER,
    "TEMPORARY_REDIRECT": http_statuses.TEMPORARY_REDIRECT,
    "PERMANENT_REDIRECT": http_statuses.PERMANENT_REDIRECT,
}
MISSING_CLUSTER = {"SERVICE_UNAVAILABLE": 503, "NOT_FOUND": 404, "INTERNAL_SERVER_ERROR": 500}
"""Statuses by Envoy's names (`RedirectResponseCode`, `ClusterNotFoundResponseCode`)."""
DEFAULT_SCHEME = "https"


def held_routes(found: envoy.RouteConfiguration, pod: Ref) -> RouteConfiguration:
    """Return a route configuration as the Envoy of a pod has it."""
    return RouteConfiguration(
        name=found.name,
        virtual_hosts=tuple(held_virtual_host(each, found, pod) for each in found.virtual_hosts),
        ignores_port=found.ignore_port_in_host_matching,
        unknown_because="it asks for virtual hosts one by one" if found.vhds else "",
    )


def held_virtual_host(
    found: envoy.VirtualHost, configuration: envoy.RouteConfiguration, pod: Ref
) -> VirtualHost:
    """Return a virtual host of a route configuration as the Envoy of a pod has it."""
    settings = found.typed_per_filter_config
    others = _filters(configuration.typed_per_filter_config) or _filters(settings)
    routes = tuple(_route(each, settings, pod, others) for each in found.routes)
    return VirtualHost(
        name=found.name,
        domains=tuple(each.lower() for each in found.domains),
        routes=routes,
        require_tls=str(found.require_tls) != "NONE",
        owners=tuple(dict.fromkeys(each.owner for each in routes)),
        unknown_because="its routes are in a matcher, which is not modelled"
        if found.matcher
        else "",
    )


def _route(found: envoy.Route, inherited: envoy.FilterSettings, pod: Ref, others: str) -> Route:
    config = found.metadata.filter_metadata.istio.config
    place = route_place(config, found.name) or Place(pod)
    settings = found.typed_per_filter_config
    fault, cors = settings.fault or inherited.fault, settings.cors or inherited.cors
    return Route(
        name=found.name,
        match=held_match(found.match),
        action=_action(found, noted_namespace(config)),
        made_by=place,
        owner=place.ref,
        fault=_fault(fault) if fault else None,
        cors=_cors(cors) if cors else None,
        unknown_because=others or "; ".join(_unknown(found)),
    )


def _unknown(found: envoy.Route) -> Iterator[str]:
    """Yield what is not modelled of a route."""
    for condition in unknown_conditions(found.match):
        yield f"it asks for {condition}"
    action = found.route
    if action and (
        action.cluster_header
        or action.cluster_specifier_plugin
        or action.inline_cluster_specifier_plugin
        or any(each.cluster_header for each in _weighted(action))
    ):
        yield "its cluster follows from the request"
    if not (found.route or found.redirect or found.direct_response):
        yield "what it does is not modelled"
    others = _filters(found.typed_per_filter_config)
    if others:
        yield others


def _filters(settings: envoy.FilterSettings) -> str:
    """Say which filters have settings of their own that could change an answer."""
    names = {
        "external authorization": settings.external,
        "rate limits": settings.limit,
        "Lua": settings.lua,
    }
    found = ", ".join(name for name, each in names.items() if each)
    return f"it has settings of its own for {found}" if found else ""


def _action(found: envoy.Route, namespace: str) -> Action | None:
    if found.redirect:
        return _redirect(found.redirect)
    if found.direct_response:
        return DirectResponse(status=found.direct_response.status)
    return _forward(found.route, namespace) if found.route else None


def _redirect(found: envoy.RedirectAction) -> Redirect:
    return Redirect(
        host=found.host_redirect,
        port=found.port_redirect,
        scheme=found.scheme_redirect or (DEFAULT_SCHEME if found.https_redirect else ""),
        path=found.path_redirect,
        prefix_rewrite=found.prefix_rewrite,
        regex_rewrite=_regex(found.regex_rewrite),
        status=REDIRECTS.get(str(found.response_code), http_statuses.MOVED_PERMANENTLY),
        strips_query=found.strip_query,
    )


def _forward(found: envoy.RouteAction, namespace: str) -> Forward:
    """Return where requests go."""
    return Forward(
        clusters=held_weights(found.cluster or "", found.weighted_clusters, namespace),
        missing_cluster_status=MISSING_CLUSTER.get(
            str(found.cluster_not_found_response_code), 503
        ),
        prefix_rewrite=found.prefix_rewrite,
        regex_rewrite=_regex(found.regex_rewrite),
        host_rewrite=found.host_rewrite_literal,
        mirrors=tuple(
            ClusterWeight(name=each.cluster, namespace=namespace)
            for each in found.request_mirror_policies
        ),
    )


def held_weights(
    only: str, weighted: envoy.WeightedClusters | None, namespace: str = ""
) -> tuple[ClusterWeight, ...]:
    """Return the clusters that a route or a TCP proxy leads to; one of weight 0 gets nothing."""
    if weighted is None:
        return (ClusterWeight(name=only, namespace=namespace),) if only else ()
    return tuple(
        ClusterWeight(name=each.name, weight=each.weight, namespace=namespace)
        for each in weighted.clusters
        if each.weight
    )


def _weighted(found: envoy.RouteAction) -> tuple[envoy.WeightedCluster, ...]:
    return found.weighted_clusters.clusters if found.weighted_clusters else ()


def _regex(found: envoy.RegexRewrite | None) -> RegexRewrite | None:
    if found is None:
        return None
    return RegexRewrite(pattern=found.pattern.regex, substitution=found.substitution)


def _fault(found: envoy.HttpFault) -> Fault:
    abort, delay = found.abort, found.delay
    return Fault(
        abort_status=abort.http_status if abort else 0,
        grpc_status=abort.grpc_status if abort else None,
        abort_percentage=share(abort.percentage) if abort else 0.0,
        delay_percentage=share(delay.percentage) if delay else 0.0,
    )


def _cors(found: envoy.CorsPolicy) -> Cors:
    origins = map(held_string_matcher, found.allow_origin_string_match)
    return Cors(
        allow_origins=tuple(each for each in origins if each is not None),
        forwards_other_preflights=found.forward_not_matching_preflights,
    )
