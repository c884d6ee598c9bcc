"""Delegations without effect: what the examples of VS020 cannot show."""

import pytest

from istiodoctor.finding import Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread
from istiodoctor.registry import discover
from tests.support.objects import (
    Manifest,
    gateway,
    https,
    pod,
    route,
    snapshot_of,
    virtual_service,
)

CHECKS = discover().by_code()
PREFIX = {"match": [{"uri": {"prefix": "/pay"}}]}
WEB = (pod(), gateway("web", "shop", https("a.com")))


def delegating(*rules: Manifest, **fields: object) -> Manifest:
    return virtual_service("root", "shop", "a.com", gateways=["web"], http=list(rules), **fields)


def to(name: str, namespace: str = "") -> Manifest:
    return {
        **PREFIX,
        "delegate": {"name": name, **({"namespace": namespace} if namespace else {})},
    }


def find(*objects: Manifest, unread: bool = False) -> list[Finding]:
    whole = snapshot_of(*WEB, *objects)
    if unread:
        refused = Unread(kind=Kind.VIRTUAL_SERVICE, namespace="pay", message="forbidden")
        whole = whole.plus(Reading(unread=(refused,)))
    return list(CHECKS["VS020"].run(Mesh(whole)))


@pytest.mark.parametrize(
    ("rules", "severity"),
    [([to("pay")], Severity.CRITICAL), ([to("pay"), route("shop")], Severity.HIGH)],
)
def test_a_virtual_service_with_other_rules_still_answers(
    rules: list[Manifest], severity: Severity
):
    (found,) = find(delegating(*rules))

    assert found.severity is severity


def test_a_delegate_of_the_name_in_another_namespace_is_named():
    elsewhere = virtual_service("pay", "pay", http=[route("pay")])

    (found,) = find(delegating(to("pay")), elsewhere)

    assert "only VirtualService pay/pay" in found.message


def test_a_namespace_is_that_of_the_rule_unless_it_says_one():
    here = virtual_service("pay", "shop", http=[route("pay")])
    there = virtual_service("pay", "pay", http=[route("pay")], exportTo=["shop"])

    assert not find(delegating(to("pay")), here)
    assert not find(delegating(to("pay", "pay")), there)


def test_a_delegate_that_delegates_in_turn_gives_no_routes():
    nested = virtual_service("pay", "shop", http=[{"delegate": {"name": "more"}}])

    (found,) = find(delegating(to("pay")), nested)

    assert found.subject.name == "pay"


def test_nothing_is_said_of_a_virtual_service_that_no_gateway_gets():
    inside = virtual_service("root", "shop", "a.com", gateways=["mesh"], http=[to("pay")])

    assert not find(inside)


def test_nothing_is_said_of_a_delegate_that_was_not_read():
    assert find(delegating(to("pay", "pay")))
    assert not find(delegating(to("pay", "pay")), unread=True)
