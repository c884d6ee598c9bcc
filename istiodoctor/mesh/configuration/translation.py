"""Rules of a VirtualService as Envoy's routes.

Source: istiod's pilot/pkg/networking/core/route/route.go (`BuildHTTPRoutesForVirtualService`).
"""

import re
from collections.abc import Callable, Iterator, Mapping

from istiodoctor.mesh.configuration.header_changes import (
    header_changes,
    set_authority,
    sets_headers,
)
from istiodoctor.mesh.configuration.held import HeldHttpRule, HeldVirtualService, Semantics
from istiodoctor.mesh.configuration.match_translation import route_match
from istiodoctor.mesh.configuration.request import DEFAULT_PORTS
from istiodoctor.mesh.configuration.route import (
    Action,
    ClusterWeight,
    DirectResponse,
    Forward,
    PathComparison,
    Redirect,
    RegexRewrite,
    Route,
    RouteMatch,
)
from istiodoctor.mesh.configuration.rule_settings import cors_of, fault_of, time_limits
from istiodoctor.mesh.configuration.virtual_services import destination_place
from istiodoctor.model.http_statuses import MOVED_PERMANENTLY, REDIRECTS
from istiodoctor.model.istio import (
    Destination,
    HttpBody,
    HttpDirectResponse,
    HttpMatch,
    HttpRedirect,
    HttpRewrite,
)
from istiodoctor.model.value import Value

MISSING_CLUSTER = 500
"""The status of a route of the Gateway API whose cluster is not there."""
FROM_REQUEST_PORT = "FROM_REQUEST_PORT"
WEIGHTS = 2**32
"""A weight is sent as a number without a sign: one below 0 is a very great one."""

ClusterNames = Callable[[Destination], str]
"""The cluster that a destination leads to."""


class RouteContext(Value, frozen=True, kw_only=True):
    """For which server the routes of a VirtualService are made."""

    gateway_name: str
    port: int
    """The number of the server, not of the pod."""
    is_tls: bool
    """Whether the server has a `tls` block, be it for `httpsRedirect` only (gateway.go:477)."""
    proxy_namespace: str
    proxy_labels: Mapping[str, str]


class MatchedRule(Value, frozen=True, kw_only=True, eq=False):
    """One match of a rule for a server: a route, but for what it does."""

    held: HeldHttpRule
    written: HttpMatch | None
    """None for a rule without matches."""
    match: RouteMatch


def has_routes(source: HeldVirtualService, context: RouteContext) -> bool:
    """Whether istiod makes any route of a VirtualService for a server."""
    for held in source.http:
        matches = held.rule.match
        if not matches:
            return True
        for match in matches:
            if _applies(match, context):
                return True
    return False


def routes_of(
    source: HeldVirtualService, context: RouteContext, cluster_of: ClusterNames
) -> tuple[Route, ...]:
    """Return the routes that istiod makes: none after one that takes everything."""
    return tuple(
        _route(source, each, context, cluster_of) for each in matched_rules(source, context)
    )


def matched_rules(source: HeldVirtualService, context: RouteContext) -> Iterator[MatchedRule]:
    """Yield the matches that istiod makes routes of: none after one that takes everything."""
    for held in source.http:
        for match in held.rule.match or (None,):
            if match is None or _applies(match, context):
                taken = route_match(match, source.semantics)
                yield MatchedRule(held=held, written=match, match=taken)
                if match is None or taken.is_catch_all:
                    return


def _applies(match: HttpMatch, context: RouteContext) -> bool:
    """Whether a match is for this server (`TranslateRoute`, `sourceMatchHTTP`, route.go:472)."""
    if match.port not in (0, context.port):
        return False
    if match.gateways:
        return context.gateway_name in match.gateways
    labels = match.source_labels
    if labels and not labels.items() <= context.proxy_labels.items():
        return False
    return match.source_namespace in ("", context.proxy_namespace)


