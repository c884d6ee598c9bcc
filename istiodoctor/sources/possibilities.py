"""What files can mean: folders of repositories are not clusters.

One object that is given differently in several files is one of them in any cluster, and which one
nobody knows: overlays, exercises, a folder for each environment. Then the folders (or files) that
differ do not belong to one cluster either. An object that names no namespace is in an unknown
one. Each of these meanings is a reading of its own.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import PurePath

import msgspec

from istiodoctor.model.credential import Credential
from istiodoctor.model.document import Document
from istiodoctor.model.metadata import Resource
from istiodoctor.model.names import is_label
from istiodoctor.model.ref import UNKNOWN_NAMESPACE, Ref
from istiodoctor.model.snapshot import Alternative, Location, Reading, Unread

MOST_MEANINGS = 24
"""Meanings that are judged one by one: each takes the time of a scan."""
MOST_OBJECTS = 200_000
"""Objects of all meanings together."""
ENVIRONMENTS = frozenset({
    "dev", "develop", "development", "int", "integration", "live", "local", "pre-prod", "preprod",
    "preview", "prod", "production", "qa", "sandbox", "stage", "staging", "test", "testing", "uat",
})  # fmt: skip
"""Names of folders that hold the same for several clusters."""
HOLDERS = frozenset({"overlays", "environments", "envs", "stages"})
"""Names of folders of which every folder is for another cluster."""
SHARED = frozenset({"base", "common", "shared", "default"})

OF_THEIR_OWN = (b"default", b"istio-system")
WITH_IMAGES = frozenset({"Pod", "Deployment", "DaemonSet"})
"""Kinds in which most of what stands before a slash is a registry."""

_NAMED_NAMESPACE = re.compile(rb'"(?:targetN|n)amespace":"([a-z0-9-]+)"')
_BEFORE_SLASH = re.compile(rb'(?<!"apiVersion":)"([a-z0-9-]+)/')
_IN_LIST = re.compile(rb'"(?:exportTo|namespaces|notNamespaces)":\[([^\]]*)\]')
_IN_HOST = re.compile(rb"\.([a-z0-9-]+)\.svc\b|\brootNamespace: *([a-z0-9-]+)")
_WORD = re.compile(rb'"([a-z0-9-]+)"')


@dataclass(frozen=True, slots=True)
class Version:
    """One of several different objects with the same name."""

    location: Location
    document: Document
    resource: Resource | None = None
    credential: Credential | None = None
    stand_in: Unread | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """One choice among everything that differs."""

    excluded: frozenset[tuple[str, ...]] = frozenset()
    """Folders and files, by the parts of their paths, in whose place another one counts."""
    turn: int = 0
    """Which of the versions that one file holds."""
    namespace: str = UNKNOWN_NAMESPACE
    is_part: bool = False

    def excludes(self, file: str) -> bool:
        """Whether a file is in a folder, or is one, that does not count."""
        if not self.excluded:
            return False
        parts = PurePath(file).parts
        return any(parts[:depth] in self.excluded for depth in range(1, len(parts) + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What is not the same under all meanings of the files."""

    versions: Mapping[Ref, tuple[Version, ...]]
    """Objects that are given differently."""
    files: frozenset[str]
    """The files that hold objects."""
    namespaces: tuple[str, ...] = ()
    """Where the objects without a namespace may be, beside where nothing else is."""
    has_environments: bool = True
    """Whether the names of folders say which are for other clusters."""

    def meanings(self) -> tuple[Meaning, ...]:
        """Return every meaning to judge, the first one first; more than MOST for too many."""
        told = self._told()
        turns = range(max((_most_in_one_file(each) for each in self.versions.values()), default=1))
        choices = [Meaning(chosen, turn) for chosen in _choices(told) for turn in turns]
        elsewhere = [Meaning(choices[0].excluded, 0, name) for name in self.namespaces]
        if len(choices) * (1 + len(elsewhere)) <= MOST_MEANINGS:
            elsewhere = [
                Meaning(each.excluded, each.turn, name)
                for name in self.namespaces
                for each in choices
            ]
        exclusive = self._with_environments(told)
        parts = [Meaning(each, is_part=True) for each in _choices(exclusive)] if exclusive else []
        return (*choices, *elsewhere, *parts)

    def _told(self) -> dict[tuple[str, ...], set[str]]:
        """Return, by folder, the entries that give one object differently."""
        found: dict[tuple[str, ...], set[str]] = {}
        for versions in self.versions.values():
            _split({PurePath(each.location.file).parts for each in versions}, 0, found)
        return found

    def _with_environments(
        self, told: Mapping[tuple[str, ...], set[str]]
    ) -> dict[tuple[str, ...], set[str]]:
        """Return, by folder, the entries that are for different clusters."""
        found = {folder: set(names) for folder, names in told.items()}
        if self.has_environments:
            for folder, names in _environments(self.files):
                found.setdefault(folder, set()).update(names)
        return found


def _most_in_one_file(versions: Iterable[Version]) -> int:
    files = [each.location.file for each in versions]
    return max(files.count(file) for file in files)


def _split(
    files: set[tuple[str, ...]], depth: int, found: dict[tuple[str, ...], set[str]]
) -> None:
    """Note at which folders the paths of different versions part."""
    while len(files) > 1:
        names = {parts[depth] for parts in files if len(parts) > depth}
        if len(names) > 1:
            folder = next(iter(files))[:depth]
            found.setdefault(folder, set()).update(names)
            for name in names:
                _split({each for each in files if each[depth] == name}, depth + 1, found)
            return
        depth += 1


