"""Files as a source: manifests, folders of them, recorded snapshots, standard input."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, TextIO

from istiodoctor.model.kind import OF_ENVOY, Kind
from istiodoctor.model.log import LogLine
from istiodoctor.model.snapshot import ClusterInfo, Reading, Unread, UnreadReason
from istiodoctor.model.wanted import Wanted
from istiodoctor.sources.completeness import not_given, whole_cluster
from istiodoctor.sources.envoy_files import EnvoyFolder
from istiodoctor.sources.found_objects import FoundObjects
from istiodoctor.sources.input_files import (
    STANDARD_INPUT,
    UnreadableError,
    check_path,
    read_stream,
)
from istiodoctor.sources.log_files import LogFolder
from istiodoctor.sources.merged_readings import merged
from istiodoctor.sources.object_files import ObjectFiles
from istiodoctor.sources.possibilities import (
    MOST_MEANINGS,
    MOST_OBJECTS,
    Differences,
    Meaning,
    alternative,
    namespaces_named,
)
from istiodoctor.sources.snapshot_directory import (
    ENVOY_FOLDER,
    LOG_FOLDER,
    SNAPSHOT_FILE,
    SnapshotError,
    SnapshotFile,
    cluster_info,
    load_snapshot_file,
    recorded_reading,
)
from istiodoctor.sources.source import SourceError, SourceErrorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSource:
    """The files behind the paths of a command line; made by `open_files`."""

    paths: tuple[str, ...]
    taken_at: datetime
    whole_cluster: bool
    assumed_namespace: str = ""
    """Where objects are that name no namespace; empty where nobody says."""
    is_rendering: bool = False
    """Whether kustomizations and charts are built first."""
    since: timedelta
    standard_input: bytes | UnreadableError = b""
    snapshot: SnapshotFile | None = None
    broken: tuple[Unread, ...] = ()
    """Each `snapshot.json` that could not be used."""

    @property
    def name(self) -> str:
        """The paths as they were given."""
        return ", ".join(self.paths)

    @property
    def offers(self) -> frozenset[Kind]:
        """Logs and Envoys, where a recorded snapshot holds some."""
        folders = ((frozenset({Kind.POD_LOG}), LOG_FOLDER), (OF_ENVOY, ENVOY_FOLDER))
        return frozenset(kind for kinds, name in folders if self._folders(name) for kind in kinds)

    def describe(self) -> ClusterInfo:
        """Return the cluster that a recorded snapshot was taken of; all empty for manifests."""
        return cluster_info(self.snapshot) if self.snapshot else ClusterInfo()

    def collect(self, kinds: frozenset[Kind]) -> Reading:
        """Read everything of these kinds; raises SourceError when there is no object at all."""
        found = FoundObjects(kinds, self.assumed_namespace)
        files = ObjectFiles(found, self.is_rendering)
        files.open(path for path in self.paths if path != STANDARD_INPUT)
        for path in self.paths:
            self._read(path, files)
        if self.snapshot is not None and Kind.SECRET in kinds:
            found.complete(self.snapshot.credential_facts)
        if not found.count and self.snapshot is None:
            raise SourceError(SourceErrorKind.NO_OBJECTS, self._emptiness(files))
        found.place()
        logs = self._logs() if Kind.POD_LOG in kinds else Reading()
        envoys = self._envoys(kinds & OF_ENVOY) if kinds & OF_ENVOY else Reading()
        meanings = self._meanings(found)
        claims = self._claims(kinds, found)
        reading = Reading(
            resources=tuple(found.resources.values()),
            credentials=tuple(found.credentials.values()),
            secret_names=frozenset(found.secret_names) | claims.secret_names,
            documents=found.documents,
            locations=found.locations,
            logs=logs.logs,
            envoys=envoys.envoys,
            envoy_configurations=envoys.envoy_configurations,
            unread=(
                *self.broken,
                *found.unread,
                *files.unread,
                *logs.unread,
                *envoys.unread,
                *claims.unread,
            ),
            notes=(*found.notes, *files.notes, *logs.notes, *envoys.notes, *claims.notes),
            absent_apis=claims.absent_apis,
            listed=claims.listed,
            looked_up=claims.looked_up,
            outside=claims.outside,
        )
        if len(meanings) == 1 and not found.versions:
            return reading
        versions = found.versions
        others = (alternative(reading, versions, each) for each in meanings[1:])
        first = alternative(reading, versions, meanings[0]).reading
        return replace(first, documents=reading.documents, alternatives=tuple(others))

    def _meanings(self, found: FoundObjects) -> tuple[Meaning, ...]:
        """Return what the files can mean; where that is too much, what differs is unread."""
        meanings = self._differences(found).meanings()
        if len(meanings) > 1 and len(meanings) * len(found.locations) > MOST_OBJECTS:
            meanings = self._differences(found, has_environments=False).meanings()
        if _are_too_many(meanings, found):
            found.give_up(found.versions, "it is given differently in more places than are judged")
            meanings = self._differences(found, has_environments=False).meanings()
        if _are_too_many(meanings, found):
            found.give_up(found.unplaced, "it names no namespace, and may be in too many")
            meanings = self._differences(found, has_environments=False).meanings()
        return meanings

    def _differences(self, found: FoundObjects, *, has_environments: bool = True) -> Differences:
        return Differences(
            versions=found.versions,
            files=frozenset(each.file for each in found.locations.values()),
            namespaces=namespaces_named(found.documents, found.hinted_namespaces)
            if found.unplaced
            else (),
            has_environments=has_environments and self.snapshot is None and not self.whole_cluster,
        )

    def read(self, wanted: Wanted) -> Reading:
        """Return nothing more: `collect` read everything."""
        return Reading()

    def _read(self, path: str, files: ObjectFiles) -> None:
        if path != STANDARD_INPUT:
            files.read(path)
        elif isinstance(self.standard_input, bytes):
            files.add(self.standard_input, path)
        else:
            files.found.miss(str(self.standard_input), path)

    def _claims(self, kinds: frozenset[Kind], found: FoundObjects) -> Reading:
        """Return what is known to be complete: nothing of plain manifests."""
        if self.snapshot is not None:
            recorded = recorded_reading(self.snapshot, kinds)
            if self.snapshot.listed is None:
                claimed = whole_cluster(kinds, found.seen, is_doubtful=found.is_doubtful)
                return _with_claims(recorded, claimed)
            return recorded
        if self.whole_cluster:
            return whole_cluster(kinds, found.seen, is_doubtful=found.is_doubtful)
        return not_given(kinds, found.seen)

    def _logs(self) -> Reading:
        not_before = self.taken_at - self.since if self.snapshot else None
        logs: list[LogLine] = []
        unread: list[Unread] = []
        notes: list[str] = []
        for root in self._folders(LOG_FOLDER):
            folder = LogFolder(root, str(root), not_before)
            logs += folder.lines()
            unread += folder.unread
            notes += folder.notes
        return Reading(logs=tuple(logs), unread=tuple(unread), notes=tuple(notes))

    def _envoys(self, kinds: frozenset[Kind]) -> Reading:
        readings: list[Reading] = []
        for root in self._folders(ENVOY_FOLDER):
            folder = EnvoyFolder(root, str(root), self.taken_at, kinds)
            readings += folder.readings()
            readings.append(Reading(unread=tuple(folder.unread), notes=tuple(folder.notes)))
        return merged(readings)

    def _folders(self, name: str) -> list[Path]:
        folders = (Path(path, name) for path in self.paths if path != STANDARD_INPUT)
        return [folder for folder in folders if folder.is_dir()]

    def _emptiness(self, files: ObjectFiles) -> str:
        """Say that nothing was found, and why."""
        found = files.found
        if files.unbuilt:
            return f"{self.name}: no Kubernetes objects there; {files.unbuilt[0]}"
        hint = "give manifests, or what `kubectl get … -o yaml` prints"
        broken = [each for each in found.malformed if each.reason is not UnreadReason.UNCERTAIN]
        if found.charts:
            chart = next(iter(found.charts))
            hint = f"{chart} is a Helm chart: render it first (`helm template`), or add --render"
        elif broken:
            first = broken[0]
            where = f"{first.file}:{first.line}" if first.line else str(first.file)
            return f"{where}: could not be read: {first.message}"
        elif found.notes:
            templates = (note for note in found.notes if "template" in note)
            hint = next(templates, found.notes[0])
        return f"{self.name}: no Kubernetes objects there; {hint}"


def open_files(
    paths: Sequence[str],
    *,
    whole_cluster: bool,
    assumed_namespace: str = "",
    is_rendering: bool = False,
    stdin: TextIO | BinaryIO | None,
    since: timedelta,
    now: datetime,
) -> FilesSource:
    """Return the source for these paths (`-` for `stdin`); raises SourceError for wrong usage.

    `since` bounds the logs of a recorded snapshot, back from when it was taken; `now` is when
    anything else was.
    """
    snapshots: list[SnapshotFile] = []
    broken: list[Unread] = []
    for path in paths:
        if path != STANDARD_INPUT:
            _open_path(path, snapshots, broken)
    if len(snapshots) > 1:
        raise SourceError(
            SourceErrorKind.USAGE,
            f"{', '.join(paths)}: these are {len(snapshots)} snapshots; scan one at a time",
        )
    snapshot = snapshots[0] if snapshots else None
    return FilesSource(
        paths=tuple(dict.fromkeys(paths)),
        taken_at=snapshot.taken_at if snapshot else now,
        whole_cluster=whole_cluster,
        assumed_namespace=assumed_namespace,
        is_rendering=is_rendering,
        since=since,
        standard_input=_standard_input(stdin) if STANDARD_INPUT in paths else b"",
        snapshot=snapshot,
        broken=tuple(broken),
    )


def _open_path(shown: str, snapshots: list[SnapshotFile], broken: list[Unread]) -> None:
    path = check_path(shown)
    if not path.is_dir():
        return
    try:
        if (recorded := load_snapshot_file(path)) is not None:
            snapshots.append(recorded)
    except SnapshotError as error:
        broken.append(
            Unread(
                kind=None,
                reason=UnreadReason.MALFORMED,
                message=str(error),
                file=str(Path(shown, SNAPSHOT_FILE)),
            )
        )


def _standard_input(stdin: TextIO | BinaryIO | None) -> bytes | UnreadableError:
    if stdin is None:
        raise SourceError(SourceErrorKind.USAGE, "-: there is no standard input to read from")
    try:
        return read_stream(stdin)
    except UnreadableError as error:
        return error


def _are_too_many(meanings: tuple[Meaning, ...], found: FoundObjects) -> bool:
    whole = [each for each in meanings if not each.is_part]
    if len(meanings) == 1:
        return False
    return len(whole) > MOST_MEANINGS or len(meanings) * len(found.locations) > MOST_OBJECTS


def _with_claims(recorded: Reading, claimed: Reading) -> Reading:
    """Join what a snapshot says with what follows from it being complete."""
    return Reading(
        secret_names=recorded.secret_names,
        unread=(*recorded.unread, *claimed.unread),
        outside=claimed.outside,
        notes=(*recorded.notes, *claimed.notes),
        absent_apis=recorded.absent_apis,
        listed=claimed.listed,
        looked_up=recorded.looked_up,
    )
