"""One handshake: what was agreed on, what was shown, how it was refused."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from istiodoctor.model.observation import Outcome, TlsObservation, TlsTarget
from istiodoctor.model.x509_facts import facts_of
from istiodoctor.probes.authorities import acceptable_client_cas
from istiodoctor.probes.chain import Trust, Verdict
from istiodoctor.probes.channel import Channel, Deadline, TlsChannel, served_chain
from istiodoctor.probes.connector import Connector, NotPermittedError
from istiodoctor.probes.words import shown

ALPN = ("h2", "http/1.1")
MOST_CERTIFICATES = 20
PATIENCE_AFTER_HANDSHAKE = 2.0
"""How many seconds a refusal of the (absent) client certificate is waited for in TLS 1.3."""
TLS_RECORDS = range(20, 24)
"""The content types that a TLS record can begin with (RFC 8446 §5.1)."""


@dataclass(slots=True)
class Heard:
    """What TLS said beside what the library passes on."""

    client_certificate_requested: bool = False
    acceptable_client_cas: tuple[str, ...] = ()
    alert: str = ""

    def __call__(
        self, _: object, direction: str, version: object, content: object, kind: Any, data: bytes
    ) -> None:
        """Take note of one message."""
        if direction != "read":
            return
        name = getattr(kind, "name", "")
        if name == "CERTIFICATE_REQUEST":
            self.client_certificate_requested = True
            self.acceptable_client_cas = acceptable_client_cas(data)
        elif getattr(content, "name", "") == "ALERT" and name and name != "CLOSE_NOTIFY":
            self.alert = name.lower().replace("_", " ")


def client_context(heard: Heard | None = None, *, alpn: tuple[str, ...] = ALPN) -> ssl.SSLContext:
    """Return the settings of a client that looks at everything and trusts nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.set_alpn_protocols(list(alpn))
    if heard is not None:
        context._msg_callback = heard  # type: ignore[attr-defined]  # the only way to see it
    return context


def shake_hands(
    target: TlsTarget, connector: Connector, *, timeout: float, trust: Trust
) -> TlsObservation:
    """Look at one target, within one time; whatever happens is an observation, nothing is raised.

    Where TLS is agreed on, it is tried again with older versions alone.
    """
    deadline = Deadline(timeout)
    seen = _shaken(target, connector, deadline, trust)
    if seen.outcome is not Outcome.HANDSHAKE:
        return seen
    versions, older_alert = list(seen.versions), ""
    if seen.version == "TLSv1.3":
        older = _shaken(target, connector, deadline, newest=ssl.TLSVersion.TLSv1_2)
        versions += older.versions
        older_alert = older.alert
    versions += _shaken(target, connector, deadline, newest=ssl.TLSVersion.TLSv1_1).versions
    return replace(seen, versions=tuple(sorted(versions)), older_alert=older_alert)


def _shaken(
    target: TlsTarget,
    connector: Connector,
    deadline: Deadline,
    trust: Trust | None = None,
    *,
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
) -> TlsObservation:
    heard = Heard()
    seen = TlsObservation(target=target, outcome=Outcome.FAILED, at=datetime.now(UTC))
    try:
        context = client_context(heard)
        if newest is ssl.TLSVersion.TLSv1_1:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
        channel = Channel(connector, deadline)
    except Exception as error:  # whatever lends connections, its failure is an observation
        return replace(seen, **connection_failure(error))
    try:
        return _on(channel, context, heard, seen, trust)
    except Exception as error:  # a hostile server may break a library in any way
        return replace(seen, detail=shown(error))
    finally:
        channel.close()


def _on(
    channel: Channel,
    context: ssl.SSLContext,
    heard: Heard,
    seen: TlsObservation,
    trust: Trust | None,
) -> TlsObservation:
    try:
        secured = TlsChannel(channel, context, seen.target.sni)
    except ValueError as error:
        return replace(seen, detail=f"{seen.target.sni} cannot be sent as a name: {shown(error)}")
    outcome, detail = ending(secured, heard, secured.handshake)
    version = secured.tls.version() or ""
    if outcome is Outcome.HANDSHAKE and heard.client_certificate_requested:
        outcome, detail = after_handshake(secured, heard)
    seen = replace(
        seen,
        outcome=outcome,
        detail=detail,
        alert=heard.alert,
        client_certificate_requested=heard.client_certificate_requested,
        acceptable_client_cas=heard.acceptable_client_cas,
        **_certificates(secured, seen.target, trust),
    )
    # The library tells a version before anything was agreed on, and none after a refusal.
    if outcome is not Outcome.HANDSHAKE and not seen.chain:
        return seen
    return replace(
        seen,
        version=version,
        versions=(version,) if outcome is Outcome.HANDSHAKE else (),
        alpn=secured.tls.selected_alpn_protocol() or "",
        cipher=(secured.tls.cipher() or ("",))[0],
    )


