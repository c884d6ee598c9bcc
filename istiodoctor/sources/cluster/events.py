"""Events, of single objects: nobody lists those of a whole cluster."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from operator import itemgetter

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading
from istiodoctor.sources.cluster.connection import Connection, Query
from istiodoctor.sources.cluster.jobs import Job, read_all
from istiodoctor.sources.cluster.listing import (
    Collector,
    escaped,
    is_possible,
    path_of,
    raw_items,
)
from istiodoctor.sources.cluster.request_error import RequestError
from istiodoctor.sources.cluster.scope import Scope

VERSION = "v1"
MOST_EVENTS = 500
"""Of one object: the API server forgets them after an hour, and counts repeated ones as one."""

Target = tuple[str, str, str]
"""Namespace of the Events, kind and name of what they are about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Lists the Events about objects."""

    connection: Connection
    scope: Scope

    def read(self, wanted: frozenset[Target]) -> Iterator[Reading]:
        """Yield the Events about these objects.

        One object of each namespace is asked about first: where that is forbidden, so is the
        rest, and the namespace is unread once.
        """
        allowed = sorted(
            each
            for each in wanted
            if self.scope.permits(each[0]) and is_possible(each[0]) and is_possible(each[2])
        )
        first = [next(targets) for _, targets in groupby(allowed, key=itemgetter(0))]
        asked = self._asked(first)
        yield from asked
        closed = {each.namespace for reading in asked for each in reading.unread if not each.name}
        yield from self._asked(
            each for each in allowed if each not in first and each[0] not in closed
        )

    def _asked(self, targets: Iterable[Target]) -> list[Reading]:
        jobs = [
            Job(kind=Kind.EVENT, namespace=each[0], name=each[2], work=partial(self._about, each))
            for each in targets
        ]
        return read_all(jobs, self.connection.deadline)

    def _about(self, target: Target) -> Reading:
        namespace, kind, name = target
        collector = Collector(Kind.EVENT, VERSION)
        path = path_of(Kind.EVENT, VERSION, namespace)
        try:
            items = raw_items(self.connection, path, query=_about(kind, name))
            for raw in islice(items, MOST_EVENTS):
                collector.add(raw)
        except RequestError as failed:
            unread = failed.unread(Kind.EVENT, namespace, "" if failed.forbidden else name)
            return collector.reading(unread)
        return collector.reading()


def _about(kind: str, name: str) -> Query:
    terms = {"involvedObject.kind": kind, "involvedObject.name": name}
    return [("fieldSelector", ",".join(f"{key}={escaped(terms[key])}" for key in terms))]
