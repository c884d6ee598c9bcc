"""One request, and the redirects after it, followed by hand."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from urllib.parse import SplitResult, urljoin, urlsplit

from istiodoctor.model.observation import (
    AccessPoint,
    HttpObservation,
    HttpStep,
    HttpTarget,
    Outcome,
)
from istiodoctor.probes.answer import final_answer
from istiodoctor.probes.channel import Channel, Deadline, TlsChannel, TooMuchError
from istiodoctor.probes.connector import Connector
from istiodoctor.probes.tls import (
    Heard,
    after_handshake,
    client_context,
    connection_failure,
    ending,
)
from istiodoctor.probes.words import shown

MOST_REDIRECTS = 10
MOST_BODY = 2 * 1024
"""How much of an error's page is looked at; of other bodies, nothing."""
LONGEST_LOCATION = 2000
TOO_LONG = f"the Location is longer than the {LONGEST_LOCATION} characters that are looked at"
PORTS: Mapping[str, int] = {"http": 80, "https": 443}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SENT = frozenset({"GET", "HEAD"})
"""Methods that change nothing on the other side (RFC 9110 §9.2.1)."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

Connect = Callable[[AccessPoint], Connector]
Serves = Callable[[str], bool]


def request(
    target: HttpTarget, connect: Connect, serves: Serves, *, timeout: float
) -> HttpObservation:
    """Look at one target, redirects and all, in one time; nothing is raised."""
    deadline = Deadline(timeout)
    started = datetime.now(UTC)
    access_points = {(each.scheme, each.port): each.access_point for each in target.access_points}
    steps: list[HttpStep] = []
    url, outcome = target.url, Outcome.LOOP
    seen: set[str] = set()
    while url and url not in seen and len(steps) <= MOST_REDIRECTS:
        seen.add(url)
        access_point = _door(url, access_points, serves)
        if access_point is None:
            outcome = Outcome.LEFT
            break
        step, ended = _step(url, access_point, target, connect(access_point), deadline)
        steps.append(step)
        url = _next(step) if target.follows_redirects else ""
        if ended is not Outcome.ANSWERED or not url:
            outcome = ended
            break
    steps = steps or [HttpStep(url=target.url, error="the target leads nowhere")]
    return HttpObservation(target=target, outcome=outcome, steps=tuple(steps), at=started)


def _door(
    url: str, access_points: Mapping[tuple[str, int], AccessPoint], serves: Serves
) -> AccessPoint | None:
    """Return where a URL leads on this way; None where the gateway is not."""
    parts = _split(url)
    if parts is None or not parts.hostname or not serves(parts.hostname):
        return None
    return access_points.get((parts.scheme, port_of(parts)))


def port_of(parts: SplitResult) -> int:
    """Return the port of a URL, written or not."""
    return parts.port or PORTS.get(parts.scheme, 0)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _next(step: HttpStep) -> str:
    """Return where a redirect leads; empty when this is none, or none that can be followed."""
    if step.status not in REDIRECTS or not step.location or step.error:
        return ""
    try:
        return urljoin(step.url, step.location).partition("#")[0]
    except ValueError:
        return step.location  # what is no URL is served by nobody


def _step(
    url: str,
    access_point: AccessPoint,
    target: HttpTarget,
    connector: Connector,
    deadline: Deadline,
) -> tuple[HttpStep, Outcome]:
    step = HttpStep(url=url, access_point=access_point, at=datetime.now(UTC))
    channel: Channel | None = None
    heard = Heard()
    try:
        channel = Channel(connector, deadline)
        parts = urlsplit(url)
        wire: Channel | TlsChannel = channel
        if parts.scheme == "https":
            context = client_context(heard, alpn=("http/1.1",))
            wire = TlsChannel(channel, context, target.sni or parts.hostname or "")
            outcome, words = _agreed(wire, heard)
            if outcome is not Outcome.HANDSHAKE:
                return replace(step, error=words), outcome
        wire.send(_request(parts, target))
        return _answer(wire, step, target), Outcome.ANSWERED
    except ConnectionError as error:  # also http.client's own word for an early end
        return _failed(step, error, heard)
    except (HTTPException, ValueError, TooMuchError) as error:
        words = f"{type(error).__name__} {shown(error)}"
        return replace(step, error=words), Outcome.NOT_HTTP
    except Exception as error:  # whatever breaks, it is an observation
        return _failed(step, error, heard)
    finally:
        if channel is not None:
            channel.close()


def _agreed(wire: TlsChannel, heard: Heard) -> tuple[Outcome, str]:
    """Shake hands; a server that asked for a certificate may refuse only after that."""
    outcome, detail = ending(wire, heard, wire.handshake)
    if outcome is Outcome.HANDSHAKE and heard.client_certificate_requested:
        outcome, detail = after_handshake(wire, heard)
    return outcome, heard.alert or detail or str(outcome)


def _failed(step: HttpStep, error: Exception, heard: Heard) -> tuple[HttpStep, Outcome]:
    if heard.alert:
        return replace(step, error=heard.alert), Outcome.ALERT
    failed = connection_failure(error)
    return replace(step, error=failed["detail"] or str(failed["outcome"])), failed["outcome"]


def _request(parts: SplitResult, target: HttpTarget) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or not path.isprintable() or " " in path:
        raise ValueError("the path cannot be sent")
    if target.method not in SENT or not all(map(_can_be_sent, target.headers)):
        raise ValueError("the method or a header is never sent")
    headers = {
        "host": parts.netloc.rpartition("@")[2],
        "user-agent": "istiodoctor",
        "accept": "*/*",
        **({"x-forwarded-proto": target.forwarded_proto} if target.forwarded_proto else {}),
        **dict(target.headers),
        "connection": "close",
    }
    lines = (f"{'-'.join(map(str.capitalize, k.split('-')))}: {v}" for k, v in headers.items())
    first = f"{target.method} {path} HTTP/{target.http_version}"
    return "\r\n".join((first, *lines, "", "")).encode("ascii")


def _can_be_sent(header: tuple[str, str]) -> bool:
    name, value = header
    return bool(_TOKEN.fullmatch(name)) and value.isascii() and (value.isprintable() or not value)


def _answer(wire: Channel | TlsChannel, step: HttpStep, target: HttpTarget) -> HttpStep:
    response = final_answer(wire, target.method)
    headers = response.headers
    location = headers.get("location") or ""
    is_error, wanted = response.status >= 400, target.answer_begins
    body = _body(response) if is_error or wanted else ""
    return replace(
        step,
        status=response.status,
        location=_header(location, LONGEST_LOCATION),
        server=_header(headers.get("server")),
        from_upstream="x-envoy-upstream-service-time" in headers,
        strict_transport_security=_header(headers.get("strict-transport-security")),
        date=_date(headers.get("date")),
        at=datetime.now(UTC),
        body=shown(body) if is_error else "",
        is_expected=not is_error and body.startswith(wanted) if wanted else None,
        error=TOO_LONG if len(location) > LONGEST_LOCATION else "",
    )


def _header(value: object, most: int = 200) -> str:
    # Location is kept as it is: whether it is the same URL is the question.
    return str(value or "")[:most].strip()


def _body(response: HTTPResponse) -> str:
    """Return the beginning of an error's page: the status came, whatever comes of the body."""
    try:
        return response.read1(MOST_BODY).decode("utf-8", "replace")
    except (HTTPException, OSError, ValueError):
        return ""


def _date(value: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(value or "")
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
