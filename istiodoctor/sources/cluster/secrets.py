"""Secrets, by name. Their contents are never listed over the whole cluster."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading
from istiodoctor.sources.cluster.connection import Connection
from istiodoctor.sources.cluster.get_by_name import GetByName
from istiodoctor.sources.cluster.jobs import Job, read_all
from istiodoctor.sources.cluster.listing import Collector, path_of, raw_items
from istiodoctor.sources.cluster.metadata import named
from istiodoctor.sources.cluster.request_error import RequestError
from istiodoctor.sources.cluster.scope import Scope

VERSION = "v1"
MOST_GETS = 200
"""Above so many names in one namespace, one list of it replaces a request for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Reads Secrets by name, and in whole namespaces only where that is needed."""

    connection: Connection
    lookup: GetByName
    scope: Scope

    def read(self, wanted: frozenset[tuple[str, str]]) -> Iterator[Reading]:
        """Yield the Secrets of these namespaces and names."""
        allowed = sorted(each for each in wanted if self.scope.permits(each[0]))
        jobs: list[Job] = []
        for namespace, pairs in groupby(allowed, key=itemgetter(0)):
            names = frozenset(name for _, name in pairs)
            if len(names) > MOST_GETS:
                listed = self._listed(namespace, names)
                if listed is not None:
                    yield listed
                    continue
            jobs += [self._job(namespace, name) for name in sorted(names)]
        yield from read_all(jobs, self.connection.deadline)

    def _job(self, namespace: str, name: str) -> Job:
        return Job(
            kind=Kind.SECRET,
            namespace=namespace,
            name=name,
            work=lambda: self.lookup.get(Kind.SECRET, namespace, name),
        )

    def _listed(self, namespace: str, names: frozenset[str]) -> Reading | None:
        """List one namespace and keep the wanted ones; None when that is not permitted."""
        collector = Collector(Kind.SECRET, VERSION)
        seen: set[str] = set()
        try:
            path = path_of(Kind.SECRET, VERSION, namespace)
            for raw in raw_items(self.connection, path, list_kind="SecretList"):
                ((_, name),) = named((raw,))
                if name in names:
                    seen.add(name)
                    collector.add(raw)
        except RequestError as failed:
            if failed.forbidden:
                return None
            missing = (failed.unread(Kind.SECRET, namespace, name) for name in names - seen)
            return collector.reading(*missing, looked_up=_asked(namespace, seen))
        return collector.reading(looked_up=_asked(namespace, names))


def _asked(namespace: str, names: Iterable[str]) -> frozenset[tuple[Kind, str, str]]:
    return frozenset((Kind.SECRET, namespace, name) for name in names)
