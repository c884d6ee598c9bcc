"""Secrets, each by its name. No list of them ever holds their contents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading
from istiodoctor.sources.cluster.connection import Connection
from istiodoctor.sources.cluster.get_by_name import GetByName
from istiodoctor.sources.cluster.jobs import Job, read_all
from istiodoctor.sources.cluster.request_error import RequestError
from istiodoctor.sources.cluster.scope import Scope

Names = frozenset[tuple[str, str]]
"""Namespaces and names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Reads Secrets by name."""

    connection: Connection
    lookup: GetByName
    scope: Scope

    def read(self, wanted: Names) -> Iterator[Reading]:
        """Yield these Secrets."""
        yield from self._each(wanted, self._content)

    def read_names(self, wanted: Names) -> Iterator[Reading]:
        """Yield which of these Secrets there are, by their metadata alone."""
        yield from self._each(wanted, self._name)

    def _each(self, wanted: Names, read: Callable[[str, str], Reading]) -> Iterator[Reading]:
        jobs = [
            Job(
                kind=Kind.SECRET,
                namespace=namespace,
                name=name,
                work=partial(read, namespace, name),
            )
            for namespace, name in sorted(wanted)
            if self.scope.permits(namespace)
        ]
        yield from read_all(jobs, self.connection.deadline)

    def _content(self, namespace: str, name: str) -> Reading:
        return self.lookup.get(Kind.SECRET, namespace, name)

    def _name(self, namespace: str, name: str) -> Reading:
        try:
            return self.lookup.secret_name(namespace, name)
        except RequestError as failed:
            return Reading(unread=(failed.unread(Kind.SECRET, namespace, name),))
