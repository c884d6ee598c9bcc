"""Matches of HTTPRoutes and GRPCRoutes as istiod writes them into VirtualServices, in its order.

Source: pilot/pkg/config/kube/gateway/conversion.go:1504-1660 (matches), 462-515 (order).
"""

from collections.abc import Iterable, Sequence

from istiodoctor.mesh.configuration.api_backends import RouteFault
from istiodoctor.mesh.configuration.held import HeldHttpRule
from istiodoctor.model.gatewayapi import HttpRouteMatch, NamedMatch, PathMatch
from istiodoctor.model.grpcroute import GrpcMethodMatch, GrpcRouteMatch
from istiodoctor.model.istio import HttpMatch, StringMatch

EXACT = "Exact"
PREFIX = "PathPrefix"
REGEX = "RegularExpression"
Order = tuple[int, int, int, bool, int, int]


def http_match(written: HttpRouteMatch, path: str) -> HttpMatch:
    """Return a match of an HTTPRoute."""
    return HttpMatch(
        uri=_path(written.path, path),
        headers=_named(written.headers, path),
        query_params=_named(written.query_params, path),
        method=StringMatch(exact=written.method) if written.method else None,
    )


def grpc_match(written: GrpcRouteMatch, path: str) -> HttpMatch:
    """Return a match of a GRPCRoute: the path of a method is `/service/method`."""
    return HttpMatch(
        uri=_method(written.method, path) if written.method else None,
        headers=_named(written.headers, path),
    )


def _path(written: PathMatch, path: str) -> StringMatch:
    """Return a path; the last slash of a prefix is ignored (conversion.go:1594)."""
    match written.type:
        case "PathPrefix":
            whole = written.value == "/"
            return StringMatch(prefix="/" if whole else written.value.removesuffix("/"))
        case "Exact":
            return StringMatch(exact=written.value)
        case "RegularExpression":
            return StringMatch(regex=written.value)
        case other:
            raise RouteFault(f"the type of path {other} is not known", f"{path}/path/type")


def _named(written: Iterable[NamedMatch], path: str) -> dict[str, StringMatch]:
    """Return conditions by name: the last one of equal names counts (conversion.go:1541)."""
    found = {}
    for each in written:
        if each.type == EXACT:
            found[each.name] = StringMatch(exact=each.value)
        elif each.type == REGEX:
            found[each.name] = StringMatch(regex=each.value)
        else:
            raise RouteFault(f"the type of match {each.type} is not known", path)
    return found


def _method(written: GrpcMethodMatch, path: str) -> StringMatch:
    """Return the path of a gRPC method (conversion.go:1614)."""
    service, method = written.service, written.method
    if service is None and method is None:
        raise RouteFault("neither service nor method is given", f"{path}/method")
    if written.type not in (EXACT, REGEX):
        raise RouteFault(f"the type of match {written.type} is not known", f"{path}/method/type")
    if service is None:
        return StringMatch(regex=f"/[^/]+/{method}")
    if written.type == REGEX:
        return StringMatch(regex=f"/{service}/{'.+' if method is None else method}")
    if method is None:
        return StringMatch(prefix=f"/{service}/")
    return StringMatch(exact=f"/{service}/{method}")


def in_order(rules: Iterable[HeldHttpRule]) -> tuple[HeldHttpRule, ...]:
    """Return rules as the Gateway API orders them (`sortHTTPRoutes`); equal ones stay."""
    return tuple(sorted(rules, key=_order))


def _order(held: HeldHttpRule) -> Order:
    matches: Sequence[HttpMatch] = held.rule.match
    if not matches:
        return (1, 0, 0, True, 0, 0)
    first = matches[0]
    rank, length = _rank(first.uri)
    return (
        0,
        -rank,
        -length,
        first.method is None,
        -len(first.headers),
        -len(first.query_params),
    )


def _rank(uri: StringMatch | None) -> tuple[int, int]:
    """Return the rank of a path, the greater one first, and its length in bytes."""
    if uri is None:
        return -1, 0
    for rank, text in ((3, uri.exact), (2, uri.prefix), (1, uri.regex)):
        if text is not None:
            return rank, len(text.encode(errors="surrogatepass"))
    return -1, -1
