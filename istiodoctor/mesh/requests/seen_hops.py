"""What handshakes show of a path's hops, and Envoys where handshakes show nothing."""

from collections.abc import Mapping

from istiodoctor.mesh.credentials.credentials import credential
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.requests.hops import BROKEN, Confirmation, Hop
from istiodoctor.mesh.requests.path_observations import PathObservations, Seen
from istiodoctor.mesh.requests.path_targets import was_probed
from istiodoctor.mesh.requests.request_paths import RequestPath
from istiodoctor.mesh.requests.seen_addresses import front_seen, service_seen
from istiodoctor.mesh.requests.seen_by_envoy import (
    certificate_by_envoy,
    listener_by_envoy,
    server_by_envoy,
)
from istiodoctor.mesh.requests.seen_handshakes import (
    certificate_seen,
    listener_seen,
    server_seen,
    workload_seen,
)
from istiodoctor.model.credential import CertificateFacts
from istiodoctor.model.value import Value

OF_ENVOY = frozenset({"listener", "filter-chain", "certificate"})
"""Hops of which Envoys say something."""


class ObservedPath(Value, frozen=True, kw_only=True):
    """The hops of one path up to the certificate, and its observations."""

    request_path: RequestPath
    hops: tuple[Hop, ...]
    observations: PathObservations


def hops_seen(mesh: Mesh, observed_path: ObservedPath) -> Mapping[int, Seen]:
    """Return what was seen, by the index of the hop."""
    found: dict[int, Seen] = {}
    for index, hop in enumerate(observed_path.hops):
        wire = _on_wire(mesh, observed_path, hop) if was_probed(mesh) else None
        if wire is None or wire.confirmation is Confirmation.NOT_LOOKED_AT:
            wire = _by_envoys(mesh, observed_path, hop) or wire
        if wire is not None:
            found[index] = wire
    return found


def _on_wire(mesh: Mesh, observed_path: ObservedPath, hop: Hop) -> Seen | None:
    match hop.hop:
        case "front":
            return front_seen(observed_path.observations)
        case "service":
            return service_seen(observed_path.observations)
        case "workload":
            return workload_seen(observed_path.observations)
        case "listener":
            return listener_seen(hop, observed_path.observations)
        case "filter-chain":
            return server_seen(
                hop,
                observed_path.observations,
                lacks_certificate=_lacks_certificate(mesh, observed_path),
                is_passed=not any(each.hop == "certificate" for each in observed_path.hops),
            )
        case "certificate":
            return certificate_seen(
                hop,
                observed_path.observations,
                _stored(mesh, hop),
                _others(mesh, observed_path, hop),
            )
    return None


def _by_envoys(mesh: Mesh, observed_path: ObservedPath, hop: Hop) -> Seen | None:
    if hop.hop not in OF_ENVOY:
        return None
    path = observed_path.request_path
    workload, target = path.workload, path.entry.target if path.entry else None
    if workload is None or target is None:
        return None
    name = path.request.server_name
    match hop.hop:
        case "listener" if hop.state is not BROKEN:
            return listener_by_envoy(mesh, workload, target)
        case "filter-chain" if hop.state is not BROKEN and name:
            return server_by_envoy(mesh, workload, target, name)
        case "certificate" if hop.ref:
            return certificate_by_envoy(mesh, hop, workload)
    return None


def _lacks_certificate(mesh: Mesh, observed_path: ObservedPath) -> bool:
    """Whether a refused handshake is explained: there is no certificate to make it with."""
    for hop in observed_path.hops:
        if hop.hop == "certificate":
            said = _by_envoys(mesh, observed_path, hop)
            is_denied = said is not None and said.confirmation is Confirmation.CONTRADICTED
            if hop.state is BROKEN or is_denied:
                return True
    return False


def _stored(mesh: Mesh, hop: Hop) -> CertificateFacts | None:
    found = credential(mesh, hop.ref.namespace, hop.ref.name) if hop.ref else None
    return found.leaf if found else None


def _others(mesh: Mesh, observed_path: ObservedPath, hop: Hop) -> tuple[CertificateFacts, ...]:
    beside = (each for each in observed_path.hops if each.hop == "certificate" and each is not hop)
    return tuple(facts for each in beside if (facts := _stored(mesh, each)))
