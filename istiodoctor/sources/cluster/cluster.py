"""A cluster as a source: what was asked for, what came, and what could not be had."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from istiodoctor.model.kind import OF_ENVOY, Kind
from istiodoctor.model.redaction import redact_words
from istiodoctor.model.snapshot import ClusterInfo, Reading, UnreadReason
from istiodoctor.model.wanted import Wanted
from istiodoctor.sources.cluster.bounded_answers import SHARE_OF_ANSWER
from istiodoctor.sources.cluster.connection import Connection
from istiodoctor.sources.cluster.discovery import Apis
from istiodoctor.sources.cluster.envoy import Envoys
from istiodoctor.sources.cluster.events import Events
from istiodoctor.sources.cluster.get_by_name import GetByName
from istiodoctor.sources.cluster.inventory import Inventory
from istiodoctor.sources.cluster.jobs import Job, read_all
from istiodoctor.sources.cluster.logs import Logs
from istiodoctor.sources.cluster.pod_connections import PodConnector
from istiodoctor.sources.cluster.scope import Namespaces, Scope
from istiodoctor.sources.cluster.secrets import Secrets
from istiodoctor.sources.cluster.shared_progress import SharedProgress
from istiodoctor.sources.merged_readings import merged
from istiodoctor.sources.source import Progress, SourceError, SourceErrorKind
from istiodoctor.thread_pool import finished


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = ""


class _Metadata(msgspec.Struct):
    uid: str = ""


class _Namespace(msgspec.Struct):
    metadata: _Metadata


LARGEST_DECORATION = 2 * 1024 * 1024
"""Bytes of an answer that only says which cluster this is; etcd allows an object 1.5 MiB."""
LONGEST_DECORATION = 100

_LARGE = (Kind.VIRTUAL_SERVICE, Kind.SERVICE, Kind.POD, Kind.ENDPOINT_SLICE)
"""Kinds with many objects: begun first, so that none of them is still being read at the end."""


class ClusterSource:
    """Reads one cluster, within one deadline that counts from the moment it was opened."""

    def __init__(
        self,
        connection: Connection,
        apis: Apis,
        *,
        context: str,
        namespaces: frozenset[str] = frozenset(),
        only_namespaces: bool = False,
        secret_inventory: bool = False,
        since: timedelta,
        progress: Progress | None = None,
    ) -> None:
        """See `open_cluster`, which also makes sure that the server answers."""
        self.taken_at = datetime.now(UTC)
        self.name = context
        self.connection = connection
        self._progress = SharedProgress(progress)
        self._scope = Scope(
            connection=connection,
            apis=apis,
            namespaces=Namespaces(connection, namespaces),
            only_namespaces=only_namespaces,
        )
        self._lookup = GetByName(connection, apis)
        self._secrets = Secrets(connection=connection, lookup=self._lookup, scope=self._scope)
        self._inventory = Inventory(
            connection=connection,
            lookup=self._lookup,
            scope=self._scope,
            whole=secret_inventory,
        )
        self._events = Events(connection=connection, scope=self._scope)
        self._logs = Logs(connection=connection, scope=self._scope, since=since)
        self._envoys = Envoys(connection=connection, scope=self._scope)

    def collect(self, kinds: frozenset[Kind]) -> Reading:
        """List these kinds, several at a time.

        Raises SourceError when nothing came at all: the server has forgotten us, or is silent.
        """
        wanted = sorted(filter(self._scope.includes, kinds), key=_largest_first)
        jobs = [Job(kind=kind, work=partial(self._listed, kind)) for kind in wanted]
        collected = merged(read_all(jobs, self.connection.deadline))
        if collected.unread and not (collected.listed or collected.resources):
            self._raise_if_hopeless(collected)
        return merged((collected, Reading(outside=tuple(self._scope.left_out(kinds)))))

    def _listed(self, kind: Kind) -> Reading:
        self._progress.started(kind)
        reading = self._scope.read(kind)
        self._progress.finished(kind, len(reading.resources))
        return reading

    def _raise_if_hopeless(self, collected: Reading) -> None:
        where = f"{self.connection.server} (context {self.name})"
        if self.connection.rejected:
            message = f"{where} no longer accepts the credentials; log in again"
            raise SourceError(SourceErrorKind.UNAUTHORIZED, message)
        if all(each.reason is UnreadReason.TIMED_OUT for each in collected.unread):
            message = f"{where} did not answer in time; check the network, or raise --timeout"
            raise SourceError(SourceErrorKind.TIMED_OUT, message)

    def read(self, wanted: Wanted) -> Reading:
        """Read what is named: Secrets, Events, logs, Envoys, and objects once more.

        Envoys come after the Secrets that they are compared with.
        """
        unasked = sorted(wanted.unasked, key=lambda each: (each.namespace, each.name))
        readings = [Reading(unread=tuple(unasked))]
        if wanted.secrets or wanted.secret_names or wanted.secrets_anywhere:
            readings += self._part(Kind.SECRET, self._wanted_secrets(wanted))
        if wanted.again:
            readings += self._again(wanted.again)
        if wanted.events:
            readings += self._part(Kind.EVENT, self._events.read(wanted.events))
        if wanted.logs and wanted.log_patterns:
            lines = self._logs.read(wanted.logs, wanted.log_patterns)
            readings += self._part(Kind.POD_LOG, lines)
        if wanted.envoys:
            readings += self._part(Kind.ENVOY, self._envoys.read(wanted.envoys))
        if wanted.envoy_configurations:
            held = self._envoys.read_configurations(wanted.envoy_configurations)
            readings += self._part(Kind.ENVOY_CONFIGURATION, held)
        return merged(readings)

    def _wanted_secrets(self, wanted: Wanted) -> Iterator[Reading]:
        yield from self._secrets.read(wanted.secrets)
        yield from self._secrets.read_names(wanted.secret_names - wanted.secrets)
        yield from self._inventory.read(wanted.secrets_anywhere, wanted.fallback_namespaces)

    def _part(self, kind: Kind, coming: Iterable[Reading]) -> list[Reading]:
        self._progress.started(kind)
        readings = list(coming)
        count = sum(
            len(each.credentials)
            + len(each.logs)
            + len(each.envoys)
            + len(each.envoy_configurations)
            + len(each.resources)
            for each in readings
        )
        self._progress.finished(kind, count)
        return readings

    def _again(self, wanted: frozenset[tuple[Kind, str, str]]) -> list[Reading]:
        jobs = [
            Job(
                kind=kind,
                namespace=namespace,
                name=name,
                work=partial(self._once_more(kind), kind, namespace, name),
            )
            for kind, namespace, name in sorted(wanted, key=lambda each: (str(each[0]), *each[1:]))
            if self._scope.permits(namespace)
        ]
        return read_all(jobs, self.connection.deadline)

    def _once_more(self, kind: Kind) -> Callable[[Kind, str, str], Reading]:
        """Choose the request that the rights by which the kind was read permit."""
        return self._lookup.find if kind.listed else self._lookup.get

    @property
    def offers(self) -> frozenset[Kind]:
        """Logs and Envoys: a cluster has them wherever they may be read."""
        return frozenset({Kind.POD_LOG, *OF_ENVOY})

    def connector(self, namespace: str, pod: str, port: int) -> PodConnector:
        """Return a connector to a port of a pod."""
        return PodConnector(connection=self.connection, namespace=namespace, pod=pod, port=port)

    def describe(self) -> ClusterInfo:
        """Return which cluster this is, as far as it says so."""
        said = {0: "", 1: ""}
        # Both at once, within the time of one answer: nothing rests on them.
        until = self.connection.deadline.at_most(
            self.connection.deadline.seconds * SHARE_OF_ANSWER
        )
        for number, outcome in finished((self._uid, self._version), until):
            said[number] = outcome if isinstance(outcome, str) else ""
        uid, version = said.values()
        return ClusterInfo(
            context=self.name,
            server=redact_words(self.connection.server),
            uid=uid,
            kubernetes_version=version,
        )

    def _uid(self) -> str:
        path = ("api", "v1", "namespaces", "kube-system")
        body = self.connection.get(*path, head=LARGEST_DECORATION)
        return _decoration(msgspec.json.decode(body, type=_Namespace).metadata.uid)

    def _version(self) -> str:
        body = self.connection.get("version", head=LARGEST_DECORATION)
        return _decoration(msgspec.json.decode(body, type=_Version).git_version)


def _decoration(text: str) -> str:
    """Return a short text, and nothing in place of a long one: cut off it would be another."""
    return text if len(text) <= LONGEST_DECORATION and text.isprintable() else ""


def _largest_first(kind: Kind) -> tuple[bool, str]:
    return kind not in _LARGE, str(kind)
