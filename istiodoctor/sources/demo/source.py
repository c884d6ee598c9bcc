"""The demo as a source: it gives what is asked for and nothing more, as a cluster would."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from istiodoctor.model.decode import Decoded, decode_object
from istiodoctor.model.events import Event
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.log import LogLine
from istiodoctor.model.log_format import parse_log_line
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import EVERYWHERE, ClusterInfo, Reading
from istiodoctor.model.wanted import LogTarget, Wanted
from istiodoctor.sources.demo.certificates import Certificates
from istiodoctor.sources.demo.controllers import derived
from istiodoctor.sources.demo.manifests import log_of, read_documents


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSource:
    """The embedded cluster; made by `open_demo`."""

    taken_at: datetime
    objects: tuple[Decoded, ...]
    logs: Mapping[LogTarget, tuple[str, ...]] = field(default_factory=dict)
    """Raw lines, as `kubectl logs` prints them."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        return "demo"

    @property
    def offers(self) -> frozenset[Kind]:
        """Logs."""
        return frozenset({Kind.POD_LOG})

    def describe(self) -> ClusterInfo:
        """Return nothing but a version: there is no cluster to connect to."""
        return ClusterInfo(kubernetes_version="v1.30.4")

    def collect(self, kinds: frozenset[Kind]) -> Reading:
        """Return every object of these kinds but those that are read by name."""
        listed = frozenset(kind for kind in kinds if kind.listed)
        reading = _reading(each for each in self.objects if each.kind in listed)
        return replace(reading, listed=dict.fromkeys(listed, frozenset({EVERYWHERE})))

    def read(self, wanted: Wanted) -> Reading:
        """Return the Secrets, Events, log lines and other objects that are named."""
        secrets = {(Kind.SECRET, *key) for key in wanted.secrets | wanted.secret_names}
        asked = wanted.again | secrets
        reading = _reading(
            each
            for each in self.objects
            if (each.kind, each.ref.namespace, each.ref.name) in asked
            or _about(each) in wanted.events
        )
        elsewhere = frozenset(
            (each.ref.namespace, each.ref.name)
            for each in self.objects
            if each.kind is Kind.SECRET and each.ref.name in wanted.secrets_anywhere
        )
        everywhere = {(Kind.SECRET, EVERYWHERE, name) for name in wanted.secrets_anywhere}
        return replace(
            reading,
            secret_names=elsewhere,
            looked_up=asked | everywhere,
            logs=tuple(self._lines(wanted)),
        )

    def _lines(self, wanted: Wanted) -> Iterator[LogLine]:
        if not wanted.log_patterns:
            return
        pattern = re.compile("|".join(f"(?:{each})" for each in wanted.log_patterns))
        for target in sorted(wanted.logs):
            pod = Ref(CORE, "Pod", target.namespace, target.pod)
            for line in self.logs.get(target, ()):
                if pattern.search(line):
                    yield parse_log_line(line, pod=pod, container=target.container)


def open_demo(*, now: datetime) -> DemoSource:
    """Return the demo cluster as it is at `now`: all its times count from there."""
    now = now.astimezone(UTC)
    return decoded(read_cluster(now), now=now)


@dataclass(frozen=True, slots=True)
class RawCluster:
    """The cluster as an API server holds it, private keys in its Secrets: not to be kept."""

    objects: tuple[dict[str, Any], ...] = field(repr=False)
    logs: Mapping[LogTarget, tuple[str, ...]]


def read_cluster(now: datetime) -> RawCluster:
    """Return what the manifests say with everything made that a cluster makes; `now` is UTC."""
    certificates = Certificates(now)
    objects: list[dict[str, Any]] = []
    logs: dict[LogTarget, tuple[str, ...]] = {}
    for document in read_documents(now):
        if "log" in document:
            target, lines = log_of(document)
            logs[target] = tuple(sorted((*logs.get(target, ()), *lines)))
        else:
            objects.append(document)
    return RawCluster(tuple(certificates.filled(each) for each in derived(objects)), logs)


def decoded(raw: RawCluster, *, now: datetime) -> DemoSource:
    """Decode the objects, which drops private keys."""
    found = (decode_object(each) for each in raw.objects)
    return DemoSource(taken_at=now, objects=tuple(each for each in found if each), logs=raw.logs)


def _about(decoded: Decoded) -> tuple[str, str, str] | None:
    """Return what an Event is about, as it is asked for; None for any other object."""
    if not isinstance(decoded.resource, Event):
        return None
    about = decoded.resource.involved_object
    return (decoded.ref.namespace, about.kind, about.name)


def _reading(found: Iterator[Decoded]) -> Reading:
    objects = tuple(found)
    return Reading(
        resources=tuple(each.resource for each in objects if each.resource),
        credentials=tuple(each.credential for each in objects if each.credential),
        documents={each.ref: each.document for each in objects},
    )
