"""From the answers of Envoy's admin port to an EnvoyState.

https://www.envoyproxy.io/docs/envoy/latest/operations/admin
"""

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from istiodoctor.model import envoy_shapes as shapes
from istiodoctor.model.certificates import read_bundle
from istiodoctor.model.credential import PemBundle
from istiodoctor.model.decode import Undecodable
from istiodoctor.model.envoy import (
    EnvoyCertificate,
    EnvoyListener,
    EnvoySecret,
    EnvoyState,
    ListenerState,
    SecretStatus,
)
from istiodoctor.model.envoy_listeners import joined, listener_of, listeners_of
from istiodoctor.model.envoy_parts import answered, config_parts, decoded
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading, Unread, UnreadReason

NEVER_RECEIVED = "uninitialized"
WHOLE_LISTENERS = b'.ListenersConfigDump"'
"""What a whole dump has, whether or not there are listeners in it."""

_UPTIME = re.compile(r"(\d{1,9})(?:\.\d+)?s")
_VERSION = re.compile(r"[^/]*/([^/]+)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyAnswers:
    """What the admin port answered, as bytes; empty for what it does not have.

    None where there is no answer, or where it is not among recorded ones.
    """

    certs: bytes | None = b""
    """Of `/certs`."""
    config_dumps: tuple[bytes, ...] = ()
    """Of `/config_dump`: the whole, or parts by `?resource=`, in one or several answers."""
    knows_listeners: bool = False
    """Whether those hold every listener there is: an answer without any does not say so."""
    listeners: bytes | None = b""
    """Of `/listeners?format=json`."""
    server_info: bytes | None = b""
    missing: tuple[Unread, ...] = ()
    """Why there are no others."""


def decode_envoy(pod: Ref, *, taken_at: datetime, answers: EnvoyAnswers) -> Reading:
    """Return the state of a pod's Envoy as far as its answers tell, and what they do not.

    One answer that is of no use takes nothing from the others; without any there is no state.
    """
    state = EnvoyState(
        pod=pod,
        taken_at=taken_at,
        certificates=None,
        knows_listeners=answers.knows_listeners,
    )
    steps: tuple[tuple[Callable[[EnvoyState, bytes], EnvoyState], bytes | None], ...] = (
        (_with_certificates, answers.certs),
        *((_with_config_dump, each) for each in answers.config_dumps),
        (_with_listeners, answers.listeners),
        (_with_server_info, answers.server_info),
    )
    unread = list(answers.missing)
    is_known = False
    for step, answer in steps:
        try:
            state = state if answer is None else step(state, answer)
        except Undecodable as error:
            words = f"what Envoy answers cannot be used: {error}"
            unread.append(unread_envoy(pod, words))
        else:
            is_known = is_known or bool(answer and answer.strip())
    if unread and not is_known:
        return Reading(unread=tuple(unread[:1]))
    return Reading(envoys=(state,), unread=tuple(unread))


def unread_envoy(
    pod: Ref, message: str, reason: UnreadReason = UnreadReason.FAILED, file: str | None = None
) -> Unread:
    """Return the Envoy of a pod as something that was not read."""
    return Unread(
        kind=Kind.ENVOY,
        namespace=pod.namespace,
        name=pod.name,
        reason=reason,
        message=message,
        file=file,
    )


def decode_config_dump(
    *answers: bytes,
) -> tuple[tuple[EnvoySecret, ...], tuple[EnvoyListener, ...]]:
    """Return the Secrets and listeners in answers of `/config_dump`; raises Undecodable."""
    secrets: list[EnvoySecret] = []
    listeners: list[EnvoyListener] = []
    for kind, raw in config_parts(*answers):
        match kind:
            case "SecretsConfigDump":
                secrets += _secrets(decoded(raw, shapes.SecretsDump, "config_dump"))
            case "SecretsConfigDump.DynamicSecret":
                secrets.append(_secret(decoded(raw, shapes.DynamicSecret, "config_dump")))
            case "ListenersConfigDump":
                listeners += listeners_of(decoded(raw, shapes.ListenersDump, "config_dump"))
            case "ListenersConfigDump.DynamicListener":
                listeners.append(listener_of(decoded(raw, shapes.DynamicListener, "config_dump")))
    return tuple(secrets), tuple(listeners)


def decode_listeners(answer: bytes) -> tuple[EnvoyListener, ...]:
    """Return the listeners that Envoy has open; raises Undecodable."""
    return tuple(
        EnvoyListener(
            name=each.name,
            address=each.local_address.socket_address.address,
            port=each.local_address.socket_address.port_value,
            states=frozenset({ListenerState.ACTIVE}),
        )
        for each in answered(answer, shapes.Listeners, "listeners").listener_statuses
    )


def decode_certificates(answer: bytes) -> tuple[EnvoyCertificate, ...]:
    """Return the certificates that Envoy has loaded; raises Undecodable."""
    groups = answered(answer, shapes.Certificates, "certs").certificates
    return tuple(
        _certificate(each, is_ca=is_ca)
        for group in groups
        for is_ca, found in ((False, group.cert_chain), (True, group.ca_cert))
        for each in found
    )


def _with_certificates(state: EnvoyState, answer: bytes) -> EnvoyState:
    return replace(state, certificates=decode_certificates(answer))


def _with_config_dump(state: EnvoyState, answer: bytes) -> EnvoyState:
    secrets, listeners = decode_config_dump(answer)
    return replace(
        state,
        knows_listeners=state.knows_listeners or bool(listeners) or WHOLE_LISTENERS in answer,
        secrets=(*state.secrets, *secrets),
        listeners=joined((*state.listeners, *listeners), ()),
    )


def _with_listeners(state: EnvoyState, answer: bytes) -> EnvoyState:
    return replace(state, listeners=joined(state.listeners, decode_listeners(answer)))


def _with_server_info(state: EnvoyState, answer: bytes) -> EnvoyState:
    info = answered(answer, shapes.ServerInfo, "server_info")
    version, uptime = _VERSION.match(info.version), _UPTIME.fullmatch(info.uptime_all_epochs)
    return replace(
        state,
        version=version[1] if version else info.version,
        lifecycle=info.state,
        uptime=timedelta(seconds=int(uptime[1])) if uptime else None,
    )


def _secrets(dump: shapes.SecretsDump) -> Iterator[EnvoySecret]:
    for each in dump.dynamic_active_secrets:
        yield replace(_secret(each), status=SecretStatus.ACTIVE)
    for each in dump.dynamic_warming_secrets:
        yield replace(_secret(each), status=SecretStatus.WARMING)


def _secret(found: shapes.DynamicSecret) -> EnvoySecret:
    """Return a Secret; one that was received is active, wherever it stands alone."""
    chain, client_ca = found.secret.tls_certificate, found.secret.validation_context
    received = found.version_info != NEVER_RECEIVED and bool(chain or client_ca)
    source = shapes.DataSource()
    if chain:
        source = chain.certificate_chain
    elif client_ca:
        source = client_ca.trusted_ca
    return EnvoySecret(
        name=found.name,
        status=SecretStatus.ACTIVE if received else SecretStatus.WARMING,
        version_info=found.version_info,
        last_updated=found.last_updated,
        is_initialized=received,
        is_ca=chain is None and client_ca is not None,
        bundle=_bundle(source),
    )


def _bundle(source: shapes.DataSource) -> PemBundle:
    if source.inline_string:
        return read_bundle(source.inline_string.encode(errors="replace"))
    try:
        return read_bundle(binascii.a2b_base64(source.inline_bytes))
    except (binascii.Error, ValueError):
        return PemBundle()  # what it is cannot be told: Envoy itself writes base64


def _certificate(found: shapes.Certificate, *, is_ca: bool) -> EnvoyCertificate:
    names = (each.dns or each.uri or each.ip_address for each in found.subject_alt_names)
    return EnvoyCertificate(
        serial=found.serial_number.lower(),
        subject_alternative_names=tuple(filter(None, names)),
        not_before=found.valid_from,
        not_after=found.expiration_time,
        path=found.path,
        is_ca=is_ca,
    )
