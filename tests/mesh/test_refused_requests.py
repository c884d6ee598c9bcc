"""Requests that end at what Envoy refuses: the hop says it, and names what did it."""

import pytest

from istiodoctor.mesh.requests.answers import AnswerKind
from istiodoctor.mesh.requests.hops import BROKEN, OK, UNKNOWN
from istiodoctor.mesh.requests.outcomes import AnswerOutcome
from tests.mesh.test_requests import API, HOST, WEB, api_route, asked, routes, to
from tests.support.objects import gateway, https, istiod, pod, server

URL = f"http://{HOST}/"


def bound(*addresses):
    return gateway(
        "web", "shop", *({**server(80, "HTTP", HOST), "bind": each} for each in addresses)
    )


def test_a_listener_whose_address_is_none_is_refused_and_names_its_server():
    request_path = asked(bound("ingress.example.com"), routes("r", to("one")), url=URL)

    last = request_path.hops[-1]
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

    request_path = asked(bound(address), routes("r", to("one")), gateway_pod, url=URL)

    assert next(each.state for each in request_path.hops if each.hop == "listener") is state


def test_which_of_two_listeners_with_one_address_answers_is_not_known():
    gateway_pod = pod(status={"podIP": "fd00::7"})

    request_path = asked(bound("::", "0:0::0"), routes("r", to("one")), gateway_pod, url=URL)

    last = request_path.hops[-1]
    assert (last.hop, last.state) == ("listener", UNKNOWN)
    assert last.text == (
        ":: and 0:0::0 are one address: Envoy takes the listener of one only, the one that it is"
        " sent first"
    )
    assert request_path.ending.kind is AnswerKind.UNKNOWN


ENCODED = "eHh4" * 1365 + "eHg="
SIZE = "the body of a direct response has 4097 bytes, more than 4096"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            {"headers": {"request": {"set": {"x-a": "100%"}}}},
            "the header x-a cannot be '100%': it has a % that begins no command: Envoy writes %%"
            " for the character itself",
        ),
        (
            {"headers": {"response": {"add": {"x-a": "%FOO%"}}}},
            "the header x-a cannot be '%FOO%': Envoy has no command FOO",
        ),
        ({"headers": {"request": {"remove": [""]}}}, "a header without a name is changed"),
        ({"headers": {"request": {"set": {"Host": "a\nb"}}}}, "a rewrite has a control character"),
        ({"rewrite": {"authority": "a\nb"}}, "a rewrite has a control character"),
        ({"timeout": "-1s"}, "timeout is -1s, less than 0"),
        (
            {"retries": {"attempts": 1, "backoff": "0s"}},
            "retries.backoff is 0s: it must be more than 0",
        ),
        (
            {"fault": {"delay": {"fixedDelay": "0s", "percent": 1}}},
            "fault.delay.fixedDelay is 0s: it must be more than 0",
        ),
        ({"route": [], "directResponse": {"status": 200, "body": {"string": "x" * 4097}}}, SIZE),
        (
            {
                "route": [],
                "directResponse": {"status": 200, "body": {"bytes": "eHh4" * 1365 + "eHg="}},
            },
            SIZE,
        ),
    ],
)
def test_a_rule_that_envoy_refuses_takes_the_routes_of_the_port_with_it(rule, words):
    request_path = asked(WEB, routes("r", {**to("one"), **rule}, to("two")))

    last = request_path.hops[-1]
    assert (last.hop, last.state, last.outcome) == ("virtual-host", BROKEN, AnswerOutcome.REFUSED)
    assert last.text.endswith(f": {words}")
    assert str(last.ref) == "VirtualService shop/r"


@pytest.mark.parametrize(
    "rule",
    [
        {"headers": {"request": {"set": {"x-a": "100%%"}, "remove": ["host", ":path"]}}},
        {"headers": {"request": {"set": {":method": "%FOO%", "Host": "b.example.com"}}}},
        {"timeout": "0s", "retries": {"attempts": 0, "perTryTimeout": "-1s"}},
        {"fault": {"abort": {"percentage": {"value": 100}}}},
        {"fault": {"delay": {"percent": 1}}},
        {"route": [], "directResponse": {"status": 200, "body": {"string": "x" * 4096}}},
    ],
)
def test_what_istiod_leaves_out_and_what_envoy_takes_closes_nothing(rule):
    request_path = asked(WEB, routes("r", {**to("one"), **rule}))

    assert request_path.hops[-1].state is OK


