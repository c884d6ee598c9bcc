"""What Envoys check client certificates with, beside what the Secrets hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from msgspec.structs import replace

from istiodoctor.mesh.credentials.client_cas import ClientCaState, ClientCaUse, client_ca_uses
from istiodoctor.mesh.envoy.secrets import EnvoyHoldings
from istiodoctor.mesh.envoy.state import envoys_by_workload, sds_name
from istiodoctor.mesh.gateways.credential_references import CA_SUFFIX
from istiodoctor.mesh.grace_times import SETTLING_TIME
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.envoy import EnvoySecret, EnvoyState
from istiodoctor.model.ref import Ref


class ClientCaTrouble(StrEnum):
    """What is wrong with the authority that an Envoy has."""

    AWAITED = "awaited"
    """It was asked for and has not come."""
    REFUSED = "refused"
    """It came, and Envoy does not use it."""
    EXPIRED = "expired"
    """All of its certificates have expired."""
    OTHER = "other"
    """It is another one than the Secret holds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TroubledClientCa:
    """An authority for client certificates that is in trouble in some Envoys."""

    use: ClientCaUse
    trouble: ClientCaTrouble
    held: tuple[tuple[EnvoyState, EnvoySecret], ...]
    """The Envoys with this trouble, and what they have."""
    is_everywhere: bool
    """Whether all Envoys that were asked have it."""
    is_settling: bool
    """Whether it was asked for, or the Secret was written, so lately that this may pass."""

    @property
    def pods(self) -> tuple[Ref, ...]:
        """Their pods."""
        return tuple(state.pod for state, _ in self.held)

    @property
    def may_have_older(self) -> bool:
        """Whether an older one may be in use: Envoy does not say which of those that it uses."""
        return self.trouble is ClientCaTrouble.REFUSED and any(
            each.is_ca for state, _ in self.held for each in state.certificates or ()
        )


@question
def troubled_client_cas(mesh: Mesh) -> tuple[TroubledClientCa, ...]:
    """Return the client CAs that are missing, refused, expired or other than stored in Envoys."""
    envoys = {
        workload: [EnvoyHoldings.of(state) for state in states]
        for workload, states in envoys_by_workload(mesh).items()
    }
    uses = client_ca_uses(mesh) if envoys else ()
    return tuple(
        troubled
        for use in uses
        if use.workload in envoys
        for troubled in _troubles(mesh, use, envoys[use.workload])
    )


def _troubles(
    mesh: Mesh, use: ClientCaUse, envoys: list[EnvoyHoldings]
) -> Iterator[TroubledClientCa]:
    name = _name(use)
    names = (name, name + CA_SUFFIX) if name else ()
    known = [
        (each, secret)
        for each in envoys
        if (secret := next((each.secrets[n] for n in names if n in each.secrets), None))
    ]
    found: dict[ClientCaTrouble, list[tuple[EnvoyState, EnvoySecret]]] = {}
    for envoy, secret in known:
        trouble = _trouble(mesh, use, envoy, secret)
        if trouble:
            found.setdefault(trouble, []).append((envoy.state, secret))
    for trouble, held in found.items():
        yield TroubledClientCa(
            use=use,
            trouble=trouble,
            held=tuple(held),
            is_everywhere=len(held) == len(known),
            is_settling=_was_touched_lately(mesh, use)
            or (trouble is ClientCaTrouble.AWAITED and all(_is_recent(*e) for e in held)),
        )


def _trouble(
    mesh: Mesh, use: ClientCaUse, envoy: EnvoyHoldings, secret: EnvoySecret
) -> ClientCaTrouble | None:
    if not secret.is_initialized:
        return ClientCaTrouble.AWAITED
    own = secret.bundle.certificates
    if secret.bundle.is_malformed and not _is_loaded(envoy, secret):
        return ClientCaTrouble.REFUSED
    if own and all(each.not_after < envoy.state.taken_at for each in own):
        return ClientCaTrouble.EXPIRED
    stored = use.source.ca_bundle.certificates if use.source else ()
    mine = {each.fingerprint_sha256 for each in own}
    is_judged = own and stored and use.state is ClientCaState.FOUND
    if is_judged and mine != {each.fingerprint_sha256 for each in stored}:
        return ClientCaTrouble.OTHER
    return None


def _was_touched_lately(mesh: Mesh, use: ClientCaUse) -> bool:
    source = use.source
    written: list[datetime] = []
    if source:
        written = [each for each in (source.creation_timestamp, source.updated_at) if each]
    return bool(written) and mesh.snapshot.taken_at - max(written) < SETTLING_TIME


def _name(use: ClientCaUse) -> str:
    """Return the SDS name under which the authority is asked for; empty for other sources."""
    return sds_name(replace(use.reference, name=use.dedicated_name or use.compound_name))


def _is_loaded(envoy: EnvoyHoldings, secret: EnvoySecret) -> bool:
    """Whether Envoy uses some of it, or does not say, or needs it for nothing."""
    loaded = envoy.state.certificates
    if loaded is None or secret.name not in envoy.needed:
        return True
    used = {each.serial for each in loaded if each.is_ca}
    return not used.isdisjoint(each.serial for each in secret.bundle.certificates)


def _is_recent(state: EnvoyState, secret: EnvoySecret) -> bool:
    since = secret.last_updated
    return since is not None and state.taken_at - since < SETTLING_TIME
