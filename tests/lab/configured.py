"""The project's own words for Envoy's configuration, as Envoy is sent them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from istiodoctor.mesh.configuration.listener import FilterChain, HttpOptions
from istiodoctor.mesh.configuration.route import (
    ClusterWeight,
    Comparison,
    Cors,
    DirectResponse,
    Fault,
    Forward,
    HeaderChange,
    HeaderMatcher,
    PathComparison,
    QueryParameterMatcher,
    Redirect,
    RegexRewrite,
    Route,
    RouteConfiguration,
    RouteMatch,
    StringMatcher,
    VirtualHost,
)
from tests.lab.resources import TYPES, Resource, address, typed

CODES = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
MISSING = {503: "SERVICE_UNAVAILABLE", 500: "INTERNAL_SERVER_ERROR", 404: "NOT_FOUND"}
ECHOED = ("path", "authority", "scheme", "method")
"""Pseudo-headers that answers tell back, each as `x-…`."""


def listener(
    name: str, port: int, chains: Sequence[Resource], *, host: str, inspects_tls: bool = False
) -> Resource:
    """Return a listener."""
    inspector = typed(
        "filters.listener.tls_inspector",
        "extensions.filters.listener.tls_inspector.v3.TlsInspector",
    )
    return {
        "@type": f"{TYPES}.config.listener.v3.Listener",
        "name": name,
        "address": address(port, host),
        "listener_filters": [inspector] if inspects_tls else [],
        "filter_chains": list(chains),
    }


def chain(found: FilterChain, *filters: Resource, socket: Resource | None = None) -> Resource:
    """Return a filter chain with its match."""
    match = {
        "server_names": list(found.server_names),
        "application_protocols": list(found.application_protocols),
        "transport_protocol": found.transport_protocol,
    }
    made: dict[str, Any] = {"filters": list(filters)}
    if any(match.values()):
        made["filter_chain_match"] = {key: value for key, value in match.items() if value}
    return {**made, "transport_socket": socket} if socket else made


def tcp() -> Resource:
    """Return a proxy to a cluster that is not there."""
    kind = "extensions.filters.network.tcp_proxy.v3.TcpProxy"
    return typed("filters.network.tcp_proxy", kind, stat_prefix="tcp", cluster="none")


def http(
    routes: Resource, options: HttpOptions | None = None, *filters: Resource, echoes: bool = False
) -> Resource:
    """Return a connection manager as istiod makes one for a gateway."""
    router = typed("filters.http.router", "extensions.filters.http.router.v3.Router")
    echo = [_added(f"x-{each}", f"%REQ(:{each.upper()})%") for each in ECHOED]
    echo.append(_added("x-proto", "%REQ(X-FORWARDED-PROTO)%"))
    return typed(
        "filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="http",
        use_remote_address=True,
        route_config={**routes, "response_headers_to_add": echo if echoes else []},
        http_filters=[*filters, router],
        **_options(options or HttpOptions()),
    )


def _added(name: str, value: str) -> Resource:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _options(options: HttpOptions) -> dict[str, Any]:
    escaped = "KEEP_UNCHANGED"
    if options.rejects_escaped_slashes:
        escaped = "REJECT_REQUEST"
    elif options.redirects_escaped_slashes:
        escaped = "UNESCAPE_AND_REDIRECT"
    elif options.unescapes_slashes:
        escaped = "UNESCAPE_AND_FORWARD"
    underscores = "ALLOW"
    if options.rejects_underscores:
        underscores = "REJECT_REQUEST"
    elif options.drops_underscores:
        underscores = "DROP_HEADER"
    return {
        "normalize_path": options.normalizes_path,
        "merge_slashes": options.merges_slashes,
        "path_with_escaped_slashes_action": escaped,
        "common_http_protocol_options": {"headers_with_underscores_action": underscores},
        "http_protocol_options": {"accept_http_10": options.accepts_http10},
        "xff_num_trusted_hops": options.trusted_hops,
        "upgrade_configs": [{"upgrade_type": each} for each in options.upgrades],
    }


def route_configuration(found: RouteConfiguration) -> Resource:
    """Return a route configuration; clusters that are not there do not matter, as with RDS."""
    return {
        "name": found.name,
        "virtual_hosts": [virtual_host(each) for each in found.virtual_hosts],
        "ignore_port_in_host_matching": found.ignores_port,
        "validate_clusters": False,
    }


def virtual_host(found: VirtualHost) -> Resource:
    """Return a virtual host."""
    return {
        "name": found.name,
        "domains": list(found.domains),
        "routes": [route(each) for each in found.routes],
        "require_tls": "ALL" if found.require_tls else "NONE",
    }


def route(found: Route) -> Resource:
    """Return a route."""
    filters = {}
    if found.fault:
        filters["envoy.filters.http.fault"] = _fault(found.fault)
    if found.cors:
        filters["envoy.filters.http.cors"] = _cors(found.cors)
    made = {"match": route_match(found.match), "typed_per_filter_config": filters}
    return {**made, **_header_changes(found.headers), **_action(found)}


def _header_changes(changes: Iterable[HeaderChange]) -> Resource:
    """Return changes of the request's headers: for those of the response Envoy has equal rules."""
    return {
        "request_headers_to_add": [
            _added(each.name, each.value) for each in changes if each.value is not None
        ],
        "request_headers_to_remove": [each.name for each in changes if each.value is None],
    }


