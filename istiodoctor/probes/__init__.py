"""Look at the wire: handshakes and requests, on connections that others lend. Nothing is judged.

Everything here is bounded: how many at a time, how long each, how long in all, how many bytes.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from istiodoctor.model.kind import Kind
from istiodoctor.model.observation import (
    AccessPoint,
    HttpObservation,
    HttpTarget,
    Outcome,
    ProbeTargets,
    TlsObservation,
    TlsTarget,
    Via,
)
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading, Unread, UnreadReason
from istiodoctor.probes.chain import Trust
from istiodoctor.probes.channel import Deadline
from istiodoctor.probes.connector import AddressConnector, Connector, Lender, Stream, connect_to
from istiodoctor.probes.http import request
from istiodoctor.probes.tls import connection_failure, shake_hands

AT_ONCE = 8
GRACE = 1.0
"""Seconds after the deadline for probes to notice it; what hangs in a name server does not."""
UNLEARNED = {
    Outcome.FORBIDDEN: UnreadReason.FORBIDDEN,
    Outcome.FAILED: UnreadReason.FAILED,
    Outcome.TIMED_OUT: UnreadReason.TIMED_OUT,
}
"""Endings at a pod that say nothing of it: the way there leads through the API server."""
UNTOLD = {
    UnreadReason.FORBIDDEN: "the port-forward is not permitted",
    UnreadReason.FAILED: "nothing was learned of it",
    UnreadReason.TIMED_OUT: "no answer in time",
}
"""What to say where nobody gives a reason."""
TIMED_OUT = "timed out"
"""The words of sockets for it, which add nothing."""

Observation = TlsObservation | HttpObservation


@dataclass(frozen=True, slots=True, kw_only=True)
class Probing:
    """How to look: for how long, and with whose trust."""

    roots: tuple[bytes, ...] = ()
    """The certificates that clients trust, in DER."""
    seconds: float = 60.0
    """For everything."""
    seconds_each: float = 5.0
    """For one target, redirects included."""


def look(targets: ProbeTargets, source: object, probing: Probing) -> Reading:
    """Return what the wire shows on every target; what could not be looked at is unread."""
    deadline = Deadline(probing.seconds)
    prober = _Prober(
        lender=source if isinstance(source, Lender) else None,
        trust=Trust(probing.roots, datetime.now(UTC)),
        hosts=targets.hosts,
        deadline=deadline,
        seconds_each=probing.seconds_each,
    )
    jobs: list[Callable[[], Observation]] = [
        *(partial(prober.tls, each) for each in targets.tls),
        *(partial(prober.http, each) for each in targets.http),
    ]
    every: tuple[TlsTarget | HttpTarget, ...] = (*targets.tls, *targets.http)
    found = _work_off(jobs, deadline)
    seen = [each for each in found if each is not None]
    missed = [each for each, result in zip(every, found, strict=True) if result is None]
    return Reading(
        tls_observations=tuple(each for each in seen if isinstance(each, TlsObservation)),
        http_observations=tuple(each for each in seen if isinstance(each, HttpObservation)),
        unread=tuple(
            dict.fromkeys(
                (*_unseen(seen), *(_late(each) for each in missed), *_blind(targets.blind))
            )
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prober:
    lender: Lender | None
    trust: Trust
    hosts: tuple[str, ...]
    deadline: Deadline
    seconds_each: float

    def tls(self, target: TlsTarget) -> TlsObservation:
        """Make one handshake."""
        seconds = min(self.seconds_each, self.deadline.remaining)
        addresses: tuple[str, ...] = ()
        try:
            connector, addresses = self._connector(target.access_point)
        except Exception as error:  # a name that does not resolve is an observation
            failed = TlsObservation(target=target, outcome=Outcome.FAILED, at=datetime.now(UTC))
            return replace(failed, **connection_failure(error))
        seen = shake_hands(target, connector, timeout=seconds, trust=self.trust)
        return replace(seen, addresses=addresses)

    def http(self, target: HttpTarget) -> HttpObservation:
        """Make one request."""
        seconds = min(self.seconds_each, self.deadline.remaining)
        resolved: list[str] = []
        seen = request(
            target,
            lambda access_point: _Door(self, access_point, resolved),
            self._serves,
            timeout=seconds,
        )
        return replace(seen, addresses=tuple(dict.fromkeys(resolved)))

    def open(self, access_point: AccessPoint, resolved: list[str]) -> Connector:
        """Return a way to a door, and note what its name resolves to; raises OSError."""
        connector, addresses = self._connector(access_point)
        resolved += addresses
        return connector

    def _connector(self, access_point: AccessPoint) -> tuple[Connector, tuple[str, ...]]:
        if access_point.pod is not None:
            if self.lender is None:
                raise PermissionError("this source lends no connections to pods")
            return self.lender.connector(
                access_point.pod.namespace, access_point.pod.name, access_point.port
            ), ()
        addresses = AddressConnector(
            address=access_point.address, port=access_point.port
        ).addresses()
        return _Resolved(addresses, access_point.port), addresses

    def _serves(self, host: str) -> bool:
        host = host.lower()
        return any(
            pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))
            for pattern in self.hosts
        )


@dataclass(frozen=True, slots=True)
class _Resolved:
    """A name that was resolved already: what was judged is what is connected to."""

    addresses: tuple[str, ...]
    port: int

    def connect(self, timeout: float) -> Stream:
        return connect_to(self.addresses, self.port, timeout)


@dataclass(frozen=True, slots=True)
class _Door:
    """A door that is opened when it is connected to: its failure is then a step's."""

    prober: _Prober
    access_point: AccessPoint
    resolved: list[str]

    def connect(self, timeout: float) -> Stream:
        return self.prober.open(self.access_point, self.resolved).connect(timeout)


