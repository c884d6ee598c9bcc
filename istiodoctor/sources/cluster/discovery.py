"""Which APIs the cluster has, and under which version to read each kind."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from istiodoctor.model.kind import CORE, Kind
from istiodoctor.sources.cluster.connection import Connection
from istiodoctor.sources.cluster.request_error import RequestError


class _Version(msgspec.Struct):
    version: str


class _Group(msgspec.Struct):
    name: str
    versions: list[_Version] = []


class _Groups(msgspec.Struct):
    groups: list[_Group]


class _Resource(msgspec.Struct):
    name: str


class _Resources(msgspec.Struct):
    resources: list[_Resource]


@dataclass(slots=True)
class Apis:
    """What the server says it serves; what it does not say is found out by trying."""

    connection: Connection
    groups: Mapping[str, frozenset[str]] | None = None
    """The versions of every group but the core one; None when the server did not tell."""
    _resources: dict[tuple[str, str], frozenset[str] | None] = field(default_factory=dict)
    _locks: dict[tuple[str, str], threading.Lock] = field(default_factory=dict)

    def versions(self, kind: Kind) -> tuple[str, ...]:
        """Return the versions to try for a kind, best first; none when it is not served at all."""
        if kind.group == CORE or self.groups is None:
            return kind.value.versions
        served = self.groups.get(kind.group, frozenset())
        candidates = [version for version in kind.value.versions if version in served]
        for place, version in enumerate(candidates):
            resources = self._resources_of(kind.group, version)
            if resources is None:  # nor is there time to ask in vain about every other version
                return tuple(candidates[place:])
            if kind.resource in resources:
                return (version,)
        return ()

    def offers(self, kind: Kind, version: str) -> bool:
        """Whether the server is known to serve a kind under this version.

        It always has the core group, and a list of other resources says what else it has.
        """
        if kind.group == CORE:
            return True
        resources = self._resources.get((kind.group, version))
        return resources is not None and kind.resource in resources

    def _resources_of(self, group: str, version: str) -> frozenset[str] | None:
        """Return the resources of one version of a group, asked for once; None if not known."""
        key = (group, version)
        with self._locks.setdefault(key, threading.Lock()):
            if key not in self._resources:
                self._resources[key] = self._ask(group, version)
            return self._resources[key]

    def _ask(self, group: str, version: str) -> frozenset[str] | None:
        try:
            body = self.connection.get("apis", group, version)
            listed = msgspec.json.decode(body, type=_Resources).resources
        except (RequestError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
        # A version that is served and has no resources is no answer.
        return frozenset(each.name for each in listed) or None


def served_groups(body: bytes) -> Mapping[str, frozenset[str]] | None:
    """Read the answer of /apis; None when it is no such answer."""
    try:
        groups = msgspec.json.decode(body, type=_Groups).groups
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return {group.name: _names(group.versions) for group in groups}


def _names(versions: Iterable[_Version]) -> frozenset[str]:
    return frozenset(each.version for each in versions)