def _action(found: Route) -> Resource:
    match found.action:
        case None:
            return {}
        case Redirect():
            return {"redirect": _redirect(found.action)}
        case DirectResponse(status=status, body_size=size):
            body = {"body": {"inline_string": "x" * size}} if size else {}
            return {"direct_response": {"status": status, **body}}
        case Forward():
            return {"route": _forward(found.action)}


def route_match(match: RouteMatch) -> Resource:
    """Return what a route takes."""
    made: dict[str, Any] = {match.comparison.value: match.path}
    if match.comparison is PathComparison.REGEX:
        made = {"safe_regex": {"regex": match.path}}
    return {
        **made,
        "case_sensitive": match.case_sensitive,
        "headers": [header(each) for each in match.headers],
        "query_parameters": [_parameter(each) for each in match.query_parameters],
    }


def header(matcher: HeaderMatcher) -> Resource:
    """Return a condition on a header."""
    return {
        "name": matcher.name,
        **_text(matcher.matcher),
        "invert_match": matcher.invert,
        "treat_missing_header_as_empty": matcher.treats_missing_as_empty,
    }


def _parameter(matcher: QueryParameterMatcher) -> Resource:
    return {"name": matcher.name, **_text(matcher.matcher)}


def _text(matcher: StringMatcher | None) -> Resource:
    return {"string_match": text(matcher)} if matcher else {"present_match": True}


def text(matcher: StringMatcher) -> Resource:
    """Return a pattern for one string."""
    if matcher.comparison is Comparison.REGEX:
        made: dict[str, Any] = {"safe_regex": {"regex": matcher.value}}
    else:
        made = {matcher.comparison.value: matcher.value}
    return {**made, "ignore_case": matcher.ignore_case}


def _redirect(redirect: Redirect) -> Resource:
    made: dict[str, Any] = {
        "response_code": CODES.get(redirect.status, redirect.status),
        "host_redirect": redirect.host,
        "port_redirect": redirect.port,
        "strip_query": redirect.strips_query,
    }
    if redirect.scheme:
        made["scheme_redirect"] = redirect.scheme
    if redirect.path:
        made["path_redirect"] = redirect.path
    if redirect.prefix_rewrite:
        made["prefix_rewrite"] = redirect.prefix_rewrite
    return {**made, **_regex_rewrite(redirect.regex_rewrite)}


def _forward(forward: Forward) -> Resource:
    return {
        **_clusters(forward.clusters),
        "cluster_not_found_response_code": MISSING.get(
            forward.missing_cluster_status, forward.missing_cluster_status
        ),
        "prefix_rewrite": forward.prefix_rewrite,
        **({"host_rewrite_literal": forward.host_rewrite} if forward.host_rewrite else {}),
        **_regex_rewrite(forward.regex_rewrite),
        "request_mirror_policies": [{"cluster": each.name} for each in forward.mirrors],
        **_time_limits({each.name: each.text for each in forward.durations}),
    }


def _time_limits(found: Mapping[str, str]) -> Resource:
    made: dict[str, Any] = {"timeout": found["timeout"]} if "timeout" in found else {}
    retries: dict[str, Any] = {}
    if "retries.perTryTimeout" in found:
        retries["per_try_timeout"] = found["retries.perTryTimeout"]
    if "retries.backoff" in found:
        retries["retry_back_off"] = {"base_interval": found["retries.backoff"]}
    return {**made, "retry_policy": retries} if retries else made


def _regex_rewrite(rewrite: RegexRewrite | None) -> Resource:
    if rewrite is None:
        return {}
    made = {"pattern": {"regex": rewrite.pattern}, "substitution": rewrite.substitution}
    return {"regex_rewrite": made}


def _clusters(clusters: Iterable[ClusterWeight]) -> Resource:
    weighted = [{"name": each.name, "weight": each.weight} for each in clusters]
    if len(weighted) == 1:
        return {"cluster": weighted[0]["name"]}
    return {"weighted_clusters": {"clusters": weighted}}


def _fault(fault: Fault) -> Resource:
    kind = f"{TYPES}.extensions.filters.http.fault.v3.HTTPFault"
    percentage = {"numerator": int(fault.abort_percentage * 10_000), "denominator": "MILLION"}
    abort: dict[str, Any] = {"percentage": percentage}
    if fault.grpc_status is not None:
        abort["grpc_status"] = fault.grpc_status
    elif fault.abort_status:
        abort["http_status"] = fault.abort_status
    made: dict[str, Any] = {"@type": kind}
    if len(abort) > 1 or fault.abort_percentage:
        made["abort"] = abort
    if fault.delay:
        made["delay"] = {"fixed_delay": fault.delay.text, "percentage": percentage}
    return made


def _cors(cors: Cors) -> Resource:
    kind = f"{TYPES}.extensions.filters.http.cors.v3.CorsPolicy"
    return {
        "@type": kind,
        "allow_origin_string_match": [text(each) for each in cors.allow_origins],
    }
