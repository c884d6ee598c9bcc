from typing import Any

import pytest

from istiodoctor.mesh.configuration.precedence import Precedence
from istiodoctor_checks.routing._shadowed_rules import Shadow, shadowed_rules
from tests.support.objects import (
    Manifest,
    gateway,
    https,
    mesh_of,
    pod,
    route,
    virtual_service,
)

WEB = gateway("web", "shop", https("a.com"))
OLD, NEW = "2025-01-01", "2025-02-01"
API = {"uri": {"prefix": "/api"}}


def rule(host: str, *match: Manifest) -> Manifest:
    return {"match": list(match), **route(host)} if match else route(host)


def on_web(name: str, *rules: Manifest, **fields: Any) -> Manifest:
    return virtual_service(name, "shop", "a.com", gateways=["web"], http=list(rules), **fields)


def shadows(*objects: Manifest) -> list[Shadow]:
    return list(shadowed_rules(mesh_of(pod(namespace="shop"), WEB, *objects)))


def told(each: Shadow) -> tuple[str, str, Precedence, bool]:
    return (each.winning.name, each.losing.name, each.precedence, each.is_whole)


def test_of_equal_matches_the_older_virtual_service_wins():
    found = shadows(
        on_web("old", rule("one", API), created=OLD), on_web("new", rule("two", API), created=NEW)
    )

    assert list(map(told, found)) == [("old", "new", Precedence.AGE, True)]


def test_what_only_the_pods_namespace_sees_wins_over_what_is_older():
    found = shadows(
        on_web("public", rule("one", API), created=OLD),
        on_web("private", rule("two", API), created=NEW, exportTo=["."]),
    )

    assert list(map(told, found)) == [("private", "public", Precedence.VISIBILITY, True)]


def test_a_virtual_service_that_the_pods_do_not_see_shadows_nothing():
    found = shadows(
        on_web("hidden", rule("one", API), created=OLD, exportTo=["edge"]),
        on_web("seen", rule("two", API), created=NEW),
    )

    assert found == []


def test_a_rule_that_keeps_one_of_its_matches_loses_only_a_part():
    other = {"uri": {"prefix": "/other"}}
    found = shadows(
        on_web("old", rule("one", API), created=OLD),
        on_web("new", rule("two", API, other), created=NEW),
    )

    assert list(map(told, found)) == [("old", "new", Precedence.AGE, False)]


@pytest.mark.parametrize("header", [{"exact": "1"}, {"regex": "[0-9]"}])
def test_equal_matches_are_equal_in_their_headers_too(header: Manifest):
    match = {**API, "headers": {"x": header}}
    found = shadows(
        on_web("old", rule("one", match), created=OLD),
        on_web("new", rule("two", match), rule("three", API), created=NEW),
    )

    assert list(map(told, found)) == [("old", "new", Precedence.AGE, True)]


def test_a_wider_match_of_an_older_virtual_service_takes_what_a_younger_one_asks_for():
    narrow = {"uri": {"prefix": "/api/v2"}, "method": {"exact": "POST"}}
    found = shadows(
        on_web("old", rule("one", API), created=OLD),
        on_web("new", rule("two", narrow), created=NEW),
    )

    assert list(map(told, found)) == [("old", "new", Precedence.AGE, True)]
    assert [each.is_equal for each in found] == [False]


@pytest.mark.parametrize(
    ("match", "is_shadowed"),
    [
        ({**API, "method": {"exact": "POST"}}, True),
        ({"uri": {"regex": "/api/[a-z]+"}}, True),
        ({"uri": {"prefix": "/ap"}}, False),
        ({"uri": {"prefix": "/API"}, "ignoreUriCase": True}, False),
        ({**API, "port": 443}, True),
    ],
)
def test_a_later_rule_of_one_virtual_service_is_in_vain(match: Manifest, *, is_shadowed: bool):
    found = shadows(on_web("one", rule("api", API), rule("other", match), rule("rest")))

    assert bool(found) is is_shadowed


def test_a_rule_for_one_port_leaves_the_others_to_later_rules():
    found = shadows(on_web("one", rule("api", {**API, "port": 80}), rule("other", API)))

    assert found == []


def test_a_rule_that_keeps_a_match_is_not_in_vain():
    other = {"uri": {"prefix": "/other"}}

    assert shadows(on_web("one", rule("api", API), rule("two", API, other))) == []


def test_rules_that_do_the_same_are_no_loss():
    longer = {"uri": {"prefix": "/api/v2"}}

    assert shadows(on_web("one", rule("api", API), rule("api", longer))) == []
