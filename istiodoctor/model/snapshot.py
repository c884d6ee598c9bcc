"""Everything that one scan read, at one time."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from istiodoctor.model.credential import Credential
from istiodoctor.model.document import Document
from istiodoctor.model.envoy import EnvoyState
from istiodoctor.model.envoy_configuration import EnvoyConfiguration
from istiodoctor.model.kind import Kind
from istiodoctor.model.log import LogLine
from istiodoctor.model.metadata import Resource
from istiodoctor.model.observation import HttpObservation, TlsObservation
from istiodoctor.model.redaction import redact_words
from istiodoctor.model.ref import UNKNOWN_NAMESPACE, Ref

EVERYWHERE = "*"
"""Stands for all namespaces in a scope of reading."""

R = TypeVar("R", bound=Resource)


class UnreadReason(StrEnum):
    """Why something was not read."""

    FORBIDDEN = "forbidden"
    TIMED_OUT = "timed-out"
    FAILED = "failed"
    REDACTED = "redacted"
    """A stand-in for a value: the object exists, its content is unknown."""
    MALFORMED = "malformed"
    """It was found, but its fields have wrong types or it does not parse."""
    NOT_DERIVED = "not-derived"
    """Made by controllers, so manifests do not hold it."""
    UNCERTAIN = "uncertain"
    """It is there, and what it will hold is not known: a placeholder, a patch of a kustomization,
    more different versions than can be judged one by one."""
    NOT_GIVEN = "not-given"
    """Nobody knows whether there is one: plain manifests do not say what else there is."""
    NOT_REQUESTED = "not-requested"
    """Nobody asked for it: another namespace than those that a scan was told to keep to."""


OUTSIDE = frozenset({UnreadReason.NOT_GIVEN, UnreadReason.NOT_REQUESTED})
"""Reasons of what lies outside of what was given or asked for: nobody failed to read it."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Unread:
    """Something that was asked for and could not be read."""

    kind: Kind | None
    """None when it could not even be told (a document that does not parse)."""
    namespace: str = ""
    """Empty for all namespaces, or for a cluster-scoped object."""
    name: str = ""
    """Empty for the whole kind there."""
    reason: UnreadReason = UnreadReason.FAILED
    message: str = ""
    """The server's own words, or the parser's, without secrets; escaped when shown."""
    file: str | None = None
    line: int | None = None

    def __post_init__(self) -> None:
        """Take secrets out of what was said: parsers and programs quote what they were given.

        A query may be part of a file's name (`base?ref=v1`); answers of servers come without.
        """
        object.__setattr__(self, "message", redact_words(self.message, keeps_queries=True))

    def covers(self, namespace: str, name: str) -> bool:
        """Whether an object of this name, there, may be among what was not read."""
        return self.namespace in ("", namespace) and self.name in ("", name)

    def __str__(self) -> str:
        """`secrets in istio-system: forbidden`."""
        line = f":{self.line}" if self.line else ""
        where = f" ({self.file}{line})" if self.file else ""
        return f"{self.what}: {self.reason}{where}"

    @property
    def what(self) -> str:
        """`secrets in istio-system`."""
        what = str(self.kind) if self.kind else "document"
        named = f" {self.name}" if self.name else ""
        there = f" in {self.namespace}" if self.namespace else ""
        return f"{what}{named}{there}"


