"""The certificates of gateways, for the report: as stored, as Envoys hold them, as served."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from istiodoctor.diagnosis.scope import Scope
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.credentials.credentials import served_credentials
from istiodoctor.mesh.envoy.secrets import PodSecret
from istiodoctor.mesh.envoy.state import held_secrets
from istiodoctor.mesh.observations.certificates import SeenCertificate, seen_certificates
from istiodoctor.model.envoy import EnvoyCertificate
from istiodoctor.model.ref import Ref
from istiodoctor.report import CertificateReport, CertificateSource

NEVER = datetime.max.replace(tzinfo=UTC)

_SOURCES = tuple(CertificateSource)
_Key = tuple[Ref, str, datetime | None, datetime | None]
"""Secret, serial and dates. Envoy tells no fingerprint, and some serials are always 0 or 1."""


def certificates(mesh: Mesh, scope: Scope) -> tuple[CertificateReport, ...]:
    """Return the certificates of live servers in scope, first to expire first.

    Each once for each Secret and each source; what was not looked at is not there.
    """
    found = (*_stored(mesh, scope), *_held(mesh, scope), *_presented(mesh, scope))
    return tuple(sorted(found, key=_order))


def _order(found: CertificateReport) -> tuple[datetime, Ref, int, str, str]:
    return (
        found.not_after or NEVER,
        found.credential,
        _SOURCES.index(found.source),
        found.serial,
        found.fingerprint_sha256,
    )


def _stored(mesh: Mesh, scope: Scope) -> Iterator[CertificateReport]:
    for credential, uses in served_credentials(mesh):
        leaf = credential.leaf
        if leaf is None or not any(scope.takes_server(use.server) for use in uses):
            continue
        owners = certificates_for(mesh, credential.namespace, credential.name)
        renewals = [each.status.renewal_time for each in owners if each.status.renewal_time]
        yield CertificateReport(
            credential=credential.ref,
            source=CertificateSource.STORED,
            subject_alternative_names=(*leaf.dns_names, *leaf.ip_addresses),
            not_before=leaf.not_before,
            not_after=leaf.not_after,
            renewal_time=min(renewals, default=None),
            serial=leaf.serial,
            fingerprint_sha256=leaf.fingerprint_sha256,
        )


def _held(mesh: Mesh, scope: Scope) -> Iterator[CertificateReport]:
    """Yield what Envoys serve, by their own account."""
    pods: dict[_Key, dict[Ref, None]] = {}
    known: dict[_Key, tuple[EnvoyCertificate, str]] = {}
    for held in held_secrets(mesh):
        if not any(map(scope.takes_server, held.servers)):
            continue
        for pod in held.pods:
            for served in pod.served:
                key = (held.secret, served.serial, served.not_before, served.not_after)
                pods.setdefault(key, {})[pod.pod] = None
                if not known.get(key, (served, ""))[1]:
                    known[key] = served, _fingerprint(pod, served)
    for key, (served, fingerprint) in known.items():
        yield CertificateReport(
            credential=key[0],
            source=CertificateSource.ENVOY,
            subject_alternative_names=served.subject_alternative_names,
            not_before=served.not_before,
            not_after=served.not_after,
            renewal_time=None,
            serial=served.serial,
            fingerprint_sha256=fingerprint,
            seen_at=tuple(map(str, sorted(pods[key]))),
        )


def _fingerprint(pod: PodSecret, served: EnvoyCertificate) -> str:
    """Return the fingerprint where Envoy lists the very certificate; empty where it does not."""
    leaf = pod.secret.leaf
    if leaf is None:
        return ""
    is_same = (leaf.serial, leaf.not_after) == (served.serial, served.not_after)
    return leaf.fingerprint_sha256 if is_same else ""


def _presented(mesh: Mesh, scope: Scope) -> Iterator[CertificateReport]:
    """Yield what handshakes showed on the ways that end at the gateway."""
    groups: dict[tuple[Ref, str], list[SeenCertificate]] = {}
    for seen in seen_certificates(mesh):
        if scope.takes_server(seen.server):
            for secret in _secrets(seen):
                groups.setdefault((secret, seen.leaf.fingerprint_sha256), []).append(seen)
    for (secret, fingerprint), group in groups.items():
        leaf = group[0].leaf
        yield CertificateReport(
            credential=secret,
            source=CertificateSource.WIRE,
            subject_alternative_names=(*leaf.dns_names, *leaf.ip_addresses),
            not_before=leaf.not_before,
            not_after=leaf.not_after,
            renewal_time=None,
            serial=leaf.serial,
            fingerprint_sha256=fingerprint,
            seen_at=tuple(
                dict.fromkeys(
                    str(access_point) for seen in group for access_point in seen.access_points
                )
            ),
        )


def _secrets(seen: SeenCertificate) -> Iterable[Ref]:
    """Return the Secret that holds the certificate, else all that should be served there."""
    uses = [each for each in seen.uses if each.namespace]
    fingerprint = seen.leaf.fingerprint_sha256
    own = [
        each
        for each in uses
        if each.credential
        and each.credential.leaf
        and each.credential.leaf.fingerprint_sha256 == fingerprint
    ]
    return dict.fromkeys(each.secret for each in own or uses)
