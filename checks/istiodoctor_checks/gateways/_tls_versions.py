"""Which versions of TLS pods speak, beside those that the Gateway permits."""

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.certificates import handshakes
from istiodoctor.mesh.question import question
from istiodoctor.model.observation import TlsObservation

NEWEST, OLDER = "TLSv1.3", "TLSv1.2"
OBSOLETE = frozenset({"TLSv1", "TLSv1.1"})
"""Versions that nobody should speak any more (RFC 8996)."""
ONLY_NEWEST = "TLSV1_3"
NO_OBSOLETE = frozenset({"TLSV1_2", ONLY_NEWEST})
OLD_AT_MOST = frozenset({"TLSV1_0", "TLSV1_1", "TLSV1_2"})
NO_COMMON_GROUND = frozenset({"handshake failure", "insufficient security", "protocol version"})
"""Alerts by which a server says that it has no version or cipher suite of those offered."""


class VersionFault(StrEnum):
    """In what a pod differs from its Gateway."""

    REFUSES_OLDER = "refuses-older"
    """TLS 1.2 is permitted, and refused."""
    ACCEPTS_OLDER = "accepts-older"
    """TLS 1.3 is the least that is permitted, and 1.2 is accepted."""
    ACCEPTS_OBSOLETE = "accepts-obsolete"
    """TLS 1.2 is the least that is permitted, and an older version is accepted."""
    ACCEPTS_NEWER = "accepts-newer"
    """TLS 1.2 is the most that is permitted, and 1.3 is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VersionMismatch:
    """A server whose pods speak other versions than it permits."""

    server: Server
    fault: VersionFault
    seen: tuple[TlsObservation, ...]


@question
def version_mismatches(mesh: Mesh) -> tuple[VersionMismatch, ...]:
    """Return the servers whose pods speak other versions of TLS than the Gateway permits."""
    found: dict[tuple[Server, VersionFault], list[TlsObservation]] = defaultdict(list)
    for server, group in handshakes(mesh).items():
        for seen in group if server.terminates_tls else ():
            fault = (
                _fault(server, seen) if seen.target.access_point.pod and seen.versions else None
            )
            if fault:
                found[server, fault].append(seen)
    return tuple(
        VersionMismatch(server=server, fault=fault, seen=tuple(seen))
        for (server, fault), seen in found.items()
    )


def _fault(server: Server, seen: TlsObservation) -> VersionFault | None:
    least = server.tls.min_protocol_version if server.tls else ""
    most = server.tls.max_protocol_version if server.tls else ""
    if least in NO_OBSOLETE and not OBSOLETE.isdisjoint(seen.versions):
        return VersionFault.ACCEPTS_OBSOLETE
    if least == ONLY_NEWEST:
        return VersionFault.ACCEPTS_OLDER if OLDER in seen.versions else None
    if most in OLD_AT_MOST:
        return VersionFault.ACCEPTS_NEWER if NEWEST in seen.versions else None
    # A client without a certificate is refused by the same alert.
    is_about_versions = not seen.client_certificate_requested
    if OLDER not in seen.versions and seen.older_alert in NO_COMMON_GROUND and is_about_versions:
        return VersionFault.REFUSES_OLDER
    return None
