"""Filters of the Gateway API's routes as istiod writes them into VirtualServices.

Source: pilot/pkg/config/kube/gateway/conversion.go:1302-1516.
"""

import re
from collections.abc import Iterable

from istiodoctor.mesh.configuration.api_backends import RouteFault
from istiodoctor.model.istio import (
    CorsPolicy,
    HeaderOperations,
    Headers,
    HttpRedirect,
    HttpRewrite,
    StringMatch,
    UriRegexRewrite,
)
from istiodoctor.model.routefilters import (
    CorsFilter,
    HeaderModifier,
    HeaderValue,
    RequestRedirect,
    RouteFilter,
    UrlRewrite,
)

REQUEST_HEADERS = "RequestHeaderModifier"
RESPONSE_HEADERS = "ResponseHeaderModifier"
REDIRECT = "RequestRedirect"
REWRITE = "URLRewrite"
MIRROR = "RequestMirror"
CORS = "CORS"
FULL_PATH = "ReplaceFullPath"
PREFIX = "ReplacePrefixMatch"
ANY_ORIGIN = r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s?#]+$"
"""What istiod writes for the origin `*` (conversion.go:1355)."""
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""What Go's `regexp.QuoteMeta` escapes."""


def redirect(written: RequestRedirect) -> HttpRedirect:
    """Return a RequestRedirect (conversion.go:1416).

    Without a port of its own it takes that of its scheme, or keeps the request's.
    """
    path = written.path
    derive = "FROM_PROTOCOL_DEFAULT" if written.scheme else "FROM_REQUEST_PORT"
    return HttpRedirect(
        redirect_code=written.status_code,
        authority=written.hostname,
        scheme=written.scheme,
        port=written.port,
        derive_port="" if written.port else derive,
        uri=path.replace_full_path if path and path.type == FULL_PATH else "",
        prefix_rewrite=path.replace_prefix_match if path and path.type == PREFIX else "",
    )


def rewrite(written: UrlRewrite) -> HttpRewrite | None:
    """Return an URLRewrite; None where it changes nothing (conversion.go:1325)."""
    path = written.path
    uri, regex = "", None
    if path and path.type == PREFIX:
        uri = path.replace_prefix_match.removesuffix("/") or "/"
    elif path and path.type == FULL_PATH:
        regex = UriRegexRewrite(match="/.*", rewrite=path.replace_full_path)
    if not (uri or regex or written.hostname):
        return None
    return HttpRewrite(uri=uri, uri_regex_rewrite=regex, authority=written.hostname)


def cors(written: CorsFilter) -> CorsPolicy:
    """Return a CORS filter; preflights of other origins go to the backend (conversion.go:1349)."""
    return CorsPolicy(
        allow_origins=tuple(_origin(each) for each in written.allow_origins if each),
        unmatched_preflights="IGNORE",
    )


def _origin(written: str) -> StringMatch:
    if written == "*":
        return StringMatch(regex=ANY_ORIGIN)
    if "*" not in written:
        return StringMatch(exact=written)
    if written.count("*") == 1 and written.endswith("*"):
        return StringMatch(prefix=written.removesuffix("*"))
    quoted = _SPECIAL.sub(lambda found: f"\\{found[0]}", written).replace(r"\*", ".*")
    return StringMatch(regex=f"^{quoted}$")


def headers(filters: Iterable[RouteFilter], path: str) -> Headers | None:
    """Return what filters change of headers; the last one of each kind counts."""
    request = response = None
    for index, each in enumerate(filters):
        where = f"{path}/{index}"
        if each.type == REQUEST_HEADERS and each.request_header_modifier:
            request = _operations(each.request_header_modifier, where)
        elif each.type == RESPONSE_HEADERS and each.response_header_modifier:
            response = _operations(each.response_header_modifier, where)
    if request is None and response is None:
        return None
    none = HeaderOperations()
    return Headers(request=request or none, response=response or none)


def _operations(written: HeaderModifier, path: str) -> HeaderOperations:
    for each in (*written.set, *written.add):
        if not _is_sendable(each.value):
            raise RouteFault(f"the value of the header {each.name} has a control character", path)
    return HeaderOperations(
        set=_by_name(written.set), add=_by_name(written.add), remove=written.remove
    )


def _by_name(values: tuple[HeaderValue, ...]) -> dict[str, str]:
    """Return values by name in lower case; the first of equal names counts."""
    return {each.name.lower(): each.value for each in reversed(values)}


def _is_sendable(value: str) -> bool:
    """Whether a header may have a value (`isValidHeaderValue`, conversion.go:1460)."""
    return all(each == "\t" or (each >= " " and each != "\x7f") for each in value)
