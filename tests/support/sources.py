"""A cluster in memory as a source: it gives what is asked for, and notes what that was."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from istiodoctor.model.decode import Decoded, decode_object
from istiodoctor.model.events import Event
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.log import LogLine
from istiodoctor.model.log_format import parse_log_line
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import EVERYWHERE, ClusterInfo, Reading, Unread, UnreadReason
from istiodoctor.model.wanted import LogTarget, Wanted

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class MemorySource:
    """Reads manifests as a cluster would be read; `forbidden` kinds cannot be."""

    objects: Iterable[Mapping[str, Any]]
    forbidden: frozenset[Kind] = frozenset()
    absent: frozenset[Kind] = frozenset()
    offers: frozenset[Kind] = frozenset({Kind.POD_LOG})
    late: Iterable[Mapping[str, Any]] = ()
    """What comes while the source is read: only a second look at an absence finds it."""
    logs: Mapping[LogTarget, tuple[str, ...]] = field(default_factory=dict)
    """Raw lines, as `kubectl logs` prints them."""
    name: str = "memory"
    taken_at: datetime = NOW
    collected: list[frozenset[Kind]] = field(default_factory=list)
    reads: list[Wanted] = field(default_factory=list)
    seen: Reading = field(default_factory=Reading)
    """What Envoys said and what probes saw, as a recorded cluster has it."""
    decoded: list[Decoded] = field(default_factory=list)
    """The objects, decoded when they are first asked for."""

    def collect(self, kinds: frozenset[Kind]) -> Reading:
        """Return every object of the kinds that are listed."""
        self.collected.append(kinds)
        listed = {kind for kind in kinds if kind.listed} - self.forbidden - self.absent
        refused = sorted((kinds & self.forbidden), key=str)
        return _reading(
            (each for each in self._decoded() if each.kind in listed),
            listed={kind: frozenset({EVERYWHERE}) for kind in listed},
            absent_apis=self.absent & kinds,
            unread=tuple(_refusal(kind) for kind in refused if kind.listed),
            served_versions={
                decoded.kind: str(body["apiVersion"]).rpartition("/")[2]
                for decoded, body in zip(self._decoded(), self.objects, strict=True)
                if decoded.kind in listed
            },
            tls_observations=self.seen.tls_observations,
            http_observations=self.seen.http_observations,
        )

    def read(self, wanted: Wanted) -> Reading:
        """Return the Secrets and objects that are named."""
        self.reads.append(wanted)
        asked = {
            *((Kind.SECRET, *key) for key in wanted.secrets | wanted.secret_names),
            *((Kind.SECRET, EVERYWHERE, name) for name in wanted.secrets_anywhere),
            *wanted.again,
        }
        refused = {each for each in asked if each[0] in self.forbidden}
        refused_logs = wanted.logs if Kind.POD_LOG in self.forbidden else frozenset()
        came = (each for each in map(_decode, self.late) if _key(each) in wanted.again)
        known = [*self._decoded(), *came]
        events = frozenset() if Kind.EVENT in self.forbidden else wanted.events
        envoys = frozenset() if Kind.ENVOY in self.forbidden else wanted.envoys
        return _reading(
            (each for each in known if _key(each) in asked - refused or _about(each) in events),
            secret_names=frozenset(
                (each.ref.namespace, each.ref.name)
                for each in known
                if (Kind.SECRET, EVERYWHERE, each.ref.name) in asked - refused
                and each.kind is Kind.SECRET
            ),
            looked_up=frozenset(asked - refused),
            unread=(
                *(_refusal(*each) for each in sorted(refused, key=str)),
                *(
                    _refusal(Kind.EVENT, each)
                    for each in sorted({e[0] for e in wanted.events - events})
                ),
                *(_refusal(Kind.POD_LOG, at.namespace, at.pod) for at in sorted(refused_logs)),
                *(_refusal(Kind.ENVOY, *pod) for pod in sorted(wanted.envoys - envoys)),
            ),
            envoys=tuple(
                each for each in self.seen.envoys if (each.pod.namespace, each.pod.name) in envoys
            ),
            envoy_configurations=tuple(
                each
                for each in self.seen.envoy_configurations
                if (each.pod.namespace, each.pod.name) in wanted.envoy_configurations
                and Kind.ENVOY_CONFIGURATION not in self.forbidden
            ),
            logs=tuple(self._lines(wanted.logs - refused_logs, wanted.log_patterns)),
        )

    def describe(self) -> ClusterInfo:
        """Say nothing."""
        return ClusterInfo()

    def _lines(
        self, targets: frozenset[LogTarget], patterns: tuple[str, ...]
    ) -> Iterator[LogLine]:
        for target in sorted(targets):
            pod = Ref(CORE, "Pod", target.namespace, target.pod)
            for line in self.logs.get(target, ()):
                if any(re.search(pattern, line) for pattern in patterns):
                    yield parse_log_line(line, pod=pod, container=target.container)

    def _decoded(self) -> list[Decoded]:
        if not self.decoded:
            self.decoded += map(_decode, self.objects)
        return self.decoded


def _decode(body: Mapping[str, Any]) -> Decoded:
    decoded = decode_object(dict(body))
    assert decoded, body
    return decoded


def _key(decoded: Decoded) -> tuple[Kind, str, str]:
    return decoded.kind, decoded.ref.namespace, decoded.ref.name


def _about(decoded: Decoded) -> tuple[str, str, str] | None:
    """Return what an Event is about, as it is asked for; None for any other object."""
    if not isinstance(decoded.resource, Event):
        return None
    about = decoded.resource.involved_object
    return decoded.ref.namespace, about.kind, about.name


def _refusal(kind: Kind, namespace: str = "", name: str = "") -> Unread:
    return Unread(kind=kind, namespace=namespace, name=name, reason=UnreadReason.FORBIDDEN)


def _reading(found: Iterable[Decoded], **rest: Any) -> Reading:
    every = tuple(found)
    own = frozenset((e.ref.namespace, e.ref.name) for e in every if e.kind is Kind.SECRET)
    stand_ins = tuple(
        Unread(
            kind=each.kind,
            namespace=each.ref.namespace,
            name=each.ref.name,
            reason=UnreadReason.REDACTED,
            message=each.stand_in,
        )
        for each in every
        if each.stand_in
    )
    return Reading(
        resources=tuple(each.resource for each in every if each.resource),
        credentials=tuple(each.credential for each in every if each.credential),
        documents={each.ref: each.document for each in every},
        **{
            **rest,
            "secret_names": own | rest.get("secret_names", frozenset()),
            "unread": (*stand_ins, *rest.get("unread", ())),
        },
    )
