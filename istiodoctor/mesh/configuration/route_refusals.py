"""What Envoy refuses of a route, and with it of its whole route configuration.

istiod writes each domain once and in lower case, so that nothing else of one is refused.

Source: Envoy's source/common/router/config_impl.cc (`RouteMatcher`, `RouteEntryImplBase`), the
constraints of api/envoy/config/route/v3/route_components.proto and
api/envoy/type/matcher/v3/string.proto, source/common/protobuf/utility.cc (durations). Each is
held against the real Envoy by a test.
"""

import re
from collections.abc import Iterator

from istiodoctor.mesh.configuration.header_changes import header_faults
from istiodoctor.mesh.configuration.match_refusals import (
    CONTROL,
    faults_of_match,
    faults_of_text,
    pattern_faults,
)
from istiodoctor.mesh.configuration.route import (
    ClusterWeight,
    DirectResponse,
    Duration,
    Forward,
    Redirect,
    RegexRewrite,
    Route,
)
from istiodoctor.model.http_statuses import REDIRECTS

FEWEST_STATUS, MOST_STATUS = 200, 599
MISSING_CLUSTER_STATUSES = frozenset({404, 500, 503})
MOST_WEIGHT = 4_294_967_295
MOST_BODY = 4096
"""Bytes (`max_direct_response_body_size_bytes`)."""
NOT_ZERO = re.compile(r"[1-9]")


def refused_route(route: Route) -> str:
    """Return what Envoy finds wrong with a route; empty where nothing."""
    return next(_faults(route), "")


def _faults(route: Route) -> Iterator[str]:
    yield from faults_of_match(route.match)
    match route.action:
        case None:
            yield "a route has no action"
        case Redirect():
            yield from _redirect_faults(route.action)
        case DirectResponse(status=status, body_size=size):
            yield from _status_faults(status, "direct response")
            if size > MOST_BODY:
                yield f"the body of a direct response has {size} bytes, more than {MOST_BODY}"
        case Forward():
            yield from _forward_faults(route.action)
    fault = route.fault
    if fault and fault.grpc_status is None and (fault.abort_status or fault.abort_percentage):
        yield from _status_faults(fault.abort_status, "abort")
    if fault and fault.delay:
        yield from _duration_faults(fault.delay)
    for each in route.cors.allow_origins if route.cors else ():
        yield from faults_of_text(each, "an allowed origin")
    yield from header_faults(route.headers)


def _redirect_faults(redirect: Redirect) -> Iterator[str]:
    if redirect.status not in REDIRECTS:
        yield f"{redirect.status} is no status of a redirect"
    if any(map(CONTROL.search, (redirect.host, redirect.path, redirect.prefix_rewrite))):
        yield "a redirect has a control character"
    yield from _rewrite_faults(redirect.regex_rewrite)


def _forward_faults(forward: Forward) -> Iterator[str]:
    yield from _cluster_faults(forward.clusters)
    if any(not each.name for each in forward.mirrors):
        yield "a mirror has no cluster"
    if forward.missing_cluster_status not in MISSING_CLUSTER_STATUSES:
        yield f"{forward.missing_cluster_status} is no status of a missing cluster"
    if any(map(CONTROL.search, (forward.prefix_rewrite, forward.host_rewrite))):
        yield "a rewrite has a control character"
    if forward.prefix_rewrite and forward.regex_rewrite:
        yield "a path is rewritten by prefix and by regular expression"
    yield from _rewrite_faults(forward.regex_rewrite)
    for each in forward.durations:
        yield from _duration_faults(each)


def _duration_faults(duration: Duration) -> Iterator[str]:
    if not NOT_ZERO.search(duration.text):
        if not duration.may_be_zero:
            yield f"{duration.name} is {duration.text}: it must be more than 0"
    elif duration.text.startswith("-"):
        yield f"{duration.name} is {duration.text}, less than 0"


def _cluster_faults(clusters: tuple[ClusterWeight, ...]) -> Iterator[str]:
    """Yield what is wrong with clusters; the weight of a single one is not sent at all."""
    if not clusters:
        yield "a route has no cluster"
    if any(not each.name for each in clusters):
        yield "a cluster has no name"
    total = sum(each.weight for each in clusters)
    if len(clusters) > 1 and total <= 0:
        yield "the weights of a route's clusters are 0 in all"
    if len(clusters) > 1 and total > MOST_WEIGHT:
        yield f"the weights of a route's clusters are {total} in all, more than {MOST_WEIGHT}"


def _rewrite_faults(rewrite: RegexRewrite | None) -> Iterator[str]:
    if rewrite is None:
        return
    yield from pattern_faults(rewrite.pattern, "a rewrite")
    if CONTROL.search(rewrite.substitution):
        yield "a substitution has a control character"


def _status_faults(status: int, what: str) -> Iterator[str]:
    if not FEWEST_STATUS <= status <= MOST_STATUS:
        yield f"{status} is no status of a {what}: {FEWEST_STATUS} to {MOST_STATUS} are"
