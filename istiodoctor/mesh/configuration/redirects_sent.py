"""Which redirect Envoy sends: its status and Location.

Source: Envoy's source/common/http/utility.cc (`newUri`, `processRequestHost`,
`createSslRedirectPath`) and source/common/router/config_impl.cc (`finalizePathHeaderForRedirect`,
`rewritePathByPrefixOrRegex`, `SslRedirector`).
"""

from istiodoctor.mesh.configuration.received_request import HTTP, HTTPS, ReceivedRequest
from istiodoctor.mesh.configuration.route import (
    PathComparison,
    Redirect,
    RegexRewrite,
    RouteMatch,
)
from istiodoctor.mesh.regular_expressions import substituted
from istiodoctor.model.http_statuses import MOVED_PERMANENTLY
from istiodoctor.model.value import Value

DEFAULT_PORTS = {HTTP: ":80", HTTPS: ":443"}


class SentRedirect(Value, frozen=True, kw_only=True):
    """A redirect as a client gets it."""

    status: int
    location: str


def https_redirect(request: ReceivedRequest) -> SentRedirect:
    """Return the redirect of a virtual host that requires TLS: the same URL by https.

    The port of the Host header is kept: a client that asked for port 8080 is sent to it again.
    """
    location = f"{HTTPS}://{request.authority}{request.path}"
    return SentRedirect(status=MOVED_PERMANENTLY, location=location)


def requires_redirect(request: ReceivedRequest) -> bool | None:
    """Whether a virtual host that requires TLS redirects a request instead of routing it.

    X-Forwarded-Proto decides, not the connection; compared with its case.
    """
    return None if request.forwarded_proto is None else request.forwarded_proto != HTTPS


def sent_redirect(
    redirect: Redirect, match: RouteMatch, request: ReceivedRequest
) -> SentRedirect | None:
    """Return what a redirect action answers; None where that is not known."""
    scheme = redirect.scheme or request.scheme
    path = rewritten_path(
        match, request.path, prefix=redirect.prefix_rewrite, regex=redirect.regex_rewrite
    )
    host = redirect.host or _kept_host(request, redirect, scheme)
    if scheme is None or path is None or host is None:
        return None
    port = f":{redirect.port}" if redirect.port else ""
    location = f"{scheme}://{host}{port}{_target(redirect, path)}"
    return SentRedirect(status=redirect.status, location=location)


def rewritten_path(
    match: RouteMatch, path: str, *, prefix: str, regex: RegexRewrite | None
) -> str | None:
    """Return a path, its query kept, after a rewrite; None for a pattern that Envoy refuses.

    What the match took of the path is replaced: all of it where it compares the whole path.
    """
    only, mark, query = path.partition("?")
    if prefix:
        is_part = match.comparison in (PathComparison.PREFIX, PathComparison.SEPARATED_PREFIX)
        rest = only[len(match.path) :] if is_part else ""
        return prefix + rest + mark + query
    if regex is None:
        return path
    written = substituted(regex.pattern, regex.substitution, only)
    if written is None:
        return None
    return written + mark + query if written else path  # nothing at all is no rewrite


def _kept_host(request: ReceivedRequest, redirect: Redirect, scheme: str | None) -> str | None:
    """Return the Host header without a port that would be wrong at its new place."""
    authority = request.authority
    end = authority.rfind("]:") + 1 if authority.startswith("[") else authority.rfind(":")
    if end <= 0 and not authority.startswith(":"):
        return authority
    if redirect.port:
        return authority[:end]
    if request.forwarded_proto is None or scheme is None:
        return None
    is_default = DEFAULT_PORTS.get(request.forwarded_proto) == authority[end:]
    return authority[:end] if is_default and scheme != request.forwarded_proto else authority


def _target(redirect: Redirect, path: str) -> str:
    _, mark, query = path.partition("?")
    own_query = "?" in redirect.path
    if redirect.path:
        path = redirect.path if own_query else redirect.path + mark + query
    path = path if path.startswith("/") else f"/{path}"
    return path.partition("?")[0] if redirect.strips_query and not own_query else path
