"""What is left of a cluster to one who may not read a kind."""

from collections.abc import Iterator

from istiodoctor.model.decode import TYPES
from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Resource
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Snapshot, Unread, UnreadReason


def without(whole: Snapshot, kind: Kind) -> Snapshot:
    """Return a cluster that was read completely as it is without a kind."""
    is_secret = kind is Kind.SECRET
    reading = Reading(
        resources=tuple(each for of in TYPES if of is not kind for each in _objects(whole, of)),
        credentials=() if is_secret else tuple(whole.credentials.values()),
        secret_names=frozenset() if is_secret else whole.secret_names,
        envoys=whole.envoys,
        envoy_configurations=tuple(whole.envoy_configurations.values()),
        listed={each: frozenset({EVERYWHERE}) for each in Kind},
        unread=(Unread(kind=kind, reason=UnreadReason.FORBIDDEN),),
    )
    return Snapshot(taken_at=whole.taken_at, source=whole.source, readings=[reading])


def kinds_of(whole: Snapshot) -> frozenset[Kind]:
    """Return the kinds of which a cluster has objects."""
    found = {kind for kind in TYPES if any(True for _ in _objects(whole, kind))}
    return frozenset(found | ({Kind.SECRET} if whole.credentials else set()))


def _objects(whole: Snapshot, kind: Kind) -> Iterator[Resource]:
    return whole.all(TYPES[kind])