def _route(
    source: HeldVirtualService,
    matched: MatchedRule,
    context: RouteContext,
    cluster_of: ClusterNames,
) -> Route:
    held, match = matched.held, matched.written
    rule = held.rule
    name = f"{rule.name}.{match.name}" if match and match.name else rule.name
    return Route(
        name=name,
        match=matched.match,
        action=_action(source, held, matched.match, context, cluster_of),
        made_by=held.place,
        owner=held.owner or source.made_by,
        fault=fault_of(rule.fault) if rule.fault else None,
        cors=cors_of(rule.cors_policy) if rule.cors_policy else None,
        headers=header_changes(rule) if sets_headers(rule) else (),
        unknown_because=source.unknown_because or held.unknown_because,
    )


def _action(
    source: HeldVirtualService,
    held: HeldHttpRule,
    taken: RouteMatch,
    context: RouteContext,
    cluster_of: ClusterNames,
) -> Action | None:
    rule = held.rule
    if rule.redirect:
        return redirect_action(rule.redirect, context)
    if rule.direct_response:
        return _direct_response(rule.direct_response)
    return _forward(source, held, taken, cluster_of)


def _direct_response(written: HttpDirectResponse) -> DirectResponse:
    body = written.body or HttpBody()
    size = len(body.string.encode("utf-8", "replace")) or len(body.bytes.rstrip("=")) * 3 // 4
    return DirectResponse(status=written.status, body_size=size)


def redirect_action(written: HttpRedirect, context: RouteContext) -> Redirect | None:
    """Return where a rule redirects to; None for a code that Envoy has not (route.go:779)."""
    status = written.redirect_code or MOVED_PERMANENTLY
    if status not in REDIRECTS:
        return None
    port = written.port or (context.port if written.derive_port == FROM_REQUEST_PORT else 0)
    scheme = written.scheme or ("https" if context.is_tls else "http")
    return Redirect(
        host=written.authority,
        port=0 if DEFAULT_PORTS.get(scheme) == port else port,
        scheme=written.scheme,
        path="" if written.prefix_rewrite else written.uri,
        prefix_rewrite=written.prefix_rewrite,
        status=status,
    )


def _forward(
    source: HeldVirtualService, held: HeldHttpRule, taken: RouteMatch, cluster_of: ClusterNames
) -> Forward:
    """Return where a rule sends requests; weights of 0 count for nothing (route.go:684)."""
    rule = held.rule
    only = len(rule.route) == 1
    is_gateway_api = source.semantics is Semantics.GATEWAY
    rewrite = rule.rewrite or HttpRewrite()
    regex = _regex_rewrite(rewrite, taken, is_gateway_api=is_gateway_api)
    return Forward(
        clusters=tuple(
            ClusterWeight(
                name=cluster_of(each.destination),
                weight=1 if only else each.weight % WEIGHTS,
                made_by=destination_place(held, index),
                namespace=source.namespace,
            )
            for index, each in enumerate(rule.route)
            if only or each.weight
        ),
        idle=tuple(each.destination.host for each in rule.route if not (only or each.weight)),
        missing_cluster_status=MISSING_CLUSTER if is_gateway_api else 503,
        prefix_rewrite="" if regex else rewrite.uri,
        regex_rewrite=regex,
        host_rewrite=rewrite.authority or (set_authority(rule) if sets_headers(rule) else ""),
        durations=time_limits(rule),
        mirrors=tuple(
            ClusterWeight(name=cluster_of(each), namespace=source.namespace)
            for each in (rule.mirror, *(mirror.destination for mirror in rule.mirrors))
            if each is not None
        ),
    )


def _regex_rewrite(
    rewrite: HttpRewrite, taken: RouteMatch, *, is_gateway_api: bool
) -> RegexRewrite | None:
    """Return a rewrite by a pattern: a prefix that is taken off is one too (route.go:640)."""
    regex = rewrite.uri_regex_rewrite
    if regex:
        return RegexRewrite(pattern=regex.match, substitution=regex.rewrite)
    if not (is_gateway_api and rewrite.uri == "/"):
        return None
    is_prefix = taken.comparison is PathComparison.SEPARATED_PREFIX
    prefix = _OPERATOR.sub(r"\\\g<0>", taken.path) if is_prefix else ""
    return RegexRewrite(pattern=f"^{prefix}(/?)(.*)", substitution="/\\2")


_OPERATOR = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""What Go's `regexp.QuoteMeta` puts a backslash before."""
