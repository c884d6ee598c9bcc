"""What lies outside of what was given or asked for: nothing is known of it."""

from datetime import UTC, datetime

import pytest

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Snapshot, Unread, UnreadReason

OTHERS = Unread(kind=Kind.SERVICE, namespace=EVERYWHERE, reason=UnreadReason.NOT_REQUESTED)
REFUSED = Unread(kind=Kind.SERVICE, namespace=EVERYWHERE, reason=UnreadReason.FORBIDDEN)


def snapshot(
    *namespaces: str, unread: tuple[Unread, ...] = (), outside: tuple[Unread, ...] = ()
) -> Snapshot:
    listed = {Kind.SERVICE: frozenset(namespaces)}
    reading = Reading(listed=listed, unread=unread, outside=outside)
    return Snapshot(taken_at=datetime(2026, 1, 1, tzinfo=UTC), source="test", readings=[reading])


@pytest.mark.parametrize(
    ("read", "outside"),
    [
        (snapshot(EVERYWHERE), ()),
        (snapshot("shop"), (OTHERS,)),
        (snapshot("shop", unread=(REFUSED,)), ()),
        (snapshot("shop", outside=(REFUSED,)), (REFUSED,)),
    ],
    ids=["everywhere", "one-namespace", "said-unread", "said-outside"],
)
def test_lists_of_single_namespaces_leave_the_others_outside(read: Snapshot, outside):
    assert read.outside == outside


@pytest.mark.parametrize(
    ("readings", "is_plain"),
    [
        ([Reading()], True),
        ([Reading(listed={Kind.SERVICE: frozenset({EVERYWHERE})})], False),
        ([Reading(absent_apis=frozenset({Kind.CERTIFICATE}))], False),
        ([Reading(looked_up=frozenset({(Kind.SECRET, "shop", "cert")}))], False),
    ],
    ids=["nothing", "listed", "absent", "looked-up"],
)
def test_manifests_are_plain_where_nothing_tells_of_what_is_not_in_them(readings, is_plain):
    found = Snapshot(taken_at=datetime(2026, 1, 1, tzinfo=UTC), source="test", readings=readings)

    assert found.is_plain is is_plain
