"""What of a request is ever sent: nothing that could change something on the other side."""

from istiodoctor.mesh.configuration.request import Request

HARMLESS = frozenset({"GET", "HEAD"})
"""Methods of requests that change nothing; no other is ever sent."""
NEVER_SENT = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of one connection, or of a body: with them it would be another request."""


def why_not_sent(request: Request) -> str:
    """Say why a request is never sent; empty for one that is."""
    if request.method not in HARMLESS:
        return f"{request.method} may change something, so no request is sent"
    if request.sni == "":
        return "a request without SNI is never sent"
    target = request.target
    if not (target.isascii() and target.isprintable() and request.url.isascii()):
        return "the URL cannot be sent as it is written: encode it with percent signs"
    return ""


def can_be_sent(name: str, value: str) -> bool:
    """Whether a typed header is sent as typed."""
    if name.startswith(":") or name in NEVER_SENT:
        return False
    return value.isascii() and (value.isprintable() or not value)


def has_secrets(request: Request) -> bool:
    """Whether there are headers that not everybody should see."""
    return any(name != "host" for name, _ in request.headers)
