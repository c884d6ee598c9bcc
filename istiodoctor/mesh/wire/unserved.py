"""Names that clients may ask for by TLS and that no TLS server answers, and what pods said."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.coverage import CoverageQuestions
from istiodoctor.mesh.exposure import HTTPS_PORT, Exposure, ExposureQuestions
from istiodoctor.mesh.hosts import ANY, concrete
from istiodoctor.mesh.listeners import Listener
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.misrouting import MisroutingQuestions
from istiodoctor.mesh.reuse import ReuseQuestions
from istiodoctor.mesh.servers import Server
from istiodoctor.model.kind import Kind
from istiodoctor.model.observation import Outcome, TlsObservation
from istiodoctor.model.ref import Place, Ref

MOST_NAMES = 3
"""How many names that no server takes are looked at on one listener, for each reason."""
WITH_TLS = frozenset({"HTTPS", "TLS"})
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
    TWIN = "twin"
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
    """What came of asking for such a name."""

    unserved: UnservedName
    refused: tuple[TlsObservation, ...]
    plain: tuple[TlsObservation, ...]
    """Those that were answered in plain text."""
    agreed: tuple[TlsObservation, ...]
    """Those that showed a certificate all the same."""


class UnservedQuestions(ExposureQuestions, CoverageQuestions, ReuseQuestions, MisroutingQuestions):
    """Handshakes that should not come about."""

    @question(
        rests_on=[
            ExposureQuestions.listeners,
            ExposureQuestions.listeners_of,
            ExposureQuestions.server_for,
            ExposureQuestions.exposure,
            ExposureQuestions.fronts_for,
            ExposureQuestions.port_routes,
            MisroutingQuestions.unserved_hosts,
            ReuseQuestions.forgotten_twins,
        ]
    )
    def unserved_names(self) -> Mapping[Listener, tuple[UnservedName, ...]]:
        """Return the names that no TLS server answers for, a few for each reason."""
        found: dict[Listener, dict[str, UnservedName]] = defaultdict(dict)
        counts: dict[tuple[Listener, WhyUnserved], int] = defaultdict(int)
        for each in self._unserved_names():
            known, kind = found[each.listener], (each.listener, each.why)
            if each.name in known or counts[kind] == MOST_NAMES or each.name == ANY:
                continue
            answering = self.server_for(each.listener, each.asked)
            if answering is None or not answering.is_tls:
                known[each.name] = each
                counts[kind] += 1
        return {listener: tuple(each.values()) for listener, each in found.items() if each}

    def _unserved_names(self) -> Iterator[UnservedName]:
        for listener in self.listeners():
            for dropped in listener.dropped if listener.workload.is_known else ():
                server = dropped.server
                if server.is_tls or server.protocol in WITH_TLS:
                    for name in server.names:
                        yield _unserved(listener, name, WhyUnserved.LEFT_OUT, server)
        for listener, server, name in self._plain_names():
            yield _unserved(listener, name, WhyUnserved.PLAIN, server)
        for lost in self.unserved_hosts():
            place = lost.virtual_service.at(f"/spec/hosts/{lost.index}")
            for server in lost.servers:
                for listener in self.listeners_of(server) if server.is_tls else ():
                    yield _unserved(listener, lost.host, WhyUnserved.ROUTE, server, place)
        for twin in self.forgotten_twins():
            for listener in self.listeners_of(twin.server):
                place = Place(twin.credential.ref)
                yield _unserved(listener, twin.name, WhyUnserved.TWIN, twin.server, place)

    def _plain_names(self) -> Iterator[tuple[Listener, Server, str]]:
        """Yield what plain servers have that clients, with nothing before, reach on port 443."""
        for listener in self.listeners():
            if listener.is_tls or self.exposure(listener.workload) is Exposure.INSIDE:
                continue
            is_led_to = any(
                each.port.port == HTTPS_PORT and each.target == listener.port
                for each in self.port_routes(listener.workload)
            )
            for server in listener.servers:
                if server.is_plain_http and (is_led_to or server.port == HTTPS_PORT):
                    for name in self._without_front(server, listener):
                        yield listener, server, name

    @question(Kind.TLS_PROBE, rests_on=[unserved_names])
    def unserved_handshakes(self) -> tuple[UnservedHandshakes, ...]:
        """Return what came of asking for names that no TLS server answers for."""
        if not self._snapshot.tls_observations:  # which names those are is a join over all hosts
            return ()
        names: dict[Key, UnservedName] = {}
        for listener, found in self.unserved_names().items():
            for each in found:
                names.setdefault((listener.workload.owner, listener.port, each.name), each)
                names.setdefault((listener.workload.owner, 0, each.name), each)
        groups: dict[UnservedName, list[TlsObservation]] = defaultdict(list)
        for seen in self._snapshot.tls_observations:
            door, host = seen.target.door, seen.target.host
            key = (door.gateway, door.port if door.pod else 0, host)
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
        agreed=tuple(each for each in seen if each.leaf),
    )
