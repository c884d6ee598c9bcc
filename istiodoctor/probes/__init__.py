"""Look at the wire: handshakes and requests, on connections that are given. Nothing is judged.

Everything here is bounded: how many at a time, how long each, how long in all, how many bytes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from istiodoctor.deadline import Deadline
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
from istiodoctor.probes.connector import (
    AddressConnector,
    Connector,
    PodConnections,
    Stream,
    connect_to,
)
from istiodoctor.probes.http import request
from istiodoctor.probes.tls import connection_failure, shake_hands
from istiodoctor.thread_pool import finished

UNLEARNED = {
    Outcome.FORBIDDEN: UnreadReason.FORBIDDEN,
    Outcome.FAILED: UnreadReason.FAILED,
    Outcome.TIMED_OUT: UnreadReason.TIMED_OUT,
}
"""Endings at a pod that say nothing of it: the connection leads through the API server."""
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
    deadline = Deadline.after(probing.seconds)
    prober = _Prober(
        pods=source if isinstance(source, PodConnections) else None,
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
    # A job that ends in an exception was out of time: whatever the wire does is an observation.
    ended = dict(finished(jobs, deadline))
    found = [ended.get(number) for number in range(len(jobs))]
    seen = [each for each in found if isinstance(each, Observation)]
    missed = [
        each
        for each, result in zip(every, found, strict=True)
        if not isinstance(result, Observation)
    ]
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
    pods: PodConnections | None
    trust: Trust
    hosts: tuple[str, ...]
    deadline: Deadline
    seconds_each: float

    def tls(self, target: TlsTarget) -> TlsObservation:
        """Make one handshake."""
        seconds = min(self.seconds_each, self.deadline.left())
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
        seconds = min(self.seconds_each, self.deadline.left())
        resolved: list[str] = []
        seen = request(
            target,
            lambda endpoint: _LazyConnector(self, endpoint, resolved),
            self._serves,
            timeout=seconds,
        )
        return replace(seen, addresses=tuple(dict.fromkeys(resolved)))

    def open(self, endpoint: AccessPoint, resolved: list[str]) -> Connector:
        """Return a connector to an endpoint, and note its addresses; raises OSError."""
        connector, addresses = self._connector(endpoint)
        resolved += addresses
        return connector

    def _connector(self, endpoint: AccessPoint) -> tuple[Connector, tuple[str, ...]]:
        if endpoint.pod is not None:
            if self.pods is None:
                raise PermissionError("this source lends no connections to pods")
            return self.pods.connector(
                endpoint.pod.namespace, endpoint.pod.name, endpoint.port
            ), ()
        addresses = AddressConnector(address=endpoint.address, port=endpoint.port).addresses()
        return _Resolved(addresses, endpoint.port), addresses

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
class _LazyConnector:
    """Resolves the endpoint's name when it connects: a failure is then a step's."""

    prober: _Prober
    endpoint: AccessPoint
    resolved: list[str]

    def connect(self, timeout: float) -> Stream:
        return self.prober.open(self.endpoint, self.resolved).connect(timeout)


def _unseen(seen: Iterable[Observation]) -> Iterable[Unread]:
    """Say which pods nothing was learned of: a port-forward that failed is no observation."""
    for each in seen:
        is_tls = isinstance(each, TlsObservation)
        kind = Kind.TLS_PROBE if is_tls else Kind.HTTP_PROBE
        endpoint = (
            each.target.access_point
            if isinstance(each, TlsObservation)
            else each.last.access_point
        )
        words = each.detail if isinstance(each, TlsObservation) else each.last.error
        reason = UNLEARNED.get(each.outcome)
        if endpoint is not None and each.outcome is Outcome.NOT_PERMITTED:
            yield _unread(kind, endpoint, UnreadReason.FAILED, words)
        elif reason and endpoint is not None and endpoint.via is Via.PORT_FORWARD:
            told = "" if words in (each.outcome, TIMED_OUT) else words
            yield _unread(kind, endpoint, reason, told or UNTOLD[reason])


def _blind(found: Iterable[tuple[Ref, str]]) -> Iterable[Unread]:
    for ref, words in found:
        for kind in (Kind.TLS_PROBE, Kind.HTTP_PROBE):
            yield Unread(kind=kind, namespace=ref.namespace, name=ref.name, message=words)


def _late(target: TlsTarget | HttpTarget) -> Unread:
    kind = Kind.TLS_PROBE if isinstance(target, TlsTarget) else Kind.HTTP_PROBE
    return _unread(
        kind, target.access_point, UnreadReason.TIMED_OUT, "the time for probes was over"
    )


def _unread(kind: Kind, endpoint: AccessPoint, reason: UnreadReason, words: str) -> Unread:
    where = endpoint.where
    return Unread(
        kind=kind, namespace=where.namespace, name=where.name, reason=reason, message=words
    )
