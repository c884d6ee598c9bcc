"""What connections and handshakes show of a way's hops, and Envoys where those show nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from istiodoctor.mesh.credentials import credential
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.trace.journeys import Way
from istiodoctor.mesh.trace.looking import was_probed
from istiodoctor.mesh.trace.seen_addresses import front_seen, service_seen
from istiodoctor.mesh.trace.seen_by_envoy import (
    certificate_by_envoy,
    listener_by_envoy,
    server_by_envoy,
)
from istiodoctor.mesh.trace.seen_handshakes import (
    certificate_seen,
    listener_seen,
    server_seen,
    workload_seen,
)
from istiodoctor.mesh.trace.sightings import Seen, Sight
from istiodoctor.mesh.trace.way import BROKEN, Confirmation, Hop
from istiodoctor.model.credential import CertificateFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """The hops of one way up to the certificate."""

    mesh: Mesh
    way: Way
    hops: tuple[Hop, ...]
    sight: Sight

    def seen(self) -> Mapping[int, Seen]:
        """Return what was seen, by the index of the hop."""
        found: dict[int, Seen] = {}
        for index, hop in enumerate(self.hops):
            wire = self._on_wire(hop) if was_probed(self.mesh) else None
            if wire is None or wire.confirmation is Confirmation.NOT_LOOKED_AT:
                wire = self._by_envoys(hop) or wire
            if wire is not None:
                found[index] = wire
        return found

    def _on_wire(self, hop: Hop) -> Seen | None:
        match hop.hop:
            case "front":
                return front_seen(self.sight)
            case "service":
                return service_seen(self.sight)
            case "workload":
                return workload_seen(self.sight)
            case "listener":
                return listener_seen(hop, self.sight)
            case "filter-chain":
                return server_seen(
                    hop,
                    self.sight,
                    lacks_certificate=self._lacks_certificate(),
                    is_passed=not any(each.hop == "certificate" for each in self.hops),
                )
            case "certificate":
                return certificate_seen(hop, self.sight, self._stored(hop), self._others(hop))
        return None

    def _by_envoys(self, hop: Hop) -> Seen | None:
        workload = self.way.workload
        target = self.way.entry.target if self.way.entry else None
        if workload is None or target is None:
            return None
        name = self.way.request.server_name
        match hop.hop:
            case "listener" if hop.state is not BROKEN:
                return listener_by_envoy(self.mesh, workload, target)
            case "filter-chain" if hop.state is not BROKEN and name:
                return server_by_envoy(self.mesh, workload, target, name)
            case "certificate" if hop.ref:
                return certificate_by_envoy(self.mesh, hop, workload)
        return None

    def _lacks_certificate(self) -> bool:
        """Whether a refused handshake is explained: there is no certificate to make it with."""
        for hop in self.hops:
            if hop.hop == "certificate":
                said = self._by_envoys(hop)
                is_denied = said is not None and said.confirmation is Confirmation.CONTRADICTED
                if hop.state is BROKEN or is_denied:
                    return True
        return False

    def _stored(self, hop: Hop) -> CertificateFacts | None:
        found = credential(self.mesh, hop.ref.namespace, hop.ref.name) if hop.ref else None
        return found.leaf if found else None

    def _others(self, hop: Hop) -> tuple[CertificateFacts, ...]:
        beside = (each for each in self.hops if each.hop == "certificate" and each is not hop)
        return tuple(facts for each in beside if (facts := self._stored(each)))
