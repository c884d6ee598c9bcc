"""Proxies that end TLS before a gateway, as handshakes and requests show them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.gateways.listeners import listeners_of
from istiodoctor.mesh.gateways.servers import WITH_CLIENT_CA, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.certificates import handshakes
from istiodoctor.mesh.observations.http_answers import requests
from istiodoctor.mesh.question import question
from istiodoctor.model.kind import Kind
from istiodoctor.model.observation import AccessPoint, HttpStep, Outcome, TlsObservation, Via
from istiodoctor.model.ref import Ref

OWN_ADDRESSES = frozenset({Via.SERVICE_ADDRESS, Via.NODE_PORT})
REFUSED = frozenset({Outcome.RESET, Outcome.ALERT})
UNANSWERED = frozenset({502, 503, 504})
"""What a proxy answers that got nothing from behind it."""
ENVOYS = ("istio-envoy", "envoy")
"""How gateways call themselves in the header `server`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnaskedClients:
    """A server whose pods ask for client certificates while its address does not."""

    server: Server
    at_pods: tuple[TlsObservation, ...]
    unasked: tuple[TlsObservation, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MuteProxy:
    """A proxy that ends TLS before a gateway and connects without SNI: it gets no answer."""

    server: Server
    access_point: AccessPoint
    seen: tuple[TlsObservation, ...]
    """What it presents, and the pods' refusal of those who send no name."""
    steps: tuple[HttpStep, ...]
    """What it answers."""

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that were asked for."""
        return frozenset(each.target.host for each in self.seen if each.target.host)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusingAddress:
    """An address that refuses TLS for hosts which every pod agrees to it for."""

    server: Server
    access_point: AccessPoint
    refused: tuple[TlsObservation, ...]

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that were asked for."""
        return frozenset(each.target.host for each in self.refused)


@question
def refusing_addresses(mesh: Mesh) -> tuple[RefusingAddress, ...]:
    """Return the addresses that refuse TLS for hosts which every pod agrees to it for."""
    found: dict[tuple[Server, AccessPoint], list[TlsObservation]] = defaultdict(list)
    for server, group in handshakes(mesh).items():
        completed: set[str] = set()
        refused: set[str] = set()
        for seen in group:
            if seen.target.access_point.pod and seen.target.sni:
                (completed if seen.leaf else refused).add(seen.target.host)
        for seen in group:
            is_served = seen.target.host in completed - refused
            if is_served and seen.target.access_point.via in OWN_ADDRESSES and _is_refused(seen):
                found[server, seen.target.access_point].append(seen)
    return tuple(
        RefusingAddress(server=server, access_point=access_point, refused=tuple(seen))
        for (server, access_point), seen in found.items()
    )


@question
def unasked_clients(mesh: Mesh) -> tuple[UnaskedClients, ...]:
    """Return the servers whose pods ask for client certificates while their address does not.

    Not where applications answer all the same: what ends TLS there has a certificate of its
    own to show to the gateway. A name may lead to such a proxy, so names are left out.
    """
    answered = {
        (server, step.access_point)
        for server, request in requests(mesh)
        for step in request.steps[:1]
        if step.from_upstream and step.url.startswith("https:")
    }
    return tuple(
        UnaskedClients(server=server, at_pods=asking, unasked=unasked)
        for server, seen in handshakes(mesh).items()
        if server.mode in WITH_CLIENT_CA
        if (asking := tuple(e for e in seen if e.target.access_point.pod and _asks(e)))
        if (
            unasked := tuple(
                each
                for each in seen
                if _is_before(each) and _is_content(each)
                if (server, each.target.access_point) not in answered
            )
        )
    )


@question(Kind.TLS_PROBE)
def nameless_refusals(mesh: Mesh) -> Mapping[tuple[Ref, int], tuple[TlsObservation, ...]]:
    """Return the refusals of clients without a name, by gateway and port of its pods.

    Only where a client with a name was served on the same port: else it is not the name.
    """
    refused: dict[tuple[Ref, int], list[TlsObservation]] = defaultdict(list)
    served: set[tuple[Ref, int]] = set()
    for seen in mesh.snapshot.tls_observations:
        access_point, place = (
            seen.target.access_point,
            (seen.target.access_point.gateway, seen.target.access_point.port),
        )
        if access_point.pod and seen.target.sni and seen.leaf:
            served.add(place)
        elif (
            access_point.pod and not seen.target.sni and seen.outcome in REFUSED and not seen.leaf
        ):
            refused[place].append(seen)
    return {place: tuple(seen) for place, seen in refused.items() if place in served}


@question
def mute_proxies(mesh: Mesh) -> tuple[MuteProxy, ...]:
    """Return what ends TLS before a gateway that refuses clients without a name.

    It has a certificate or a name of its own, and answers that nothing came from behind it,
    while the pods serve the same host to who names it.
    """
    if not nameless_refusals(mesh):
        return ()
    failing: dict[tuple[Server, AccessPoint], list[HttpStep]] = defaultdict(list)
    for server, request in requests(mesh):
        step = request.steps[0]
        if step.access_point and step.url.startswith("https:") and _is_unanswered(step):
            failing[server, step.access_point].append(step)
    return tuple(
        mute
        for (server, access_point), steps in failing.items()
        if (mute := _mute(mesh, server, access_point, steps))
    )


def _mute(
    mesh: Mesh, server: Server, access_point: AccessPoint, steps: list[HttpStep]
) -> MuteProxy | None:
    seen = handshakes(mesh).get(server, ())
    own = {
        each.leaf.fingerprint_sha256 for each in seen if each.target.access_point.pod and each.leaf
    }
    is_named = any(step.server for step in steps)
    other = tuple(
        each
        for each in seen
        if each.target.access_point == access_point and _is_before(each)
        if each.leaf and (is_named or each.leaf.fingerprint_sha256 not in own)
    )
    refused = tuple(_nameless_at(mesh, server, access_point.gateway))
    if not (own and other and refused):
        return None
    return MuteProxy(
        server=server, access_point=access_point, seen=(*other, *refused), steps=tuple(steps)
    )


def _nameless_at(mesh: Mesh, server: Server, gateway: Ref) -> Iterator[TlsObservation]:
    for listener in listeners_of(mesh, server):
        if listener.workload.owner == gateway:
            yield from nameless_refusals(mesh).get((gateway, listener.port), ())


def _asks(seen: TlsObservation) -> bool:
    return seen.client_certificate_requested


def _is_before(seen: TlsObservation) -> bool:
    """Whether it was made where a load balancer may stand: a node's port is the pods' own.

    What a name leads to may be anybody's, and have manners of its own towards the gateway.
    """
    return seen.target.access_point.via is Via.SERVICE_ADDRESS


def _is_refused(seen: TlsObservation) -> bool:
    is_refusal = seen.outcome in REFUSED or seen.outcome is Outcome.NOT_TLS
    return is_refusal and seen.leaf is None and not _asks(seen)


def _is_content(seen: TlsObservation) -> bool:
    """Whether TLS was agreed on with no word of a client certificate."""
    return seen.outcome is Outcome.HANDSHAKE and seen.leaf is not None and not _asks(seen)


def _is_unanswered(step: HttpStep) -> bool:
    return step.status in UNANSWERED and step.server.lower() not in ENVOYS
