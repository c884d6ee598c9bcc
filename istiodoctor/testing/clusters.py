"""YAML made into whole clusters: everything was read, and nothing else is there."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import yaml

from istiodoctor.mesh import Mesh
from istiodoctor.model.decode import decode_object
from istiodoctor.model.kind import CORE, Kind, kind_of
from istiodoctor.model.log import LogLine
from istiodoctor.model.log_format import parse_log_line
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Snapshot
from istiodoctor.testing.words import NOW, pem


def mesh(text: str) -> Mesh:
    """Return the mesh of YAML documents that are a whole cluster."""
    return Mesh(cluster(text))


def cluster(text: str, logs: tuple[LogLine, ...] = ()) -> Snapshot:
    """Return YAML documents as a cluster that was read completely."""
    return cluster_of(filter(None, yaml.safe_load_all(text)), logs)


def cluster_of(objects: Iterable[dict[str, Any]], logs: tuple[LogLine, ...] = ()) -> Snapshot:
    """Return objects as a cluster that was read completely."""
    documents = [materialized(each) for each in objects]
    decoded = [found for each in documents if (found := decode_object(each))]
    reading = Reading(
        resources=tuple(each.resource for each in decoded if each.resource),
        credentials=tuple(each.credential for each in decoded if each.credential),
        documents={each.ref: each.document for each in decoded},
        logs=logs,
        listed={kind: frozenset({EVERYWHERE}) for kind in Kind},
        served_versions=dict(_served(documents)),
    )
    return Snapshot(taken_at=NOW, source="example", readings=[reading], requested=frozenset(Kind))


def _served(documents: Iterable[dict[str, Any]]) -> Iterator[tuple[Kind, str]]:
    """Yield the version of each kind of object: an example's cluster serves no other."""
    for document in documents:
        group, _, version = document["apiVersion"].rpartition("/")
        if kind := kind_of(group, document["kind"]):
            yield kind, version


def log_lines(source: str, text: str) -> Iterator[LogLine]:
    """Yield the lines of a container's log."""
    namespace, pod, container = source.split("/")
    ref = Ref(CORE, "Pod", namespace, pod)
    for line in text.splitlines():
        yield parse_log_line(line, pod=ref, container=container)


def materialized(document: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the words in a Secret's stringData replaced by PEM.

    Times without a value in `metadata.creationTimestamp` stay unknown; YAML's own timestamps
    become text again.
    """
    plain: dict[str, Any] = _texts(document)
    if plain.get("kind") == "Secret" and "stringData" in plain:
        values = {key: pem(value) for key, value in plain["stringData"].items()}
        plain = {**plain, "stringData": values}
    return plain


def _texts(value: Any) -> Any:
    match value:
        case dict():
            return {key: _texts(each) for key, each in value.items()}
        case list():
            return [_texts(each) for each in value]
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return value
