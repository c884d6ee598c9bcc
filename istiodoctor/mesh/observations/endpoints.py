"""Pods that refuse TLS, and addresses and names that do not lead to the gateway."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.exposure.front_proxies import fronts_for
from istiodoctor.mesh.exposure.services import HTTPS_PORT, port_routes
from istiodoctor.mesh.gateways.listeners import workloads_of
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.certificates import TO_THE_GATEWAY, handshakes
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.private_addresses import is_private
from istiodoctor.model.observation import SILENT, AccessPoint, Outcome, TlsObservation, Via
from istiodoctor.model.services import Service


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusedHandshake:
    """A host whose TLS a pod does not speak, though a server is configured for it."""

    server: Server
    host: str
    handshakes: tuple[TlsObservation, ...]
    """Those that failed at pods."""
    elsewhere: tuple[TlsObservation, ...]
    """Those that another pod completed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Foreign:
    """A name that resolves to something that is not this gateway."""

    server: Server
    host: str
    observation: TlsObservation
    own: tuple[str, ...]
    """The addresses of the gateway."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unreached:
    """An address of a gateway that does not answer although its pods do."""

    server: Server
    access_point: AccessPoint
    observations: tuple[TlsObservation, ...]

    @property
    def is_inside(self) -> bool:
        """Whether only some network's inside can reach it, so that silence outside is no fault.

        A private address, unless it refuses: then somebody is there.
        """
        return is_silence_inconclusive(self.observations)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unforwarded:
    """A name that does not answer on port 443, of a gateway that has node ports only."""

    server: Server
    host: str
    observation: TlsObservation
    service: Service
    node_port: int
    at_node: tuple[TlsObservation, ...]
    """What the node port itself showed, where it answered."""


@question
def refused_handshakes(mesh: Mesh) -> tuple[RefusedHandshake, ...]:
    """Return the hosts that pods refuse TLS for, with no client certificate in question."""
    return tuple(
        refused
        for server, seen in handshakes(mesh).items()
        for host, group in _by_host(seen).items()
        if (refused := _refused(server, host, group))
    )


@question
def client_certificates_required(
    mesh: Mesh,
) -> tuple[tuple[Server, tuple[TlsObservation, ...]], ...]:
    """Return the servers that turned a client away for having no certificate."""
    found = (
        (server, tuple(filter(_is_turned_away, seen))) for server, seen in handshakes(mesh).items()
    )
    return tuple((server, seen) for server, seen in found if seen)


@question
def foreign_names(mesh: Mesh) -> tuple[Foreign, ...]:
    """Return the names that resolve to an address that is not the gateway's.

    Silent where something is known to stand before it, where the other side has the same
    certificate, and where it has one that clients accept.
    """
    return tuple(
        foreign
        for server, seen in handshakes(mesh).items()
        for each in seen
        if each.target.access_point.via is Via.DNS
        and (foreign := _foreign(mesh, server, each, seen))
    )


def _foreign(
    mesh: Mesh, server: Server, seen: TlsObservation, beside: tuple[TlsObservation, ...]
) -> Foreign | None:
    addressed = [each for each in beside if each.target.access_point.via is Via.SERVICE_ADDRESS]
    own = {address for each in addressed for address in each.addresses}
    own |= {each.target.access_point.address for each in addressed}
    fronts = any(
        fronts_for(mesh, workload, seen.target.host) for workload in workloads_of(mesh, server)
    )
    if not own or not seen.addresses or own & set(seen.addresses) or fronts or seen.verified:
        return None
    leaves = {each.leaf.fingerprint_sha256 for each in beside if each.leaf and each != seen}
    if seen.leaf and seen.leaf.fingerprint_sha256 in leaves:
        return None
    return Foreign(server=server, host=seen.target.host, observation=seen, own=tuple(sorted(own)))


@question
def unforwarded_names(mesh: Mesh) -> tuple[Unforwarded, ...]:
    """Return the names that are silent on port 443, though what is behind node ports is not.

    Not where something is known to stand before the gateway.
    """
    return tuple(
        found
        for server, seen in handshakes(mesh).items()
        for each in seen
        if each.target.access_point.via is Via.DNS and each.outcome in SILENT and each.addresses
        if any(other.leaf for other in seen if other.target.access_point.via in TO_THE_GATEWAY)
        if (found := _unforwarded(mesh, server, each, seen))
    )


def _unforwarded(
    mesh: Mesh, server: Server, silent: TlsObservation, beside: tuple[TlsObservation, ...]
) -> Unforwarded | None:
    host = silent.target.host
    for workload in workloads_of(mesh, server):
        if workload.owner != silent.target.access_point.gateway or fronts_for(
            mesh, workload, host
        ):
            continue
        for route in port_routes(mesh, workload):
            is_https = route.port.port == HTTPS_PORT and route.port.node_port > 0
            if is_https and route.service.spec.type == "NodePort":
                return Unforwarded(
                    server=server,
                    host=host,
                    observation=silent,
                    service=route.service,
                    node_port=route.port.node_port,
                    at_node=tuple(
                        each
                        for each in beside
                        if each.target.access_point.via is Via.NODE_PORT and each.leaf
                    ),
                )
    return None


@question
def unreached_addresses(mesh: Mesh) -> tuple[Unreached, ...]:
    """Return the addresses that stay silent for gateways whose pods answer."""
    found: dict[AccessPoint, list[TlsObservation]] = defaultdict(list)
    servers: dict[AccessPoint, Server] = {}
    for server, seen in handshakes(mesh).items():
        if any(_is_at_pod(each) and each.leaf for each in seen):
            for each in seen:
                if each.target.access_point.via in (Via.SERVICE_ADDRESS, Via.NODE_PORT):
                    found[each.target.access_point].append(each)
                    servers.setdefault(each.target.access_point, server)
    return tuple(
        Unreached(
            server=servers[access_point], access_point=access_point, observations=tuple(each)
        )
        for access_point, each in found.items()
        if all(seen.outcome in SILENT for seen in each)
    )


def _by_host(seen: Iterable[TlsObservation]) -> Mapping[str, list[TlsObservation]]:
    found: dict[str, list[TlsObservation]] = defaultdict(list)
    for each in seen:
        if each.target.sni and _is_at_pod(each):
            found[each.target.host].append(each)
    return found


def _is_at_pod(seen: TlsObservation) -> bool:
    return seen.target.access_point.via is Via.PORT_FORWARD


def _refused(server: Server, host: str, group: list[TlsObservation]) -> RefusedHandshake | None:
    failed = tuple(each for each in group if _is_refusal(each))
    return (
        RefusedHandshake(
            server=server,
            host=host,
            handshakes=failed,
            elsewhere=tuple(each for each in group if each.outcome is Outcome.HANDSHAKE),
        )
        if failed
        else None
    )


def _is_refusal(seen: TlsObservation) -> bool:
    refusals = (Outcome.ALERT, Outcome.RESET, Outcome.REFUSED, Outcome.NOT_TLS)
    return seen.outcome in refusals and not seen.client_certificate_requested


def is_silence_inconclusive(silent: Iterable[TlsObservation]) -> bool:
    """Whether no answer proves little: every address is private, and none refused."""
    seen = tuple(silent)
    if any(each.outcome is Outcome.REFUSED for each in seen):
        return False
    found = {
        address
        for each in seen
        for address in each.addresses or (each.target.access_point.address,)
    }
    return all(map(is_private, found))


def _is_turned_away(seen: TlsObservation) -> bool:
    is_refused = seen.outcome in (Outcome.ALERT, Outcome.RESET)
    return seen.client_certificate_requested and is_refused
