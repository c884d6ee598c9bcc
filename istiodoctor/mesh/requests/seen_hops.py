"""What connections and handshakes show of a way's hops, and Envoys where those show nothing."""

from collections.abc import Mapping

from istiodoctor.mesh.credentials.credentials import credential
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.requests.hops import BROKEN, Confirmation, Hop
from istiodoctor.mesh.requests.looking import was_probed
from istiodoctor.mesh.requests.observations import Seen, Sight
from istiodoctor.mesh.requests.request_paths import Way
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


class Meeting(Value, frozen=True, kw_only=True):
    """The hops of one way up to the certificate."""

    way: Way
    hops: tuple[Hop, ...]
    sight: Sight


def hops_seen(mesh: Mesh, meeting: Meeting) -> Mapping[int, Seen]:
    """Return what was seen, by the index of the hop."""
    found: dict[int, Seen] = {}
    for index, hop in enumerate(meeting.hops):
        wire = _on_wire(mesh, meeting, hop) if was_probed(mesh) else None
        if wire is None or wire.confirmation is Confirmation.NOT_LOOKED_AT:
            wire = _by_envoys(mesh, meeting, hop) or wire
        if wire is not None:
            found[index] = wire
    return found


def _on_wire(mesh: Mesh, meeting: Meeting, hop: Hop) -> Seen | None:
    match hop.hop:
        case "front":
            return front_seen(meeting.sight)
        case "service":
            return service_seen(meeting.sight)
        case "workload":
            return workload_seen(meeting.sight)
        case "listener":
            return listener_seen(hop, meeting.sight)
        case "filter-chain":
            return server_seen(
                hop,
                meeting.sight,
                lacks_certificate=_lacks_certificate(mesh, meeting),
                is_passed=not any(each.hop == "certificate" for each in meeting.hops),
            )
        case "certificate":
            return certificate_seen(
                hop, meeting.sight, _stored(mesh, hop), _others(mesh, meeting, hop)
            )
    return None


def _by_envoys(mesh: Mesh, meeting: Meeting, hop: Hop) -> Seen | None:
    workload = meeting.way.workload
    target = meeting.way.entry.target if meeting.way.entry else None
    if workload is None or target is None:
        return None
    name = meeting.way.request.server_name
    match hop.hop:
        case "listener" if hop.state is not BROKEN:
            return listener_by_envoy(mesh, workload, target)
        case "filter-chain" if hop.state is not BROKEN and name:
            return server_by_envoy(mesh, workload, target, name)
        case "certificate" if hop.ref:
            return certificate_by_envoy(mesh, hop, workload)
    return None


def _lacks_certificate(mesh: Mesh, meeting: Meeting) -> bool:
    """Whether a refused handshake is explained: there is no certificate to make it with."""
    for hop in meeting.hops:
        if hop.hop == "certificate":
            said = _by_envoys(mesh, meeting, hop)
            is_denied = said is not None and said.confirmation is Confirmation.CONTRADICTED
            if hop.state is BROKEN or is_denied:
                return True
    return False


def _stored(mesh: Mesh, hop: Hop) -> CertificateFacts | None:
    found = credential(mesh, hop.ref.namespace, hop.ref.name) if hop.ref else None
    return found.leaf if found else None


def _others(mesh: Mesh, meeting: Meeting, hop: Hop) -> tuple[CertificateFacts, ...]:
    beside = (each for each in meeting.hops if each.hop == "certificate" and each is not hop)
    return tuple(facts for each in beside if (facts := _stored(mesh, each)))
