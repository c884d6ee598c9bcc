"""Merge many readings into one."""

from collections.abc import Iterable

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading


def merged(readings: Iterable[Reading]) -> Reading:
    """Return everything that any of them brought, or could not bring."""
    parts = tuple(readings)
    listed: dict[Kind, frozenset[str]] = {}
    for part in parts:
        for kind, namespaces in part.listed.items():
            listed[kind] = listed.get(kind, frozenset()) | namespaces
    return Reading(
        resources=tuple(each for part in parts for each in part.resources),
        credentials=tuple(each for part in parts for each in part.credentials),
        secret_names=frozenset().union(*(part.secret_names for part in parts)),
        documents={ref: document for part in parts for ref, document in part.documents.items()},
        locations={ref: place for part in parts for ref, place in part.locations.items()},
        logs=tuple(each for part in parts for each in part.logs),
        envoys=tuple(each for part in parts for each in part.envoys),
        envoy_configurations=tuple(each for part in parts for each in part.envoy_configurations),
        unread=tuple(each for part in parts for each in part.unread),
        outside=tuple(each for part in parts for each in part.outside),
        notes=tuple(each for part in parts for each in part.notes),
        absent_apis=frozenset().union(*(part.absent_apis for part in parts)),
        listed=listed,
        looked_up=frozenset().union(*(part.looked_up for part in parts)),
        served_versions={k: v for part in parts for k, v in part.served_versions.items()},
    )
