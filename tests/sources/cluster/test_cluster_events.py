"""Events are read of the objects that are named, and of no others."""

from typing import Any

from istiodoctor.model.snapshot import Reading
from istiodoctor.model.wanted import Wanted
from tests.apiserver import ApiServer
from tests.sources.cluster.conftest import Open
from tests.sources.cluster.objects import names, paths, unread

EVENTS = "/api/v1/namespaces/{}/events"


def event(
    name: str, kind: str, about: str, namespace: str = "shop", **rest: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {"kind": kind, "name": about, "namespace": namespace},
        **rest,
    }


OBJECTS = [
    event("one", "Service", "web", message="no address", lastTimestamp="2026-01-01T00:00:00Z"),
    event("two", "Service", "other"),
    event("three", "Pod", "web", eventTime="2026-01-01T00:00:00.123456Z", lastTimestamp=None),
    event("four", "ClusterIssuer", "acme", "default"),
]


def about(*targets: tuple[str, str, str]) -> Wanted:
    return Wanted(events=frozenset(targets))


def test_events_about_the_named_objects_are_listed_and_no_others(server: ApiServer, connect: Open):
    source = connect(server)
    reading = source.read(about(("shop", "Service", "web"), ("default", "ClusterIssuer", "acme")))

    assert names(reading) == ["Event default/four", "Event shop/one"]
    assert sorted(paths(server)) == [EVENTS.format("default"), EVENTS.format("shop")]


def test_a_namespace_whose_events_are_forbidden_is_asked_once_and_unread_once(
    server: ApiServer, connect: Open
):
    source = connect(server)
    server.forbid("events", namespace="shop")
    targets = [("shop", "Pod", f"web-{number}") for number in range(20)]

    reading = source.read(about(*targets, ("default", "ClusterIssuer", "acme")))

    assert (names(reading), unread(reading)) == (
        ["Event default/four"],
        ["events in shop: forbidden"],
    )
    assert paths(server).count(EVENTS.format("shop")) == 1


def test_names_that_no_object_can_have_lead_nowhere(server: ApiServer, connect: Open):
    reading = connect(server).read(about(("..", "Pod", "web"), ("shop", "Pod", "a/b")))

    assert (reading, paths(server)) == (Reading(), [])


def test_a_name_with_the_letters_of_a_selector_selects_nothing_else(
    server: ApiServer, connect: Open
):
    reading = connect(server).read(about(("shop", "Service", "x,involvedObject.name=web")))

    assert (names(reading), unread(reading)) == ([], [])
