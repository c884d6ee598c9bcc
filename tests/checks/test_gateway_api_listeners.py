"""Listeners of the Gateway API that istiod leaves out: what the examples cannot show."""

from istiodoctor.finding import Finding, Severity
from istiodoctor.registry import discover
from tests.support.objects import (
    GATEWAY_API,
    Manifest,
    api_gateway,
    istiod,
    listener,
    made,
    mesh_of,
)

CHECK = discover().by_code()["GWAPI013"]


def found(*objects: Manifest) -> list[Finding]:
    return list(CHECK.judge(mesh_of(*objects)))


def told(*objects: Manifest) -> list[tuple[str, Severity, frozenset[str]]]:
    default = CHECK.severity
    return [(each.message, each.severity or default, each.hosts) for each in found(*objects)]


def test_a_protocol_that_a_release_does_not_serve_says_which_flag_would():
    layer4 = api_gateway("web", "edge", listener("db", 5432, "TCP"))

    assert told(istiod("1.30.2"), layer4) == [
        (
            "istiod makes nothing of Gateway API Gateway edge/web listener 5432 (db): this istiod"
            " serves the protocol TCP only with PILOT_ENABLE_ALPHA_GATEWAY_API=true. Nothing"
            " listens there for *.",
            Severity.HIGH,
            frozenset({"*"}),
        )
    ]
    assert told(istiod("1.30.2", PILOT_ENABLE_ALPHA_GATEWAY_API="true"), layer4) == []
    assert told(istiod("1.31.0"), layer4) == []


def test_a_listener_in_the_way_is_named_as_an_object():
    web = api_gateway(
        "web", "edge", listener("a", hostname="x.test"), listener("b", hostname="x.test")
    )

    (finding,) = found(istiod("1.31.0"), web)

    assert finding.severity is Severity.MEDIUM
    assert finding.message.endswith(
        "has the same port and hostname. Nothing listens there for x.test."
    )
    assert [str(each) for each in finding.objects] == [
        "Gateway API Gateway edge/web spec.listeners[1]",
        "Gateway API Gateway edge/web",
    ]


def test_a_listener_set_that_is_not_let_in_is_a_problem():
    parent = {"name": "web", "namespace": "edge"}
    spec = {"parentRef": parent, "listeners": [listener("own", 8080, hostname="y.test")]}
    more = made(GATEWAY_API, "ListenerSet", "more", "team", spec=spec)

    (finding,) = found(istiod("1.31.0"), api_gateway("web", "edge", listener("a")), more)

    assert (finding.message, finding.hosts) == (
        "istiod makes nothing of ListenerSet team/more: allowedListeners of Gateway API Gateway"
        " edge/web does not let it in. Nothing listens there for y.test.",
        frozenset({"y.test"}),
    )


def test_a_certificate_that_is_missing_is_for_other_checks():
    tls = {"certificateRefs": [{"name": "gone"}]}

    assert (
        found(istiod("1.31.0"), api_gateway("web", "edge", listener("a", 443, "HTTPS", tls=tls)))
        == []
    )