def test_headers_of_a_destination_count_where_it_gets_requests():
    def ending(*weights):
        destinations = [
            {**to("one")["route"][0], "weight": each, "headers": {"response": {"set": {"x": "%"}}}}
            for each in weights
        ]
        plain = {**to("two")["route"][0], "weight": 1}
        return asked(WEB, routes("r", {"route": [*destinations, plain]})).hops[-1].hop

    assert ending(1) == "virtual-host"
    assert ending(0) == "backend"


def test_a_weight_below_nothing_is_a_very_great_one():
    first, second = to("one")["route"][0], to("two")["route"][0]
    rule = {"route": [{**first, "weight": -1}, {**second, "weight": 101}]}

    last = asked(WEB, routes("r", rule)).hops[-1]

    assert last.text.endswith(
        "the weights of a route's clusters are 4294967396 in all, more than 4294967295"
    )


def test_the_gateway_api_lets_a_lone_percent_sign_pass_and_envoy_does_not():
    filters = [
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [header("50% off")]}}
    ]

    last = asked(*API, api_route("r", {"filters": filters}), url=f"http://{HOST}/a").hops[-1]

    assert (last.hop, last.outcome) == ("virtual-host", AnswerOutcome.REFUSED)
    assert str(last.ref) == "HTTPRoute shop/r"


def header(value):
    return {"name": "x-sale", "value": value}


def ending_tls(**settings):
    entry = https(HOST)
    return gateway("web", "shop", {**entry, "tls": {**entry["tls"], **settings}})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"minProtocolVersion": "TLSV1_3", "maxProtocolVersion": "TLSV1_2"},
            "it permits TLSV1_2 at most and TLSV1_3 at least",
        ),
        (
            {"maxProtocolVersion": "TLSV1_1"},
            "it permits TLSV1_1 at most and TLSV1_2 at least, which is Envoy's oldest by default",
        ),
        ({"cipherSuites": ["AES128-SHA", "!ALL"]}, "AES128-SHA, !ALL leaves no cipher suite"),
        ({"cipherSuites": ["-FOO"]}, "-FOO names no cipher suite that Envoy knows"),
    ],
)
def test_a_handshake_that_cannot_succeed_is_reset(settings, words):
    request_path = asked(ending_tls(**settings), routes("r", to("one")))

    last = request_path.hops[-1]
    assert (last.hop, last.state, last.outcome) == ("certificate", BROKEN, AnswerOutcome.RESET)
    assert last.text == f"every TLS handshake fails: {words}"
    assert str(last.ref) == "Gateway shop/web"


@pytest.mark.parametrize(
    "settings",
    [
        {"minProtocolVersion": "TLSV1_2", "maxProtocolVersion": "TLSV1_2"},
        {"cipherSuites": ["FOO"]},
        {"cipherSuites": ["ALL", "-FOO", "-ECDHE"], "mode": "ISTIO_MUTUAL"},
        {"cipherSuites": ["ECDHE", "AES128-SHA"]},
    ],
)
def test_settings_that_istiod_filters_or_does_not_send_do_no_harm(settings):
    request_path = asked(ending_tls(**settings), routes("r", to("one")))

    assert request_path.hops[-1].state is OK


@pytest.mark.parametrize(("version", "state"), [("1.31.0", OK), ("1.32.0", BROKEN)])
def test_curves_of_a_server_reach_envoy_since_the_release_that_sends_them(version, state):
    objects = (ending_tls(ecdhCurves=["P-224"]), routes("r", to("one")), istiod(version))

    assert asked(*objects).hops[-1].state is state


def test_a_pin_that_is_no_digest_closes_the_port():
    settings = {"mode": "MUTUAL", "verifyCertificateHash": ["sha256:abc"]}

    last = asked(ending_tls(**settings), routes("r", to("one"))).hops[-1]

    assert (last.hop, last.outcome) == ("listener", AnswerOutcome.REFUSED)
    assert last.text == (
        "Envoy refuses what istiod sends for port 443: 'sha256:abc' is no SHA-256 digest of a"
        " certificate in hexadecimal"
    )
