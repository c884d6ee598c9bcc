"""A request that failed: why, in words for people and for decisions."""

import re
import ssl

import msgspec
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

from istiodoctor.model.kind import Kind
from istiodoctor.model.redaction import redact_words
from istiodoctor.model.snapshot import Unread, UnreadReason
from istiodoctor.sources.cluster.bounded_answers import IncompleteAnswer

UNSERVED = b"404 page not found"
"""How an API server answers for a resource that is not installed (`http.NotFound`, by way of
kubernetes/apiserver pkg/server/mux/pathrecorder.go). A Status of 404 comes from a resource that
is, and a list of one is never a 404."""
OVERLOADED = frozenset({429, 500, 502, 503, 504})
LONGEST_WORDS = 500
MOST_WORDS = 10_000
"""Characters of which the longest words are made: a secret is cut out before they are cut."""
ATTEMPTS = 5
ATTEMPTS_TO_CONNECT = 2
ATTEMPTS_IN_SILENCE = 2
"""A server that says nothing at all is asked once more, not five times."""
_NUMBERED = re.compile(r"\[Errno -?\d+\] ")


class RequestError(Exception):
    """A request that brought nothing, and why: in the server's words where it had some."""

    def __init__(
        self,
        message: str,
        *,
        reason: UnreadReason = UnreadReason.FAILED,
        status: int = 0,
        attempts: int = 1,
        silent: bool = False,
        pause: float = 0,
        too_large: bool = False,
        untrusted: bool = False,
        unserved: bool = False,
        not_found: bool = False,
    ) -> None:
        """Keep what the next step depends on.

        `attempts`: how many are worth while in all, with `pause` seconds between them at the
        least. `silent`: nobody answered. `untrusted`: the server's certificate was refused.
        `unserved`: the path is none that the server knows. `not_found`: it knows the path, and
        has no object of that name.
        """
        words = " ".join(message[:MOST_WORDS].split())
        self.message = redact_words(words, keeps_queries=True)[:LONGEST_WORDS]
        super().__init__(self.message)
        self.reason = reason
        self.status = status
        self.attempts = attempts
        self.silent = silent
        self.pause = pause
        self.too_large = too_large
        self.untrusted = untrusted
        self.unserved = unserved
        self.not_found = not_found

    @property
    def forbidden(self) -> bool:
        """Whether the server knows the request, and us, and does not permit it."""
        return self.status == 403

    @property
    def is_late(self) -> bool:
        """Whether it was a matter of time."""
        return self.reason is UnreadReason.TIMED_OUT

    def unread(self, kind: Kind, namespace: str = "", name: str = "") -> Unread:
        """Return what was not read by it."""
        return Unread(
            kind=kind, namespace=namespace, name=name, reason=self.reason, message=self.message
        )


class _Status(msgspec.Struct):
    kind: str = ""
    reason: str = ""
    message: str = ""


def of_status(status: int, phrase: str, headers: dict[str, str], body: bytes) -> RequestError:
    """Return the failure that an answer other than 200 is."""
    said = _status(body)
    words = redact_words((_words(headers, body) if said is None else said.message)[:MOST_WORDS])
    message = f"{status} {phrase}: {words}" if words else f"{status} {phrase}"
    reason = UnreadReason.FAILED
    if status in (401, 403):
        reason = UnreadReason.FORBIDDEN
    elif status == 504:
        reason = UnreadReason.TIMED_OUT
    elif 300 <= status < 400:
        message += "; redirects are not followed"
    after = headers.get("retry-after", "")
    return RequestError(
        message,
        reason=reason,
        status=status,
        attempts=ATTEMPTS if status in OVERLOADED else 1,
        pause=float(after) if after.isascii() and after.isdigit() else 0,
        unserved=status == 404 and body.strip() == UNSERVED,
        not_found=status == 404
        and said is not None
        and (said.kind, said.reason) == ("Status", "NotFound"),
    )


def _status(body: bytes) -> _Status | None:
    try:
        return msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _words(headers: dict[str, str], body: bytes) -> str:
    """Return the first line of a plain text; a page of HTML says nothing."""
    if "html" in headers.get("content-type", ""):
        return ""
    return body.decode(errors="replace").strip().partition("\n")[0]


def of_exception(error: Exception) -> RequestError:
    """Return the failure that an exception of the transport is, without what was sent."""
    match error:
        case ReadTimeoutError() if isinstance(error.__cause__, IncompleteAnswer):
            return incomplete()
        case ReadTimeoutError() | TimeoutError():
            return silence("no answer in time")
        case NewConnectionError():
            text = _NUMBERED.sub("", str(error))
            return RequestError(text.rpartition("connection: ")[2], attempts=ATTEMPTS_TO_CONNECT)
        case ConnectTimeoutError():
            return silence("no connection in time")
        case ProxyError():
            return RequestError("the proxy does not connect to it", attempts=ATTEMPTS_TO_CONNECT)
        case LocationValueError():
            return RequestError("the server's URL is not valid")
        case ssl.SSLError() | HTTPError() | ConnectionError():
            return RequestError(f"the connection broke: {type(error).__name__}", attempts=ATTEMPTS)
        case OSError():
            return RequestError(f"{error.strerror or type(error).__name__}")
        case _:  # a header that cannot be sent: its text is the credential
            return RequestError("the credentials of the kubeconfig cannot be sent in a request")


def of_tls(words: str) -> RequestError:
    """Return the failure that a TLS handshake ended in."""
    untrusted = "CERTIFICATE_VERIFY_FAILED" in words or "doesn't match" in words
    return RequestError(
        f"TLS: {words}", untrusted=untrusted, attempts=1 if untrusted else ATTEMPTS
    )


def silence(message: str) -> RequestError:
    """Return the failure of waiting in vain."""
    return RequestError(
        message, reason=UnreadReason.TIMED_OUT, attempts=ATTEMPTS_IN_SILENCE, silent=True
    )


def incomplete() -> RequestError:
    """Return the failure of an answer that began and did not end."""
    return RequestError("the answer was not complete in time", reason=UnreadReason.TIMED_OUT)


def late(seconds: float) -> RequestError:
    """Return the failure of what was not even asked, or not waited for."""
    message = f"the {seconds:g} s for reading this cluster were over"
    return RequestError(message, reason=UnreadReason.TIMED_OUT)
