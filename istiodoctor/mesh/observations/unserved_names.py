"""Names that clients may send as SNI and no TLS server has, and the handshakes with them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.certificates.connection_coalescing import unserved_www_names
from istiodoctor.mesh.configuration.chain_index import WITH_TLS, tls_server_for
from istiodoctor.mesh.configuration.misrouting import unserved_hosts
from istiodoctor.mesh.exposure.plain_https import without_front
from istiodoctor.mesh.exposure.services import HTTPS_PORT, Exposure, exposure, port_routes
from istiodoctor.mesh.gateways.listeners import listeners, listeners_of
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import ANY, concrete
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.kind import Kind
from istiodoctor.model.observation import Outcome, TlsObservation
from istiodoctor.model.ref import Place, Ref

MOST_NAMES = 3
"""How many names that no server takes are looked at on one listener, for each reason."""
REFUSED = frozenset({Outcome.ALERT, Outcome.RESET, Outcome.REFUSED})

Key = tuple[Ref, int, str]


class WhyUnserved(StrEnum):
    """Why no TLS server answers for a name, worst first."""

    LEFT_OUT = "left-out"
    """istiod leaves out the server that has it."""
    PLAIN = "plain"
    """The server that has it speaks plain HTTP on the port of https://."""
    ROUTE = "route"
    """A route has it, and none of the servers of its Gateways."""
    WWW_COUNTERPART = "www-counterpart"
    """A certificate has it, beside the other name with or without `www.`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnservedName:
    """A name that no TLS server of a listener answers for."""

    listener: Listener
    name: str
    """As it is written, wildcards too."""
    why: WhyUnserved
    server: Server
    """The server that should have it, or the nearest one."""
    place: Place
    """What names it."""

    @property
    def asked(self) -> str:
        """The name to ask for."""
        return concrete(self.name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnservedHandshakes:
    """The handshakes with such a name: completed, refused, or answered in plain text."""

    unserved: UnservedName
    refused: tuple[TlsObservation, ...]
    plain: tuple[TlsObservation, ...]
    """Those that were answered in plain text."""
    completed: tuple[TlsObservation, ...]
    """Those that showed a certificate all the same."""


@question
def unserved_names(mesh: Mesh) -> Mapping[Listener, tuple[UnservedName, ...]]:
    """Return the names that no TLS server answers for, a few for each reason."""
    found: dict[Listener, dict[str, UnservedName]] = defaultdict(dict)
    counts: dict[tuple[Listener, WhyUnserved], int] = defaultdict(int)
    for each in _unserved_names(mesh):
        known, kind = found[each.listener], (each.listener, each.why)
        if each.name in known or counts[kind] == MOST_NAMES or each.name == ANY:
            continue
        if tls_server_for(mesh, each.listener, each.asked) is None:
            known[each.name] = each
            counts[kind] += 1
    return {listener: tuple(each.values()) for listener, each in found.items() if each}


def _unserved_names(mesh: Mesh) -> Iterator[UnservedName]:
    for listener in listeners(mesh):
        for dropped in listener.dropped if listener.workload.is_known else ():
            server = dropped.server
            if server.is_tls or server.protocol in WITH_TLS:
                for name in server.names:
                    yield _unserved(listener, name, WhyUnserved.LEFT_OUT, server)
    for listener, server, name in _plain_names(mesh):
        yield _unserved(listener, name, WhyUnserved.PLAIN, server)
    for lost in unserved_hosts(mesh):
        place = lost.virtual_service.at(f"/spec/hosts/{lost.index}")
        for server in lost.servers:
            for listener in listeners_of(mesh, server) if server.is_tls else ():
                yield _unserved(listener, lost.host, WhyUnserved.ROUTE, server, place)
    for counterpart in unserved_www_names(mesh):
        for listener in listeners_of(mesh, counterpart.server):
            place = Place(counterpart.credential.ref)
            yield _unserved(
                listener, counterpart.name, WhyUnserved.WWW_COUNTERPART, counterpart.server, place
            )


def _plain_names(mesh: Mesh) -> Iterator[tuple[Listener, Server, str]]:
    """Yield what plain servers have that clients, with nothing before, reach on port 443."""
    for listener in listeners(mesh):
        if listener.is_tls or exposure(mesh, listener.workload) is Exposure.INSIDE:
            continue
        is_led_to = any(
            each.port.port == HTTPS_PORT and each.target == listener.port
            for each in port_routes(mesh, listener.workload)
        )
        for server in listener.servers:
            if server.is_plain_http and (is_led_to or server.port == HTTPS_PORT):
                for name in without_front(mesh, server, listener):
                    yield listener, server, name


@question(Kind.TLS_PROBE)
def unserved_handshakes(mesh: Mesh) -> tuple[UnservedHandshakes, ...]:
    """Return the handshakes with names that no TLS server answers for."""
    if not mesh.snapshot.tls_observations:  # which names those are is a join over all hosts
        return ()
    names: dict[Key, UnservedName] = {}
    for listener, found in unserved_names(mesh).items():
        for each in found:
            names.setdefault((listener.workload.owner, listener.port, each.name), each)
            names.setdefault((listener.workload.owner, 0, each.name), each)
    groups: dict[UnservedName, list[TlsObservation]] = defaultdict(list)
    for seen in mesh.snapshot.tls_observations:
        access_point, host = seen.target.access_point, seen.target.host
        key = (access_point.gateway, access_point.port if access_point.pod else 0, host)
        if host and not seen.target.server and key in names:
            groups[names[key]].append(seen)
    return tuple(_sorted(unserved, seen) for unserved, seen in groups.items())


def _unserved(
    listener: Listener, name: str, why: WhyUnserved, server: Server, place: Place | None = None
) -> UnservedName:
    return UnservedName(
        listener=listener,
        name=name,
        why=why,
        server=server,
        place=place or server.field("/hosts"),
    )


def _sorted(unserved: UnservedName, seen: list[TlsObservation]) -> UnservedHandshakes:
    return UnservedHandshakes(
        unserved=unserved,
        refused=tuple(each for each in seen if each.outcome in REFUSED and not each.leaf),
        plain=tuple(each for each in seen if each.outcome is Outcome.NOT_TLS),
        completed=tuple(each for each in seen if each.leaf),
    )
