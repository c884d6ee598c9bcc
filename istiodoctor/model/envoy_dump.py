"""From the answers of Envoy's admin port to an EnvoyState.

https://www.envoyproxy.io/docs/envoy/latest/operations/admin
"""

import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from istiodoctor.model import envoy_shapes as shapes
from istiodoctor.model.certificates import read_bundle
from istiodoctor.model.credential import PemBundle
from istiodoctor.model.decode import Undecodable
from istiodoctor.model.envoy import (
    EnvoyCertificate,
    EnvoyFilterChain,
    EnvoyListener,
    EnvoySecret,
    EnvoyState,
    ListenerState,
    SecretStatus,
)
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading, Unread, UnreadReason

MOST_BYTES = 64 * 1024 * 1024
"""The largest answer that is looked at."""
NEVER_RECEIVED = "uninitialized"
LONGEST_ERROR = 2000

_NEXT_DOCUMENT = re.compile(rb"(?<=\n\})\s+(?=\{)")
_UPTIME = re.compile(r"(\d{1,9})(?:\.\d+)?s")
_TYPE = re.compile(r".*\.v\d\w*\.([\w.]+)")
_VERSION = re.compile(r"[^/]*/([^/]+)/")

S = TypeVar("S", bound=shapes.Part)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyAnswers:
    """What the admin port answered, as bytes; empty for what it does not have.

    None where there is no answer, or where it is not among recorded ones.
    """

    certs: bytes | None = b""
    """Of `/certs`."""
    config_dumps: tuple[bytes, ...] = ()
    """Of `/config_dump`: the whole, or parts by `?resource=`, in one or several answers."""
    listeners: bytes | None = b""
    """Of `/listeners?format=json`."""
    server_info: bytes | None = b""
    missing: tuple[Unread, ...] = ()
    """Why there are no others."""


def decode_envoy(pod: Ref, *, taken_at: datetime, answers: EnvoyAnswers) -> Reading:
    """Return the state of a pod's Envoy as far as its answers tell, and what they do not.

    One answer that is of no use takes nothing from the others; without any there is no state.
    """
    state = EnvoyState(pod=pod, taken_at=taken_at, certificates=None)
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
    for raw in _configs(answers):
        match _type(raw):
            case "SecretsConfigDump":
                secrets += _secrets(_decoded(raw, shapes.SecretsDump, "config_dump"))
            case "SecretsConfigDump.DynamicSecret":
                secrets.append(_secret(_decoded(raw, shapes.DynamicSecret, "config_dump")))
            case "ListenersConfigDump":
                listeners += _listeners(_decoded(raw, shapes.ListenersDump, "config_dump"))
            case "ListenersConfigDump.DynamicListener":
                listeners.append(_listener(_decoded(raw, shapes.DynamicListener, "config_dump")))
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
        for each in _answer(answer, shapes.Listeners, "listeners").listener_statuses
    )


def decode_certificates(answer: bytes) -> tuple[EnvoyCertificate, ...]:
    """Return the certificates that Envoy has loaded; raises Undecodable."""
    groups = _answer(answer, shapes.Certificates, "certs").certificates
    return tuple(
        _certificate(each, is_authority=is_authority)
        for group in groups
        for is_authority, found in ((False, group.cert_chain), (True, group.ca_cert))
        for each in found
    )


def _with_certificates(state: EnvoyState, answer: bytes) -> EnvoyState:
    return replace(state, certificates=decode_certificates(answer))


def _with_config_dump(state: EnvoyState, answer: bytes) -> EnvoyState:
    secrets, listeners = decode_config_dump(answer)
    return replace(
        state,
        secrets=(*state.secrets, *secrets),
        listeners=_joined((*state.listeners, *listeners), ()),
    )


def _with_listeners(state: EnvoyState, answer: bytes) -> EnvoyState:
    return replace(state, listeners=_joined(state.listeners, decode_listeners(answer)))


def _with_server_info(state: EnvoyState, answer: bytes) -> EnvoyState:
    info = _answer(answer, shapes.ServerInfo, "server_info")
    version, uptime = _VERSION.match(info.version), _UPTIME.fullmatch(info.uptime_all_epochs)
    return replace(
        state,
        version=version[1] if version else info.version,
        lifecycle=info.state,
        uptime=timedelta(seconds=int(uptime[1])) if uptime else None,
    )


def _configs(answers: Sequence[bytes]) -> Iterator[msgspec.Raw]:
    for answer in answers:
        _refuse_large(answer, "config_dump")
        for document in _NEXT_DOCUMENT.split(answer):
            yield from _answer(document, shapes.ConfigDump, "config_dump").configs


def _answer(answer: bytes, of: type[S], name: str) -> S:
    _refuse_large(answer, name)
    return _decoded(answer, of, name) if answer.strip() else of()


def _refuse_large(answer: bytes, name: str) -> None:
    if len(answer) > MOST_BYTES:
        raise Undecodable(f"{name} is larger than {MOST_BYTES // 1024 // 1024} MiB")


