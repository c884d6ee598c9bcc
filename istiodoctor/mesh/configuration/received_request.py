"""What Envoy makes of a request before it chooses a route.

Source: Envoy's source/common/http/conn_manager_utility.cc (`mutateRequestHeaders`,
`maybeNormalizePath`, `getScheme`), conn_manager_impl.cc (`ActiveStream::decodeHeaders`),
http1/codec_impl.cc (`ServerConnectionImpl`); what only experiments tell is measured with 1.40.
Istio sets `use_remote_address`, and lets a fragment be cut off instead of refused
(pkg/bootstrap/config.go:400).
"""

from collections.abc import Iterable

from msgspec.structs import replace

from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.mesh.configuration.received_headers import SET_BY_ENVOY, kept_headers
from istiodoctor.mesh.configuration.received_path import normalized_target
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.configuration.request_line import (
    EarlyAnswer,
    RequestMessage,
    absolute_form,
    malformed_message,
    refused_message,
)
from istiodoctor.mesh.configuration.texts import ascii_lower
from istiodoctor.model.value import Value

HTTP, HTTPS = "http", "https"
SCHEMES = frozenset({HTTP, HTTPS})


class ReceivedRequest(Value, frozen=True, kw_only=True):
    """A request as routes and policies see it."""

    method: str
    authority: str
    """Host or `:authority` with its port, case and last dot as sent; may be empty."""
    path: str
    """`:path`: normalised as the connection manager is told to, with its query."""
    scheme: str | None
    """`:scheme`; None where it is not known whether the client is believed."""
    forwarded_proto: str | None
    """X-Forwarded-Proto in force, as written; None where that is not known."""
    is_tls: bool = False
    """Whether the connection itself is TLS."""
    headers: tuple[tuple[str, str], ...] = ()
    """The others, names in lower case, one of each value that was sent."""
    refused_upgrade: str = ""
    """A protocol that the client asks to change to and Envoy does not allow: any route that is
    found answers 403."""

    @property
    def path_only(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]

    @property
    def query(self) -> str | None:
        """What follows the `?`; None without one."""
        _, mark, query = self.path.partition("?")
        return query if mark else None

    def values(self, name: str) -> tuple[str, ...] | None:
        """Return the values of a header or pseudo-header; none without it, None if not known."""
        match ascii_lower(name):
            case ":method":
                return (self.method,)
            case ":authority" | "host":
                return (self.authority,)
            case ":path":
                return (self.path,)
            case ":scheme":
                return None if self.scheme is None else (self.scheme,)
            case "x-forwarded-proto":
                return None if self.forwarded_proto is None else (self.forwarded_proto,)
            case lowered if lowered in SET_BY_ENVOY:
                return None
            case lowered:
                return tuple(value for each, value in self.headers if each == lowered)

    def is_present(self, name: str) -> bool | None:
        """Whether there is a header; None where that is not known."""
        values = self.values(name)
        return SET_BY_ENVOY.get(ascii_lower(name), True) if values is None else bool(values)


def received(
    request: Request, options: HttpOptions, *, is_tls: bool, version: str = "1.1"
) -> ReceivedRequest | EarlyAnswer:
    """Return what Envoy makes of a request, or how it answers before it looks for a route."""
    return received_message(_message(request, version), options, is_tls=is_tls)


def received_message(
    message: RequestMessage, options: HttpOptions, *, is_tls: bool
) -> ReceivedRequest | EarlyAnswer:
    """Return the same for a request as its bytes say it."""
    absolute = absolute_form(message)
    if absolute:
        message = replace(message, host=absolute[1], target=absolute[2])
    written_scheme = absolute[0] if absolute else ""
    answer = malformed_message(message, options, is_absolute=absolute is not None)
    if answer is None and written_scheme == HTTPS and not is_tls and options.trusted_hops == 0:
        answer = EarlyAnswer(status=403, reason="its URL says https and it came in the clear")
    answer = answer or refused_message(message, options)
    path = answer or normalized_target(message.target, options)
    if isinstance(path, EarlyAnswer):
        return path
    forwarded = _forwarded_proto(message, options, is_tls=is_tls)
    headers, upgrade = kept_headers(message.headers, options)
    return ReceivedRequest(
        method=message.method,
        authority=message.host or "",
        path=path,
        scheme=written_scheme or _scheme(forwarded, is_tls=is_tls),
        forwarded_proto=forwarded,
        is_tls=is_tls,
        headers=headers,
        refused_upgrade=upgrade,
    )


def _message(request: Request, version: str) -> RequestMessage:
    return RequestMessage(
        method=request.method,
        target=request.target,
        host=request.authority,
        headers=tuple((name, value) for name, value in request.headers if name != "host"),
        version=version,
    )


def _forwarded_proto(message: RequestMessage, options: HttpOptions, *, is_tls: bool) -> str | None:
    """Return X-Forwarded-Proto as Envoy leaves it: the client's own behind trusted hops only."""
    own = HTTPS if is_tls else HTTP
    sent = _joined(message.headers, "x-forwarded-proto")
    if sent is None or sent == own or options.trusted_hops == 0:
        return own
    return None if options.trusted_hops is None else sent


def _joined(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    found = [value for each, value in headers if ascii_lower(each) == name]
    return ",".join(found) if found else None


def _scheme(forwarded: str | None, *, is_tls: bool) -> str | None:
    """Return `:scheme` (`getScheme`): X-Forwarded-Proto where it is one of the two."""
    if forwarded is None:
        return None
    lowered = ascii_lower(forwarded)
    return lowered if lowered in SCHEMES else (HTTPS if is_tls else HTTP)
