"""The folder that a recorded scan is kept in: what `snapshot.json` says beside the objects.

snapshot.json                              when and what was read, and what could not be
objects.yaml (or any *.yaml, *.json)       the objects, Secrets redacted
logs/<namespace>/<pod>/<container>.log     as `kubectl logs` prints them
envoy/<namespace>/<pod>/*.json             Envoy's state
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from istiodoctor.model.credential import Credential
from istiodoctor.model.kind import OPTIONAL_READS, Kind, kind_of
from istiodoctor.model.metadata import Fields
from istiodoctor.model.snapshot import ClusterInfo, Reading, Unread, UnreadReason
from istiodoctor.sources.input_files import UnreadableError, read_bytes

SNAPSHOT_FILE = "snapshot.json"
LOG_FOLDER = "logs"
ENVOY_FOLDER = "envoy"
ENVOY_FILES = frozenset({"certs.json", "config_dump.json", "listeners.json", "server_info.json"})
MAX_SNAPSHOT_BYTES = 64 * 1024 * 1024


class SnapshotError(Exception):
    """A `snapshot.json` that says nothing we can rely on; the message is the end of a sentence."""


class ClusterRecord(Fields, frozen=True, kw_only=True):
    """Which cluster was read."""

    context: str = ""
    server: str = ""
    uid: str = ""
    kubernetes_version: str = ""


class UnreadRecord(Fields, frozen=True, kw_only=True):
    """Something that could not be read, as a report writes it."""

    api_group: str = ""
    kind: str = ""
    """The `kind` field of the objects; empty for what could not be told."""
    namespace: str = ""
    name: str = ""
    reason: str = UnreadReason.FAILED.value
    message: str = ""
    file: str | None = None
    line: int | None = None


class ObjectName(Fields, frozen=True, kw_only=True):
    """One object, by name."""

    api_group: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""


class SnapshotFile(Fields, frozen=True, kw_only=True):
    """`snapshot.json`. Kinds are named by resource: `secrets`, `gateways.networking.istio.io`."""

    schema_version: str = "1"
    taken_at: datetime
    tool_version: str = ""
    cluster: ClusterRecord = ClusterRecord()
    requested: tuple[str, ...] | None = None
    """The kinds that the scan asked for; None means all."""
    listed: Mapping[str, tuple[str, ...]] | None = None
    """Kinds read completely, and in which namespaces (`*` for all).

    None means all kinds everywhere, but for what `unread` names and what controllers make.
    """
    looked_up: tuple[ObjectName, ...] = ()
    """Objects that were asked for by name and got an answer, be it that they do not exist."""
    secret_names: tuple[ObjectName, ...] = ()
    """Secrets known to exist, whatever could be read of them."""
    unread: tuple[UnreadRecord, ...] = ()
    absent_apis: tuple[str, ...] = ()
    """Kinds, or whole API groups, that the cluster does not have."""
    credential_facts: tuple[Credential, ...] = ()
    """What was known of Secrets whose values are redacted beside this file."""
    notes: tuple[str, ...] = ()


def load_snapshot_file(folder: Path) -> SnapshotFile | None:
    """Return what `snapshot.json` says, None where there is none; raises SnapshotError."""
    path = folder / SNAPSHOT_FILE
    if not path.exists():
        return None
    try:
        recorded = msgspec.json.decode(
            read_bytes(path, limit=MAX_SNAPSHOT_BYTES), type=SnapshotFile
        )
    except UnreadableError as error:
        raise SnapshotError(str(error)) from None
    except RecursionError:
        raise SnapshotError("nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotError(str(error).replace("`", "")) from None
    if recorded.taken_at.tzinfo is None:
        raise SnapshotError("takenAt has no time zone")
    return msgspec.structs.replace(recorded, taken_at=recorded.taken_at.astimezone(UTC))


def recorded_reading(recorded: SnapshotFile, kinds: frozenset[Kind]) -> Reading:
    """Return what a snapshot says about its own completeness, for the kinds asked for."""
    return Reading(
        secret_names=frozenset((each.namespace, each.name) for each in recorded.secret_names),
        unread=(*_unread(recorded, kinds), *_never_requested(recorded, kinds)),
        absent_apis=frozenset(_absent(recorded) & kinds),
        listed=_listed(recorded.listed or {}, kinds),
        looked_up=frozenset(
            (kind, each.namespace, each.name)
            for each in recorded.looked_up
            if (kind := kind_of(each.api_group, each.kind)) in kinds
        ),
        notes=recorded.notes,
    )


def cluster_info(recorded: SnapshotFile) -> ClusterInfo:
    """Return which cluster the snapshot was taken of."""
    return ClusterInfo(**msgspec.structs.asdict(recorded.cluster))


def _unread(recorded: SnapshotFile, kinds: frozenset[Kind]) -> Iterable[Unread]:
    known = {reason.value: reason for reason in UnreadReason}
    for each in recorded.unread:
        kind = kind_of(each.api_group, each.kind)
        if kind is not None and kind not in kinds:
            continue
        yield Unread(
            kind=kind,
            namespace=each.namespace,
            name=each.name,
            reason=known.get(each.reason, UnreadReason.FAILED),
            message=each.message,
            file=each.file,
            line=each.line,
        )


def _never_requested(recorded: SnapshotFile, kinds: frozenset[Kind]) -> Iterable[Unread]:
    if recorded.requested is None:
        return
    for kind in kinds - OPTIONAL_READS - _kinds_named(recorded.requested):
        yield Unread(kind=kind, message="the snapshot was taken without it")


def _listed(
    listed: Mapping[str, tuple[str, ...]], kinds: frozenset[Kind]
) -> Mapping[Kind, frozenset[str]]:
    by_name = {str(kind): kind for kind in kinds}
    return {by_name[name]: frozenset(where) for name, where in listed.items() if name in by_name}


def _absent(recorded: SnapshotFile) -> frozenset[Kind]:
    groups = {kind for kind in Kind if kind.group and kind.group in recorded.absent_apis}
    return _kinds_named(recorded.absent_apis) | groups


def _kinds_named(names: Iterable[str]) -> frozenset[Kind]:
    by_name = {str(kind): kind for kind in Kind}
    return frozenset(by_name[name] for name in names if name in by_name)