def _is_of_all(unread: Unread) -> bool:
    return unread.namespace in ("", EVERYWHERE) and not unread.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where in the files an object was read from."""

    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one request for objects or observations brought, and what it could not bring."""

    resources: tuple[Resource, ...] = ()
    credentials: tuple[Credential, ...] = ()
    secret_names: frozenset[tuple[str, str]] = frozenset()
    """Namespace and name of Secrets known to exist, whatever could be read of them."""
    documents: Mapping[Ref, Document] = field(default_factory=dict)
    locations: Mapping[Ref, Location] = field(default_factory=dict)
    logs: tuple[LogLine, ...] = ()
    envoys: tuple[EnvoyState, ...] = ()
    envoy_configurations: tuple[EnvoyConfiguration, ...] = ()
    tls_observations: tuple[TlsObservation, ...] = ()
    http_observations: tuple[HttpObservation, ...] = ()
    unread: tuple[Unread, ...] = ()
    outside: tuple[Unread, ...] = ()
    """What was neither given nor asked for, and may be there: kinds that plain manifests do not
    hold, namespaces that a scan was told to leave out."""
    notes: tuple[str, ...] = ()
    """What a reader should know that is no fault: files passed over, duplicates dropped."""
    absent_apis: frozenset[Kind] = frozenset()
    listed: Mapping[Kind, frozenset[str]] = field(default_factory=dict)
    """Kinds read completely, and in which namespaces (EVERYWHERE for all): there, absence is a
    fact."""
    looked_up: frozenset[tuple[Kind, str, str]] = frozenset()
    """Single objects that were asked for by kind, namespace and name, and got an answer."""
    served_versions: Mapping[Kind, str] = field(default_factory=dict)
    """Under which version a cluster gave each kind: of those we know, the best that it has."""
    alternatives: tuple["Alternative", ...] = ()
    """What may be true as well as this reading: nothing is said that does not hold in all."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that this reading says anything about; empty when it says nothing."""
        found = {each.KIND for each in self.resources} | {each[0] for each in self.looked_up}
        found |= {each.kind for each in self.unread if each.kind}
        found |= self.listed.keys() | self.absent_apis
        if self.credentials or self.secret_names:
            found.add(Kind.SECRET)
        if self.logs:
            found.add(Kind.POD_LOG)
        if self.envoys:
            found.add(Kind.ENVOY)
        if self.envoy_configurations:
            found.add(Kind.ENVOY_CONFIGURATION)
        if self.tls_observations:
            found.add(Kind.TLS_PROBE)
        if self.http_observations:
            found.add(Kind.HTTP_PROBE)
        return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another meaning of files: an object that is given differently is what another one says.

    Or an object that names no namespace is in another one.
    """

    reading: Reading
    """Everything, in place of the first reading."""
    namespace: str = UNKNOWN_NAMESPACE
    """Where the objects that name no namespace are in it."""
    is_part: bool = False
    """Whether it leaves out folders that are not for the same cluster as the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterInfo:
    """Which cluster was read; all empty for files."""

    context: str = ""
    server: str = ""
    uid: str = ""
    """UID of the namespace kube-system: the usual identity of a cluster."""
    kubernetes_version: str = ""