def _decoded(answer: bytes | msgspec.Raw, of: type[S], name: str) -> S:
    try:
        return msgspec.json.decode(answer, type=of)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        words = str(error).replace("`", "") or "nested too deeply"
        raise Undecodable(f"{name} is not what Envoy answers ({words})") from None


def _type(raw: msgspec.Raw) -> str:
    """Return the type of a part of a dump without its package, which has changed once."""
    found = _TYPE.fullmatch(_decoded(raw, shapes.Typed, "config_dump").type)
    return found[1] if found else ""


def _secrets(dump: shapes.SecretsDump) -> Iterator[EnvoySecret]:
    for each in dump.dynamic_active_secrets:
        yield replace(_secret(each), status=SecretStatus.ACTIVE)
    for each in dump.dynamic_warming_secrets:
        yield replace(_secret(each), status=SecretStatus.WARMING)


def _secret(found: shapes.DynamicSecret) -> EnvoySecret:
    """Return a Secret; one that was received is active, wherever it stands alone."""
    chain, authorities = found.secret.tls_certificate, found.secret.validation_context
    received = found.version_info != NEVER_RECEIVED and bool(chain or authorities)
    source = shapes.DataSource()
    if chain:
        source = chain.certificate_chain
    elif authorities:
        source = authorities.trusted_ca
    return EnvoySecret(
        name=found.name,
        status=SecretStatus.ACTIVE if received else SecretStatus.WARMING,
        version_info=found.version_info,
        last_updated=found.last_updated,
        is_initialized=received,
        is_authority=chain is None and authorities is not None,
        bundle=_bundle(source),
    )


def _bundle(source: shapes.DataSource) -> PemBundle:
    if source.inline_string:
        return read_bundle(source.inline_string.encode(errors="replace"))
    try:
        return read_bundle(binascii.a2b_base64(source.inline_bytes))
    except (binascii.Error, ValueError):
        return PemBundle()  # what it is cannot be told: Envoy itself writes base64


def _listeners(dump: shapes.ListenersDump) -> Iterator[EnvoyListener]:
    for each in dump.static_listeners:
        yield _listener(shapes.DynamicListener(name=each.listener.name, active_state=each))
    yield from map(_listener, dump.dynamic_listeners)


def _listener(found: shapes.DynamicListener) -> EnvoyListener:
    error = found.error_state
    versions: dict[ListenerState, shapes.Listener | None] = {
        ListenerState.ACTIVE: _configured(found.active_state),
        ListenerState.WARMING: _configured(found.warming_state),
        ListenerState.DRAINING: _configured(found.draining_state),
        ListenerState.FAILED: error.failed_configuration if error else None,
    }
    shown = next((each for each in versions.values() if each), shapes.Listener())
    return EnvoyListener(
        name=found.name or shown.name,
        address=shown.address.socket_address.address,
        port=shown.address.socket_address.port_value,
        states=frozenset(state for state, version in versions.items() if version),
        filter_chains=tuple(map(_filter_chain, shown.filter_chains)),
        error=" ".join(error.details.split())[:LONGEST_ERROR] if error else "",
        refused_at=error.last_update_attempt if error else None,
    )


def _configured(version: shapes.ListenerVersion | None) -> shapes.Listener | None:
    return version.listener if version else None


def _filter_chain(found: shapes.FilterChain) -> EnvoyFilterChain:
    tls = found.transport_socket.typed_config.common_tls_context
    configs = (
        *tls.tls_certificate_sds_secret_configs,
        tls.validation_context_sds_secret_config,
        tls.combined_validation_context.validation_context_sds_secret_config,
    )
    return EnvoyFilterChain(
        server_names=found.filter_chain_match.server_names,
        secrets=tuple(each.name for each in configs if each and each.name),
    )


def _joined(
    dynamic: Sequence[EnvoyListener], opened: Sequence[EnvoyListener]
) -> tuple[EnvoyListener, ...]:
    """Return the listeners of the dump, and those that only the list of open ones shows."""
    found: dict[str, EnvoyListener] = {}
    for each in dynamic:
        found[each.name] = _merged(found[each.name], each) if each.name in found else each
    for each in opened:
        found.setdefault(each.name, each)
    return tuple(found.values())


def _merged(one: EnvoyListener, other: EnvoyListener) -> EnvoyListener:
    """Return two entries about one listener as one; Envoy lists a first refusal by itself."""
    return replace(
        one if one.filter_chains else other,
        states=one.states | other.states,
        error=one.error or other.error,
        refused_at=one.refused_at or other.refused_at,
    )


def _certificate(found: shapes.Certificate, *, is_authority: bool) -> EnvoyCertificate:
    names = (each.dns or each.uri or each.ip_address for each in found.subject_alt_names)
    return EnvoyCertificate(
        serial=found.serial_number.lower(),
        subject_alternative_names=tuple(filter(None, names)),
        not_before=found.valid_from,
        not_after=found.expiration_time,
        path=found.path,
        is_authority=is_authority,
    )
