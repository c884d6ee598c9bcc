"""Whether a rule of a route takes a request.

Sources: istiod's route.go (`translateRouteMatch`, `sourceMatchHTTP`) and its conversion.go for the
Gateway API; Envoy's header_utility.cc.

Every answer is yes, no, or None for "not known": a pattern that cannot be judged here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.patterns import full_match
from istiodoctor.mesh.routing import BoundRule, names_gateway
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.trace.requests import Request, without_dots
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.gatewayapi import HttpRouteMatch, NamedMatch, PathMatch
from istiodoctor.model.istio import HttpMatch, StringMatch

PRESENT = "*"
"""The regular expression that stands for "has any value"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request as it reaches Envoy."""

    request: Request
    scheme: str | None
    """What Envoy takes for its scheme: a trusted `X-Forwarded-Proto`, else how the connection
    came; None when that is not known."""

    @property
    def path(self) -> str:
        """The path as routes are matched with it."""
        return without_dots(self.request.path)

    def header(self, name: str) -> str | None:
        """Return the value of a header or pseudo-header as Envoy looks it up; None without it."""
        request = self.request
        match name.lower():
            case ":path":
                return f"{self.path}?{request.query}" if request.query else self.path
            case ":method":
                return request.method
            case ":authority" | "host":
                return request.authority
            case ":scheme":
                return self.scheme
            case other:
                return request.header(other)

    def parameters(self) -> Mapping[str, str]:
        """Return the query parameters as written; the first of equal names counts."""
        found: dict[str, str] = {}
        for each in filter(None, self.request.query.split("&")):
            name, _, value = each.partition("=")
            found.setdefault(name, value)
        return found


def every(answers: Iterable[bool | None]) -> bool | None:
    """Whether all hold: one no decides, else one "not known" does."""
    is_known = True
    for answer in answers:
        if answer is False:
            return False
        is_known = is_known and answer is not None
    return True if is_known else None


def holds(match: StringMatch, value: str | None, *, ignore_case: bool = False) -> bool | None:
    """Whether a string matches; one without conditions asks only that there is a value."""
    if match.regex == PRESENT or match == StringMatch():
        return value is not None
    if value is None:
        return False
    if match.regex is not None:
        return full_match(match.regex, value)
    exact, prefix = match.exact, match.prefix
    if ignore_case:
        value = value.lower()
        exact = None if exact is None else exact.lower()
        prefix = None if prefix is None else prefix.lower()
    return value == exact if exact is not None else value.startswith(prefix or "")


def applies(match: HttpMatch, bound: BoundRule, server: Server, workload: Workload) -> bool:
    """Whether istiod makes a route of a match on a gateway's server at all."""
    if match.port and match.port != server.port:
        return False
    if match.gateways:
        return names_gateway(match.gateways, bound.virtual_service.namespace, server.gateway)
    return match.source_labels.items() <= workload.labels.items()


def comes_from(match: HttpMatch, request: Request, workload: Workload) -> bool | None:
    """Whether `sourceNamespace` holds: istiod compares it with the namespace of the pods."""
    if match.gateways or not match.source_namespace:
        return True
    if not (request.source_namespace or workload.is_known):
        return None
    return match.source_namespace == (request.source_namespace or workload.namespace)


def takes(match: HttpMatch, arrival: Arrival) -> bool | None:
    """Whether a match of a VirtualService takes a request."""
    parameters = arrival.parameters()
    return every(
        (
            _takes_path(match, arrival.path),
            _takes_scheme(match, arrival),
            match.method is None or holds(match.method, arrival.request.method),
            match.authority is None or holds(match.authority, arrival.request.authority),
            *(holds(each, arrival.header(name)) for name, each in match.headers.items()),
            *(_lacks(each, arrival.header(name)) for name, each in match.without_headers.items()),
            *(holds(each, parameters.get(name)) for name, each in match.query_params.items()),
        )
    )


def takes_everything(match: HttpMatch) -> bool:
    """Whether a match is one that istiod moves behind all others (`IsCatchAllRoute`)."""
    uri = match.uri
    return (
        (uri is None or uri == StringMatch() or uri.prefix == "/" or uri.regex == PRESENT)
        and not (match.scheme or match.method or match.authority)
        and not (match.headers or match.without_headers or match.query_params)
    )


def _takes_path(match: HttpMatch, path: str) -> bool | None:
    return match.uri is None or holds(match.uri, path, ignore_case=match.ignore_uri_case)


def _takes_scheme(match: HttpMatch, arrival: Arrival) -> bool | None:
    if match.scheme is None:
        return True
    return None if arrival.scheme is None else holds(match.scheme, arrival.scheme)


def _lacks(match: StringMatch, value: str | None) -> bool | None:
    """Whether a header does not match; one that is absent counts as empty."""
    if match.regex == PRESENT or match == StringMatch():
        return value is None
    found = holds(match, value or "")
    return None if found is None else not found


def takes_api(match: HttpRouteMatch, arrival: Arrival) -> bool | None:
    """Whether a match of an HTTPRoute takes a request."""
    parameters = arrival.parameters()
    return every(
        (
            _takes_api_path(match.path, arrival.path),
            match.method in ("", arrival.request.method),
            *(_named(each, arrival.header(each.name)) for each in match.headers),
            *(_named(each, parameters.get(each.name)) for each in match.query_params),
        )
    )


def precedence(match: HttpRouteMatch) -> tuple[int, int, bool, int, int]:
    """Order matches of HTTPRoutes as istiod does (`sortHTTPRoutes`); smaller is first."""
    rank = {"Exact": 0, "PathPrefix": 1, "RegularExpression": 2}.get(match.path.type, 3)
    return (
        rank,
        -len(match.path.value),
        not match.method,
        -len(match.headers),
        -len(match.query_params),
    )


def _takes_api_path(match: PathMatch, path: str) -> bool | None:
    match match.type:
        case "Exact":
            return path == match.value
        case "RegularExpression":
            return full_match(match.value, path)
        case "PathPrefix":
            prefix = match.value.rstrip("/")
            return path == prefix or path.startswith(f"{prefix}/")
        case _:
            return None


def _named(match: NamedMatch, value: str | None) -> bool | None:
    if value is None:
        return False
    if match.type == "RegularExpression":
        return full_match(match.value, value)
    return value == match.value


def described(match: HttpMatch) -> str:
    """Say in a few words what a match of a VirtualService asks for."""
    conditions = [
        *(_condition(name, getattr(match, name)) for name in ("uri", "method", "scheme")),
        _condition("authority", match.authority),
        *(_condition(name, each) for name, each in match.headers.items()),
        *(f"without {_condition(name, each)}" for name, each in match.without_headers.items()),
        *(_condition(f"?{name}", each) for name, each in match.query_params.items()),
    ]
    return ", ".join(filter(None, conditions)) or "everything"


def _condition(name: str, match: StringMatch | None) -> str:
    if match is None:
        return ""
    for kind in ("exact", "prefix", "regex"):
        written = getattr(match, kind)
        if written is not None:
            return f"{name} {kind} {written}"
    return f"{name} present"


def described_api(match: HttpRouteMatch) -> str:
    """Say in a few words what a match of an HTTPRoute asks for."""
    named = (f"{each.name} {each.type} {each.value}" for each in match.headers)
    asked = (f"?{each.name} {each.type} {each.value}" for each in match.query_params)
    path = f"path {match.path.type} {match.path.value}"
    return ", ".join(filter(None, (path, match.method, *named, *asked)))