def after_handshake(secured: TlsChannel, heard: Heard) -> tuple[Outcome, str]:
    """Wait for what TLS 1.3 says of a missing client certificate: it comes with the first read.

    Nothing is sent meanwhile: a server that closes on unread bytes would take its alert back.
    Silence is no refusal.
    """
    patience = secured.deadline
    secured.deadline = patience.at_most(PATIENCE_AFTER_HANDSHAKE)

    def read() -> None:
        if not secured.receive():
            raise ConnectionResetError("the connection was closed after the handshake")

    outcome, detail = ending(secured, heard, read)
    secured.deadline = patience
    if outcome is Outcome.TIMED_OUT:
        return Outcome.HANDSHAKE, ""
    return outcome, detail


def ending(secured: TlsChannel, heard: Heard, step: Callable[[], None]) -> tuple[Outcome, str]:
    """Take a step in TLS; return how it ended, HANDSHAKE when well, and the words for it."""
    try:
        step()
    except TimeoutError:
        # Envoy says something at once or closes: what has come tells plain text from silence.
        return _plain(secured) or (Outcome.TIMED_OUT, "")
    except ssl.SSLError as error:
        if heard.alert:
            return Outcome.ALERT, ""
        if isinstance(error, ssl.SSLEOFError):
            return _plain(secured) or (Outcome.RESET, "")
        return _plain(secured) or (Outcome.FAILED, shown(error.reason or error))
    except OSError as error:
        if heard.alert:
            return Outcome.ALERT, ""
        found = connection_failure(error)
        return _plain(secured) or (found["outcome"], found["detail"])
    return Outcome.HANDSHAKE, ""


def _plain(secured: TlsChannel) -> tuple[Outcome, str] | None:
    """Return the outcome for an answer that is not TLS; None for TLS, and for no answer."""
    first = secured.first
    if not first or (first[0] in TLS_RECORDS and first[1:2] in (b"", b"\x03")):
        return None
    return Outcome.NOT_TLS, shown(first.split(b"\n", 1)[0].decode("latin-1"))


def connection_failure(error: Exception) -> dict[str, Any]:
    """Return outcome and words for a connection that did not come about, or broke."""
    match error:
        case NotPermittedError():
            outcome = Outcome.NOT_PERMITTED
        case ConnectionRefusedError():
            outcome = Outcome.REFUSED
        case socket.gaierror() if error.errno == socket.EAI_AGAIN:
            outcome = Outcome.FAILED  # the name server did not answer: nothing was learned
        case TimeoutError():
            outcome = Outcome.TIMED_OUT
        case ConnectionError():
            outcome = Outcome.RESET
        case PermissionError():
            outcome = Outcome.FORBIDDEN
        case ssl.SSLEOFError():
            outcome = Outcome.RESET
        case ssl.SSLError():
            outcome = Outcome.FAILED
        case OSError() if error.errno is not None:
            outcome = Outcome.UNREACHABLE
        case _:
            outcome = Outcome.FAILED
    return {"outcome": outcome, "detail": shown(error)}


def _certificates(secured: TlsChannel, target: TlsTarget, trust: Trust | None) -> dict[str, Any]:
    try:
        encoded = served_chain(secured.tls)
    except Exception:  # before the server's certificates there is nothing to ask for
        encoded = ()
    found = [facts_of(each) for each in encoded[:MOST_CERTIFICATES]]
    judged = trust.judge(encoded, target.sni) if trust is not None and encoded else Verdict()
    return {
        "chain": tuple(each for each in found if each),
        "unreadable_certificates": found.count(None),
        "verified": judged.verified,
        "reason": judged.reason,
        "chain_is_trusted": judged.chain_is_trusted,
    }
