"""Which namespaces to read: all at once, or single ones where only that is permitted."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from istiodoctor.model.decode import TYPES
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Unread, UnreadReason
from istiodoctor.sources.cluster.connection import JSON, Connection
from istiodoctor.sources.cluster.discovery import Apis
from istiodoctor.sources.cluster.listing import is_possible, list_objects, path_of, raw_items
from istiodoctor.sources.cluster.metadata import METADATA_ONLY, named
from istiodoctor.sources.cluster.request_error import RequestError
from istiodoctor.sources.merged_readings import merged

ONLY_NAMED = "--only-namespaces: nothing else was asked for"
MOST_NAMESPACES = 50
"""How many namespaces are tried one by one, each costing a request for each kind."""


@dataclass(slots=True)
class Namespaces:
    """The namespaces that a list of everything can be replaced by."""

    connection: Connection
    named: frozenset[str]
    """Those the user named."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: tuple[tuple[str, ...], bool] | None = None

    def known(self) -> tuple[tuple[str, ...], bool]:
        """Return the named ones, then others that exist; says whether these are all there are.

        They are asked for once, and only when needed.
        """
        with self._lock:
            if self._known is None:
                self._known = self._ask()
            return self._known

    def _ask(self) -> tuple[tuple[str, ...], bool]:
        first = tuple(sorted(self.named))
        try:
            items = raw_items(
                self.connection,
                path_of(Kind.NAMESPACE, "v1"),
                accept=f"{METADATA_ONLY},{JSON}",
            )
            others = sorted({name for _, name in named(items)} - self.named)
        except RequestError:
            return first, False
        room = max(0, MOST_NAMESPACES - len(first))
        return (*first, *others[:room]), len(others) <= room


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Reads whole kinds."""

    connection: Connection
    apis: Apis
    namespaces: Namespaces
    only_namespaces: bool

    def includes(self, kind: Kind) -> bool:
        """Whether this kind is listed at all: it has a type, and was not excluded."""
        return kind.listed and kind in TYPES and (kind.namespaced or not self.only_namespaces)

    def left_out(self, kinds: frozenset[Kind]) -> Iterator[Unread]:
        """Yield what of these kinds is not asked for, since other namespaces are left out."""
        if self.only_namespaces:
            for kind in sorted(kinds, key=str):
                if kind.listed and kind in TYPES:
                    yield Unread(
                        kind=kind,
                        namespace=EVERYWHERE if kind.namespaced else "",
                        reason=UnreadReason.NOT_REQUESTED,
                        message=ONLY_NAMED,
                    )

    def permits(self, namespace: str) -> bool:
        """Whether a namespace may be looked into at all."""
        return not self.only_namespaces or namespace in self.namespaces.named

    def read(self, kind: Kind) -> Reading:
        """Return every object of a kind that can be had, and what could not be."""
        for version in self.apis.versions(kind):
            try:
                return self._read(kind, version)
            except RequestError as failed:
                if not failed.unserved:
                    raise
                if self.apis.offers(kind, version):
                    return Reading(unread=(failed.unread(kind),))
        return Reading(absent_apis=frozenset({kind}))

    def _read(self, kind: Kind, version: str) -> Reading:
        """Read a kind under one version; a path that is not served raises RequestError."""
        if self.only_namespaces:
            return self._by_namespace(kind, version, sorted(self.namespaces.named))
        try:
            return list_objects(self.connection, kind, version, "", EVERYWHERE)
        except RequestError as failed:
            if failed.unserved:
                raise
            return self._instead(kind, version, failed)

    def _instead(self, kind: Kind, version: str, refused: RequestError) -> Reading:
        """Read the namespaces one by one, after all of them at once were refused."""
        everything = Reading(unread=(refused.unread(kind),))
        if not kind.namespaced:
            return everything
        names, complete = self.namespaces.known()
        reading = self._by_namespace(kind, version, list(names))
        if not (reading.listed or reading.resources):
            return everything
        if complete:  # of those that there were: a later one was not looked into
            return merged((reading, Reading(outside=(refused.unread(kind, EVERYWHERE),))))
        return merged((reading, Reading(unread=(refused.unread(kind, EVERYWHERE),))))

    def _by_namespace(self, kind: Kind, version: str, namespaces: list[str]) -> Reading:
        readings = []
        for namespace in namespaces:
            if not is_possible(namespace):
                failed = RequestError("no namespace can have this name")
                readings.append(Reading(unread=(failed.unread(kind, namespace),)))
                continue
            try:
                readings.append(list_objects(self.connection, kind, version, namespace, namespace))
            except RequestError as failed:
                if failed.unserved and not self.apis.offers(kind, version):
                    raise
                readings.append(Reading(unread=(failed.unread(kind, namespace),)))
        return merged(readings)