def _unseen(seen: Iterable[Observation]) -> Iterable[Unread]:
    """Say which pods nothing was learned of: a port-forward that failed is no observation."""
    for each in seen:
        is_tls = isinstance(each, TlsObservation)
        kind = Kind.TLS_PROBE if is_tls else Kind.HTTP_PROBE
        access_point = (
            each.target.access_point
            if isinstance(each, TlsObservation)
            else each.last.access_point
        )
        words = each.detail if isinstance(each, TlsObservation) else each.last.error
        reason = UNLEARNED.get(each.outcome)
        if access_point is not None and each.outcome is Outcome.NOT_PERMITTED:
            yield _unread(kind, access_point, UnreadReason.FAILED, words)
        elif reason and access_point is not None and access_point.via is Via.PORT_FORWARD:
            told = "" if words in (each.outcome, TIMED_OUT) else words
            yield _unread(kind, access_point, reason, told or UNTOLD[reason])


def _blind(found: Iterable[tuple[Ref, str]]) -> Iterable[Unread]:
    for ref, words in found:
        for kind in (Kind.TLS_PROBE, Kind.HTTP_PROBE):
            yield Unread(kind=kind, namespace=ref.namespace, name=ref.name, message=words)


def _late(target: TlsTarget | HttpTarget) -> Unread:
    kind = Kind.TLS_PROBE if isinstance(target, TlsTarget) else Kind.HTTP_PROBE
    return _unread(
        kind, target.access_point, UnreadReason.TIMED_OUT, "the time for probes was over"
    )


def _unread(kind: Kind, access_point: AccessPoint, reason: UnreadReason, words: str) -> Unread:
    where = access_point.where
    return Unread(
        kind=kind, namespace=where.namespace, name=where.name, reason=reason, message=words
    )


def _work_off(
    jobs: Sequence[Callable[[], Observation]], deadline: Deadline
) -> list[Observation | None]:
    """Return each job's observation in their order; None for one that is still out at the end.

    The threads are daemons: neither Ctrl-C nor the end of the process waits for a name server.
    """
    waiting: queue.SimpleQueue[tuple[int, Callable[[], Observation]]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Observation]] = queue.SimpleQueue()
    for number, job in enumerate(jobs):
        waiting.put((number, job))
    for _ in range(min(AT_ONCE, len(jobs))):
        threading.Thread(
            target=_serve, args=(waiting, done, deadline), daemon=True, name="probe"
        ).start()
    found: list[Observation | None] = [None] * len(jobs)
    for _ in jobs:
        try:
            number, seen = done.get(timeout=deadline.remaining + GRACE)
        except queue.Empty:
            break
        found[number] = seen
    return found


def _serve(
    waiting: "queue.SimpleQueue[tuple[int, Callable[[], Observation]]]",
    done: "queue.SimpleQueue[tuple[int, Observation]]",
    deadline: Deadline,
) -> None:
    while deadline.remaining > 0:
        try:
            number, job = waiting.get_nowait()
        except queue.Empty:
            return
        done.put((number, job()))