class Snapshot:
    """Everything that one scan read: immutable; `plus` returns a new one."""

    __slots__ = (
        "_by_kind",
        "_envoys",
        "_outside",
        "_unread",
        "absent_apis",
        "cluster",
        "credentials",
        "documents",
        "envoy_configurations",
        "http_observations",
        "listed",
        "locations",
        "logs",
        "looked_up",
        "notes",
        "requested",
        "secret_names",
        "served_versions",
        "source",
        "taken_at",
        "tls_observations",
    )

    def __init__(
        self,
        *,
        taken_at: datetime,
        source: str,
        readings: Iterable[Reading] = (),
        requested: frozenset[Kind] = frozenset(),
        cluster: ClusterInfo | None = None,
    ) -> None:
        """Merge readings; where two hold the same object, the later one is right."""
        self.taken_at = taken_at
        self.source = source
        self.requested = requested
        self.cluster = cluster or ClusterInfo()
        self._by_kind: Mapping[Kind, Mapping[tuple[str, str], Resource]] = {}
        self.credentials: Mapping[tuple[str, str], Credential] = {}
        self.secret_names: frozenset[tuple[str, str]] = frozenset()
        self.documents: Mapping[Ref, Document] = {}
        self.locations: Mapping[Ref, Location] = {}
        self.logs: tuple[LogLine, ...] = ()
        self._envoys: Mapping[Ref, EnvoyState] = {}
        self.envoy_configurations: Mapping[Ref, EnvoyConfiguration] = {}
        self.tls_observations: tuple[TlsObservation, ...] = ()
        self.http_observations: tuple[HttpObservation, ...] = ()
        self._unread: Mapping[Kind | None, Mapping[Unread, None]] = {}
        self._outside: tuple[Unread, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.absent_apis: frozenset[Kind] = frozenset()
        self.listed: Mapping[Kind, frozenset[str]] = {}
        self.looked_up: frozenset[tuple[Kind, str, str]] = frozenset()
        self.served_versions: Mapping[Kind, str] = {}
        for reading in readings:
            self._add(reading)

    def plus(self, *readings: Reading, requested: frozenset[Kind] = frozenset()) -> "Snapshot":
        """Return this snapshot with more readings; objects read again replace the old ones."""
        grown = Snapshot(
            taken_at=self.taken_at,
            source=self.source,
            requested=self.requested | requested,
            cluster=self.cluster,
        )
        for name in self.__slots__:
            if name not in ("taken_at", "source", "requested", "cluster"):
                setattr(grown, name, getattr(self, name))
        for reading in readings:
            grown._add(reading)
        return grown

    def instead(self, reading: Reading) -> "Snapshot":
        """Return a snapshot of the same source and time that holds this reading alone."""
        return Snapshot(
            taken_at=self.taken_at,
            source=self.source,
            readings=[reading],
            requested=self.requested,
            cluster=self.cluster,
        )

    def _add(self, reading: Reading) -> None:
        by_kind = {kind: dict(objects) for kind, objects in self._by_kind.items()}
        for resource in reading.resources:
            objects = by_kind.setdefault(resource.KIND, {})
            objects[resource.namespace, resource.name] = resource
        self._by_kind = by_kind
        found = {(each.namespace, each.name): each for each in reading.credentials}
        self.credentials = {**self.credentials, **found}
        self.secret_names |= reading.secret_names | found.keys()
        self.documents = {**self.documents, **reading.documents}
        self.locations = {**self.locations, **reading.locations}
        self.logs += reading.logs
        self._envoys = {**self._envoys, **{each.pod: each for each in reading.envoys}}
        configurations = {each.pod: each for each in reading.envoy_configurations}
        self.envoy_configurations = {**self.envoy_configurations, **configurations}
        self.tls_observations += reading.tls_observations
        self.http_observations += reading.http_observations
        unread = {kind: dict(entries) for kind, entries in self._unread.items()}
        for entry in reading.unread:
            unread.setdefault(entry.kind, {})[entry] = None
        self._unread = unread
        self._outside += reading.outside
        self.notes += reading.notes
        self.absent_apis |= reading.absent_apis
        listed = dict(self.listed)
        for kind, namespaces in reading.listed.items():
            listed[kind] = listed.get(kind, frozenset()) | namespaces
        self.listed = listed
        self.looked_up |= reading.looked_up
        self.served_versions = {**self.served_versions, **reading.served_versions}

    def all(self, kind: type[R]) -> Iterator[R]:
        """Yield every object of a type, ordered by namespace and name."""
        objects = self._by_kind.get(kind.KIND, {})
        for key in sorted(objects):
            yield objects[key]  # type: ignore[misc]  # objects are filed under their own kind

    def get(self, kind: type[R], namespace: str, name: str) -> R | None:
        """Return one object, or None when it was not read."""
        return self._by_kind.get(kind.KIND, {}).get((namespace, name))  # type: ignore[return-value]

    def is_complete(self, kind: Kind, namespace: str = EVERYWHERE, name: str = "") -> bool:
        """Whether an object of this kind that is not here does not exist.

        True for an API that the cluster does not have, for a kind listed in that namespace and
        for a name looked up,
        unless something unread may be that very object. Never true of plain manifests.
        """
        if kind in self.absent_apis:
            return True
        if any(self._hides(each, namespace, name) for each in self._unread.get(kind, ())):
            return False
        if name and not self.looked_up.isdisjoint(
            ((kind, namespace, name), (kind, EVERYWHERE, name))
        ):
            return True
        return bool(self.listed.get(kind, frozenset()) & {namespace, EVERYWHERE})

    @staticmethod
    def _hides(unread: Unread, namespace: str, name: str) -> bool:
        if namespace == EVERYWHERE:
            return unread.name in ("", name) or not name
        return unread.covers(namespace, name) if name else unread.namespace in ("", namespace)

    @property
    def envoys(self) -> tuple[EnvoyState, ...]:
        """The state of every Envoy that was asked, by pod; the last reading of each."""
        return tuple(self._envoys[pod] for pod in sorted(self._envoys))

    @property
    def unread(self) -> tuple[Unread, ...]:
        """Everything that was asked for and could not be read."""
        return tuple(entry for entries in self._unread.values() for entry in entries)

    @property
    def is_plain(self) -> bool:
        """Whether it is of plain manifests: nothing tells of what is not in them."""
        return not (self.listed or self.absent_apis or self.looked_up)

    @property
    def outside(self) -> tuple[Unread, ...]:
        """Everything that was neither given nor asked for, and may be there all the same.

        Lists of single namespaces are no knowledge of the others, whatever a source says of that.
        """
        told = {each.kind for each in (*self.unread, *self._outside) if _is_of_all(each)}
        return (
            *self._outside,
            *(
                Unread(kind=kind, namespace=EVERYWHERE, reason=UnreadReason.NOT_REQUESTED)
                for kind, namespaces in self.listed.items()
                if namespaces and EVERYWHERE not in namespaces and kind not in told
            ),
        )

    def unread_of(self, kinds: Iterable[Kind]) -> tuple[Unread, ...]:
        """Return what could not be read of these kinds."""
        return tuple(entry for kind in kinds for entry in self._unread.get(kind, ()))

    def at(self, taken_at: datetime) -> "Snapshot":
        """Return the same reading with another clock, for tests and recorded snapshots."""
        moved = self.plus()
        moved.taken_at = taken_at
        return moved
