"""What changes between releases of Istio, as far as this cluster feels it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.certificates.coverage import served_certificates
from istiodoctor.mesh.configuration.upstream_tls import upstream_tls
from istiodoctor.mesh.credentials.credentials import CredentialState, credential_uses
from istiodoctor.mesh.gateways.credential_references import Form
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.merging import Dropped, DropReason, Listener
from istiodoctor.mesh.gateways.servers import GatewayApi
from istiodoctor.mesh.logs.upstream_failures import is_hard_to_verify
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads.control_planes import istiod_version
from istiodoctor.mesh.workloads.releases import Change, is_in
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Place


class Release(StrEnum):
    """A change of behaviour, named for what it does."""

    EXPIRED_NOT_SERVED = "expired-not-served"
    """1.18.0 to 1.18.4 and 1.19.0 withhold expired certificates (issues 46868, 47104)."""
    PLAIN_KEPT_OVER_TLS = "plain-kept-over-tls"
    OWN_NAMESPACE_ONLY = "own-namespace-only"
    BACKENDS_VERIFIED = "backends-verified"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Effect:
    """Something here that works differently in another release."""

    release: Release
    workload: Workload
    version: Version
    """That of the istiod which configures the gateway now."""
    place: Place
    hosts: tuple[str, ...]


@question
def upgrade_effects(mesh: Mesh) -> tuple[Effect, ...]:
    """Return what the release in use does unlike others, or a newer one would do, here."""
    return (
        *_withheld(mesh),
        *(each for listener in listeners(mesh) for each in _reordered(mesh, listener)),
        *_confined(mesh),
        *_newly_verified(mesh),
    )


def _withheld(mesh: Mesh) -> Iterator[Effect]:
    for served in served_certificates(mesh):
        if served.leaf.not_after > mesh.snapshot.taken_at:
            continue
        for use in served.uses:
            version = istiod_version(mesh, use.workload)
            if version and not is_in(version, Change.EXPIRED_SERVED):
                yield Effect(
                    release=Release.EXPIRED_NOT_SERVED,
                    workload=use.workload,
                    version=version,
                    place=Place(served.credential.ref),
                    hosts=use.server.names,
                )


def _reordered(mesh: Mesh, listener: Listener) -> Iterator[Effect]:
    version = istiod_version(mesh, listener.workload) if listener.dropped else None
    if version is None or is_in(version, Change.PLAIN_KEPT_OVER_TLS):
        return
    for dropped in listener.dropped:
        losers = _losers(listener, dropped)
        if losers:
            yield Effect(
                release=Release.PLAIN_KEPT_OVER_TLS,
                workload=listener.workload,
                version=version,
                place=dropped.server.place,
                hosts=losers,
            )


def _confined(mesh: Mesh) -> Iterator[Effect]:
    for use in credential_uses(mesh):
        if (
            use.reference.form is not Form.KUBERNETES_GATEWAY
            or use.state is not CredentialState.FOUND
            or use.server.api is not GatewayApi.ISTIO
            or use.server.namespace == use.workload.namespace
        ):
            continue
        version = istiod_version(mesh, use.workload)
        if version and not is_in(version, Change.REFERENCES_OF_OWN_NAMESPACE):
            yield Effect(
                release=Release.OWN_NAMESPACE_ONLY,
                workload=use.workload,
                version=version,
                place=Place(use.server.gateway, use.reference.path),
                hosts=use.server.names,
            )


def _newly_verified(mesh: Mesh) -> Iterator[Effect]:
    for each in upstream_tls(mesh):
        if each.place is None or not is_hard_to_verify(each):
            continue
        version = istiod_version(mesh, each.workload)
        if version and not is_in(version, Change.BACKENDS_VERIFIED):
            yield Effect(
                release=Release.BACKENDS_VERIFIED,
                workload=each.workload,
                version=version,
                place=each.place,
                hosts=each.use.virtual_service.spec.hosts,
            )


def _losers(listener: Listener, dropped: Dropped) -> tuple[str, ...]:
    """Return the hosts of the TLS servers that a plain one would displace, once it is let in."""
    plain = dropped.server
    if dropped.reason is not DropReason.CONFLICTING_PROTOCOL or plain.is_tls:
        return ()
    younger = (
        each for each in listener.servers if each.is_tls and each.age_order > plain.age_order
    )
    return tuple(dict.fromkeys(name for each in younger for name in each.names))
