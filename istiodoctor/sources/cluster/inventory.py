"""Find Secrets of a name in all namespaces.

By metadata alone: in one list for each name where that is permitted, else here and there.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Unread
from istiodoctor.sources.cluster import request_error
from istiodoctor.sources.cluster.connection import Connection, Query
from istiodoctor.sources.cluster.get_by_name import GetByName
from istiodoctor.sources.cluster.jobs import Job, read_all
from istiodoctor.sources.cluster.listing import by_name, is_possible, path_of, raw_items
from istiodoctor.sources.cluster.metadata import METADATA_LIST, METADATA_ONLY, named
from istiodoctor.sources.cluster.request_error import RequestError
from istiodoctor.sources.cluster.scope import Scope
from istiodoctor.sources.cluster.secrets import Names
from istiodoctor.sources.merged_readings import merged
from istiodoctor.thread_pool import in_time

VERSION = "v1"


@dataclass(slots=True, kw_only=True)
class Inventory:
    """Finds Secrets by name in all namespaces."""

    connection: Connection
    lookup: GetByName
    scope: Scope
    whole: bool
    """List the names of all Secrets, once, instead of looking for one name at a time."""
    _names: Names | None = None
    _refused: RequestError | None = None
    """Once it is known that metadata cannot be listed, nobody asks for it again."""

    def read(self, names: frozenset[str], namespaces: frozenset[str]) -> Iterator[Reading]:
        """Yield what is known of these names; `namespaces` are tried where a list is refused."""
        possible = sorted(filter(is_possible, names))
        if self.scope.only_namespaces:
            yield from self._here_and_there(possible, namespaces)
            return
        if self._refused is None:
            try:
                yield from self._everywhere(possible)
            except RequestError as failed:
                self._refused = failed
        if self._refused is not None:
            yield from self._here_and_there(possible, namespaces)

    def _everywhere(self, names: list[str]) -> Iterator[Reading]:
        """List metadata. The first list tells whether that is permitted: else it raises."""
        if self.whole:
            if self._names is None:
                self._names = self._in_time(lambda: self._listed(()))
            yield _known(self._names, names)
        elif names:
            yield _known(self._in_time(lambda: self._named(names[0])), names[:1])
            jobs = [self._job(name) for name in names[1:]]
            yield from read_all(jobs, self.connection.deadline)

    def _in_time(self, work: Callable[[], Names]) -> Names:
        """Do this within the time there is; raises RequestError."""
        deadline = self.connection.deadline
        try:
            return in_time(work, deadline)
        except TimeoutError:
            raise request_error.late(deadline.seconds) from None

    def _job(self, name: str) -> Job:
        def work() -> Reading:
            try:
                return _known(self._named(name), [name])
            except RequestError as failed:
                return Reading(unread=(failed.unread(Kind.SECRET, EVERYWHERE, name),))

        return Job(kind=Kind.SECRET, namespace=EVERYWHERE, name=name, work=work)

    def _named(self, name: str) -> Names:
        return self._listed(by_name(name))

    def _listed(self, query: Query) -> Names:
        items = raw_items(
            self.connection,
            path_of(Kind.SECRET, VERSION),
            query=query,
            accept=METADATA_ONLY,
            list_kind=METADATA_LIST,
        )
        return frozenset(named(items))

    def _here_and_there(self, names: list[str], namespaces: frozenset[str]) -> Iterator[Reading]:
        """Get the names in some namespaces; what stays unknown is one entry for each name."""
        allowed = sorted(each for each in namespaces if self.scope.permits(each))
        jobs = [
            Job(kind=Kind.SECRET, namespace=each, work=partial(self._got, each, names))
            for each in allowed
        ]
        found = merged(read_all(jobs, self.connection.deadline))
        failures = list(found.unread)
        if not allowed and self._refused is not None:
            failures = [self._refused.unread(Kind.SECRET)]
        seen = {name for _, name in found.secret_names}
        unknown = (_unknown(failures, name) for name in names if name not in seen)
        yield replace(found, unread=tuple(filter(None, unknown)))

    def _got(self, namespace: str, names: list[str]) -> Reading:
        """Get each name in one namespace, up to the first that is forbidden: so are the others."""
        readings = []
        for name in names:
            try:
                readings.append(self.lookup.secret_name(namespace, name))
            except RequestError as failed:
                after = "" if failed.forbidden else name
                readings.append(Reading(unread=(failed.unread(Kind.SECRET, namespace, after),)))
                if failed.forbidden:
                    break
        return merged(readings)


def _known(found: Names, names: list[str]) -> Reading:
    """Every namespace was looked into for these names."""
    everywhere = frozenset((Kind.SECRET, EVERYWHERE, name) for name in names)
    return Reading(secret_names=found, looked_up=everywhere)


def _unknown(failures: list[Unread], name: str) -> Unread | None:
    """Return what stands for all places where a name could not be looked for."""
    failed = next((each for each in failures if each.name in ("", name)), None)
    return replace(failed, namespace=EVERYWHERE, name=name) if failed else None