def _environments(files: Iterable[str]) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Yield folders with the folders in them that are named as environments."""
    below: dict[tuple[str, ...], set[str]] = {}
    for folder in {PurePath(file).parts[:-1] for file in files}:
        for depth in range(len(folder)):
            below.setdefault(folder[:depth], set()).add(folder[depth])
    for folder, names in below.items():
        is_holder = bool(folder) and folder[-1].lower() in HOLDERS
        named = {
            name
            for name in names
            if name.lower() in ENVIRONMENTS or (is_holder and name.lower() not in SHARED)
        }
        if len(named) > 1:
            yield folder, named


def _choices(conflicts: Mapping[tuple[str, ...], set[str]]) -> list[frozenset[tuple[str, ...]]]:
    """Return what is excluded where one entry of each folder counts, in every combination.

    Where that is too much, side by side: the first of each, the second of each.
    """
    folders = sorted(conflicts)
    names = [sorted(conflicts[folder]) for folder in folders]
    count = 1
    for each in names:
        count *= len(each)
    chosen: Iterable[tuple[str, ...]] = product(*names)
    if count > MOST_MEANINGS // 2:
        most = max(map(len, names))
        chosen = [tuple(each[min(i, len(each) - 1)] for each in names) for i in range(most)]
    return [
        frozenset(
            (*folder, name)
            for folder, several, one in zip(folders, names, choice, strict=True)
            for name in several
            if name != one
        )
        for choice in chosen
    ]


def chosen(versions: tuple[Version, ...], meaning: Meaning) -> Version | None:
    """Return the version that counts; None where the object is not there at all."""
    there = [each for each in versions if not meaning.excludes(each.location.file)]
    if not there:
        return None if meaning.is_part else versions[meaning.turn % len(versions)]
    return there[meaning.turn % len(there)]


def namespaces_named(documents: Mapping[Ref, Document], hinted: Iterable[str]) -> tuple[str, ...]:
    """Return every namespace that objects are in or speak of, sorted.

    Beside them those that mean something by themselves: the root namespace, and `default`.
    """
    found = {*OF_THEIR_OWN, *(each.encode() for each in hinted)}
    for ref, document in documents.items():
        text = document.json
        found.update(_NAMED_NAMESPACE.findall(text))
        found.update(name for names in _IN_HOST.findall(text) for name in names)
        if ref.kind not in WITH_IMAGES:
            found.update(_BEFORE_SLASH.findall(text))
        for listed in _IN_LIST.findall(text):
            found.update(_WORD.findall(listed))
    names = {each.decode() for each in found}
    return tuple(sorted(name for name in names if is_label(name)))


def alternative(
    first: Reading, versions: Mapping[Ref, tuple[Version, ...]], meaning: Meaning
) -> Alternative:
    """Return the reading of files under a meaning."""
    resources = {each.ref: each for each in first.resources}
    credentials = {each.ref: each for each in first.credentials}
    locations = dict(first.locations)
    secret_names = set(first.secret_names)
    unread = list(first.unread)
    for ref, several in versions.items():
        found = chosen(several, meaning)
        resources.pop(ref, None)
        credentials.pop(ref, None)
        if found is None:
            locations.pop(ref, None)
            secret_names.discard((ref.namespace, ref.name))
            continue
        locations[ref] = found.location
        if found.resource is not None:
            resources[ref] = found.resource
        if found.credential is not None:
            credentials[ref] = found.credential
        if found.stand_in is not None:
            unread.append(found.stand_in)
    if meaning.is_part:
        gone = {ref for ref, at in locations.items() if meaning.excludes(at.file)}
        resources = {ref: each for ref, each in resources.items() if ref not in gone}
        credentials = {ref: each for ref, each in credentials.items() if ref not in gone}
        locations = {ref: at for ref, at in locations.items() if ref not in gone}
    namespace = meaning.namespace
    reading = replace(
        first,
        resources=tuple(_moved(resources, namespace)),
        credentials=tuple(_moved_credentials(credentials, namespace)),
        secret_names=frozenset((_there(ns, namespace), name) for ns, name in secret_names),
        locations={_moved_ref(ref, namespace): at for ref, at in locations.items()},
        documents={},
        unread=tuple(unread),
        alternatives=(),
    )
    return Alternative(reading=reading, namespace=namespace, is_part=meaning.is_part)


def in_namespace(each: Resource, namespace: str) -> Resource:
    """Return an object as it is in another namespace."""
    metadata = msgspec.structs.replace(each.metadata, namespace=namespace)
    return msgspec.structs.replace(each, metadata=metadata)


def _there(namespace: str, assumed: str) -> str:
    return assumed if namespace == UNKNOWN_NAMESPACE else namespace


def _moved_ref(ref: Ref, namespace: str) -> Ref:
    return ref._replace(namespace=_there(ref.namespace, namespace))


def _moved(resources: Mapping[Ref, Resource], namespace: str) -> Iterator[Resource]:
    """Yield the objects, those without a namespace in this one, unless one is there already."""
    for ref, each in resources.items():
        if ref.namespace != UNKNOWN_NAMESPACE or namespace == UNKNOWN_NAMESPACE:
            yield each
        elif _moved_ref(ref, namespace) not in resources:
            yield in_namespace(each, namespace)


def _moved_credentials(
    credentials: Mapping[Ref, Credential], namespace: str
) -> Iterator[Credential]:
    for ref, each in credentials.items():
        if ref.namespace != UNKNOWN_NAMESPACE or namespace == UNKNOWN_NAMESPACE:
            yield each
        elif _moved_ref(ref, namespace) not in credentials:
            yield msgspec.structs.replace(each, namespace=namespace)
