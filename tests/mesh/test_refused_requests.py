"""Requests that end at what Envoy refuses: the hop says it, and names what did it."""

import pytest

from istiodoctor.mesh.trace.answers import AnswerKind
from istiodoctor.mesh.trace.outcomes import AnswerOutcome
from istiodoctor.mesh.trace.way import BROKEN, OK, UNKNOWN
from tests.mesh.test_requests import HOST, asked, routes, to
from tests.support.objects import gateway, pod, server

URL = f"http://{HOST}/"


def bound(*addresses):
    return gateway(
        "web", "shop", *({**server(80, "HTTP", HOST), "bind": each} for each in addresses)
    )


def test_a_listener_whose_address_is_none_is_refused_and_names_its_server():
    way = asked(bound("ingress.example.com"), routes("r", to("one")), url=URL)

    last = way.hops[-1]
    assert (last.hop, last.state, last.outcome) == ("listener", BROKEN, AnswerOutcome.REFUSED)
    assert str(last.ref) == "Gateway shop/web"
    assert last.text == (
        "Envoy refuses what istiod sends for port 80: 'ingress.example.com' is no IP address"
    )


@pytest.mark.parametrize(
    ("own", "address", "state"),
    [
        ("10.0.0.7", "0.0.0.0", OK),
        ("10.0.0.7", "::", BROKEN),
        ("10.0.0.7", "10.0.0.7", OK),
        ("10.0.0.7", "10.0.0.8", BROKEN),
        ("fd00::7", "::", OK),
        ("fd00::7", "0:0::0", OK),
        ("fd00::7", "FD00:0::7", OK),
        ("fd00::7", "0.0.0.0", BROKEN),
    ],
)
def test_a_pod_is_reached_at_its_own_kind_of_address(own, address, state):
    gateway_pod = pod(status={"podIP": own, "podIPs": [{"ip": own}]})

    way = asked(bound(address), routes("r", to("one")), gateway_pod, url=URL)

    assert next(each.state for each in way.hops if each.hop == "listener") is state


def test_which_of_two_listeners_with_one_address_answers_is_not_known():
    gateway_pod = pod(status={"podIP": "fd00::7"})

    way = asked(bound("::", "0:0::0"), routes("r", to("one")), gateway_pod, url=URL)

    last = way.hops[-1]
    assert (last.hop, last.state) == ("listener", UNKNOWN)
    assert last.text == (
        ":: and 0:0::0 are one address: Envoy takes the listener of one only, the one that it is"
        " sent first"
    )
    assert way.ending.kind is AnswerKind.UNKNOWN
