import pytest

from istiodoctor.model.kind import Kind
from istiodoctor.model.pods import Pod
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Snapshot, Unread
from istiodoctor.testing.words import NOW
from tests.support.objects import pod, snapshot_of

POD = Kind.POD
NOTHING = Reading()
LISTED = Reading(listed={POD: frozenset({EVERYWHERE})})
LISTED_IN_SHOP = Reading(listed={POD: frozenset({"shop"})})
LOOKED_UP = Reading(looked_up=frozenset({(POD, "shop", "a")}))
LOOKED_UP_EVERYWHERE = Reading(looked_up=frozenset({(POD, EVERYWHERE, "a")}))
ABSENT = Reading(absent_apis=frozenset({POD}))
UNREAD = Reading(unread=(Unread(kind=POD),))
UNREAD_IN_SHOP = Reading(unread=(Unread(kind=POD, namespace="shop"),))
UNREAD_A = Reading(unread=(Unread(kind=POD, namespace="shop", name="a"),))
UNREAD_A_SOMEWHERE = Reading(unread=(Unread(kind=POD, name="a"),))
NOT_EVERYWHERE = Reading(unread=(Unread(kind=POD, namespace=EVERYWHERE, name="a"),))
OTHER_UNREAD = Reading(unread=(Unread(kind=Kind.SERVICE),))
UNKNOWN_UNREAD = Reading(unread=(Unread(kind=None),))

QUERIES = ((EVERYWHERE, ""), ("shop", ""), ("shop", "a"), ("shop", "b"), ("team", "a"))
"""All of the kind; all in a namespace; one object; another; its namesake elsewhere."""


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ((NOTHING,), "no no no no no"),
        ((LISTED,), "yes yes yes yes yes"),
        ((LISTED_IN_SHOP,), "no yes yes yes no"),
        ((LOOKED_UP,), "no no yes no no"),
        ((LOOKED_UP_EVERYWHERE,), "no no yes no yes"),
        ((ABSENT,), "yes yes yes yes yes"),
        ((UNREAD,), "no no no no no"),
        ((LISTED, UNREAD), "no no no no no"),
        ((LISTED, UNREAD_IN_SHOP), "no no no no yes"),
        ((LISTED, UNREAD_A), "no no no yes yes"),
        ((LISTED, UNREAD_A_SOMEWHERE), "no no no yes no"),
        ((LISTED, NOT_EVERYWHERE), "no yes yes yes yes"),
        ((LISTED, OTHER_UNREAD), "yes yes yes yes yes"),
        ((LISTED, UNKNOWN_UNREAD), "yes yes yes yes yes"),
        ((ABSENT, UNREAD), "yes yes yes yes yes"),
        ((LOOKED_UP, UNREAD_IN_SHOP), "no no no no no"),
        ((LISTED_IN_SHOP, LOOKED_UP_EVERYWHERE), "no yes yes yes yes"),
    ],
)
def test_an_absence_is_a_fact_only_where_it_was_looked_for(
    readings: tuple[Reading, ...], expected: str
):
    snapshot = Snapshot(taken_at=NOW, source="test", readings=readings)

    found = [snapshot.is_complete(POD, *query) for query in QUERIES]
    assert found == [word == "yes" for word in expected.split()]


def test_a_kind_that_was_not_asked_about_is_not_complete():
    snapshot = Snapshot(taken_at=NOW, source="test", readings=[LISTED])

    assert snapshot.is_complete(Kind.SERVICE) is False


def test_in_plain_manifests_no_absence_is_a_fact():
    resources = tuple(snapshot_of(pod()).all(Pod))
    snapshot = Snapshot(taken_at=NOW, source="files", readings=[Reading(resources=resources)])

    assert [snapshot.is_complete(POD, *query) for query in QUERIES] == [False] * 5


def test_a_later_reading_adds_what_was_looked_for():
    snapshot = Snapshot(taken_at=NOW, source="test", readings=[LISTED_IN_SHOP])

    assert snapshot.plus(LOOKED_UP_EVERYWHERE).is_complete(POD, "team", "a") is True
    assert snapshot.is_complete(POD, "team", "a") is False
