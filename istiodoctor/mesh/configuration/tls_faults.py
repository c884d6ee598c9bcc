"""TLS settings of servers that Envoy refuses, or that no handshake can satisfy.

istiod sends most of them unread (`applyServerTLSSettings`, core/listener.go:228). Pins of client
certificates are checked with the listener. Suites and curves are checked when the Secret arrives,
and versions in each handshake: the port is open then, and connections to the server's hosts are
reset. Source: Envoy's source/common/tls/context_impl.cc,
source/common/tls/cert_validator/default_validator.cc. Each is held against the real Envoy by a
test.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from istiodoctor.mesh.gateways.cipher_suites import refused_suites
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import control_plane_of
from istiodoctor.mesh.workloads.releases import Change, has
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import ServerTls, TlsMode

VERSIONS = ("TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3")
OLDEST, NEWEST = "TLSV1_2", "TLSV1_3"
"""Envoy's own limits, where a server does not say."""
WITH_SETTINGS = frozenset({TlsMode.SIMPLE, TlsMode.MUTUAL, TlsMode.OPTIONAL_MUTUAL})
WITH_PINS = frozenset({TlsMode.MUTUAL, TlsMode.OPTIONAL_MUTUAL})
CURVES = {
    "P-256": "P-256",
    "prime256v1": "P-256",
    "P-384": "P-384",
    "secp384r1": "P-384",
    "P-521": "P-521",
    "secp521r1": "P-521",
    "X25519": "X25519",
    "x25519": "X25519",
    "X25519MLKEM768": "X25519MLKEM768",
    "MLKEM1024": "MLKEM1024",
}
"""The curves that Envoy takes, by their names."""
DIGEST_BYTES = 32
_DIGEST = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFault:
    """A TLS setting of a server that Envoy cannot use."""

    text: str
    """A clause without a full stop."""
    field: str
    """Of the server, from `/tls` on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FailingServer:
    """A server with which no handshake succeeds, on a workload."""

    server: Server
    workload: Workload
    fault: TlsFault


@question
def failing_servers(mesh: Mesh) -> tuple[FailingServer, ...]:
    """Return the servers that Envoy listens for and cannot shake hands for."""
    return tuple(
        FailingServer(server=server, workload=listener.workload, fault=fault)
        for listener in listeners(mesh)
        for server in listener.servers
        if server.terminates_tls and (fault := handshake_fault(mesh, server, listener.workload))
    )


def handshake_fault(mesh: Mesh, server: Server, workload: Workload) -> TlsFault | None:
    """Return why every handshake with a server fails; None where one may succeed."""
    tls = server.tls
    if tls is None or server.mode not in WITH_SETTINGS:
        return None
    found = version_fault(tls) or suite_fault(tls)
    if found or not tls.ecdh_curves:
        return found
    is_sent = has(control_plane_of(mesh, workload), Change.SERVER_CURVES_SENT)
    return curve_fault(tls.ecdh_curves) if is_sent else None


def version_fault(tls: ServerTls) -> TlsFault | None:
    """Return why no version of TLS is left."""
    oldest = tls.min_protocol_version if tls.min_protocol_version in VERSIONS else OLDEST
    newest = tls.max_protocol_version if tls.max_protocol_version in VERSIONS else NEWEST
    if VERSIONS.index(oldest) <= VERSIONS.index(newest):
        return None
    kind = "" if oldest == tls.min_protocol_version else ", which is Envoy's oldest by default"
    return TlsFault(
        text=f"it permits {newest} at most and {oldest} at least{kind}",
        field="/tls/maxProtocolVersion",
    )


def suite_fault(tls: ServerTls) -> TlsFault | None:
    """Return why Envoy refuses the cipher suites that istiod sends."""
    text = refused_suites(tls.cipher_suites) if tls.cipher_suites else ""
    return TlsFault(text=text, field="/tls/cipherSuites") if text else None


def curve_fault(curves: Iterable[str]) -> TlsFault | None:
    """Return why Envoy refuses curves: one that it does not know, or one twice."""
    seen: set[str] = set()
    for each in filter(None, curves):
        known = CURVES.get(each)
        if known is None or known in seen:
            text = f"Envoy knows no curve {each}" if known is None else f"it names {each} twice"
            return TlsFault(text=text, field="/tls/ecdhCurves")
        seen.add(known)
    return None


def pin_faults(server: Server) -> Iterator[TlsFault]:
    """Yield the pins of client certificates for which Envoy refuses the whole listener."""
    tls = server.tls
    if tls is None or server.mode not in WITH_PINS:
        return
    if not (tls.credential_name or tls.credential_names):
        return  # beside certificates in files they are not sent (authentication.go:297)
    for each in tls.verify_certificate_hash:
        if not _DIGEST.fullmatch(each):
            text = f"{each[:100]!r} is no SHA-256 digest of a certificate in hexadecimal"
            yield TlsFault(text=text, field="/tls/verifyCertificateHash")
    for each in tls.verify_certificate_spki:
        if not _is_key_digest(each):
            text = f"{each[:100]!r} is no SHA-256 digest of a public key in base64"
            yield TlsFault(text=text, field="/tls/verifyCertificateSpki")


def _is_key_digest(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) == DIGEST_BYTES
    except binascii.Error:
        return False
