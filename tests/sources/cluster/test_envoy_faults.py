"""What is read of ports that only pretend to be an Envoy's, or are not there at all."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from istiodoctor.model.envoy_configuration import Section
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Unread, UnreadReason
from istiodoctor.sources.cluster import envoy as envoy_room
from tests.apiserver import ApiServer
from tests.cli.process import Shell
from tests.probes import servers
from tests.probes.servers import serving
from tests.sources.cluster.conftest import Open
from tests.sources.cluster.envoys import (
    GATEWAY,
    OTHER,
    asked,
    asked_for_configuration,
    configuration,
    state,
    words,
)
from tests.sources.cluster.objects import pod
from tests.support.clusters import healthy

OBJECTS = [pod("istio-system/gateway"), pod("istio-system/other")]
INGRESS = "istio-system/ingress-7c9d8f6b5d-x2x4q"
PATHS = [
    "/certs",
    "/config_dump?resource=dynamic_active_secrets",
    "/config_dump?resource=dynamic_warming_secrets",
    "/config_dump?resource=dynamic_listeners",
    "/listeners?format=json",
    "/server_info",
]
ROUTES = "/config_dump?resource=dynamic_route_configs"
CLUSTERS = "/config_dump?resource=dynamic_active_clusters"
ENDPOINTS = "/config_dump?include_eds&resource=dynamic_endpoint_configs"
NOTHING = {"/certs": b"{}", "/listeners?format=json": b"{}", "/server_info": b"{}"}
MEBIBYTE = 1024 * 1024


def answering(answers: Mapping[str, bytes], heard: list[str]) -> Callable[[socket.socket], None]:
    """Return a server that answers these paths, and closes after each answer."""

    def answer(connection: socket.socket) -> None:
        method, path, _ = connection.makefile("rb").readline().decode().split(" ")
        heard.append(f"{method} {path}")
        body = answers.get(path)
        status = "200 OK" if body is not None else "404 Not Found"
        body = body or b""
        head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return answer


def talking(text: bytes) -> Callable[[socket.socket], None]:
    """Return a server that says this, whatever it is asked."""

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(text)

    return answer


def spoiling(path: str, instead: Callable[[socket.socket], None]) -> Callable[..., None]:
    """Return a server that is an Envoy, but for what becomes of this path."""

    def answer(connection: socket.socket) -> None:
        asked = connection.recv(4096)
        if asked.startswith(f"GET {path} ".encode()):
            instead(connection)
            return
        body = json.dumps({"state": "LIVE"}).encode() if b"server_info" in asked else b"{}"
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return answer


def saying(text: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text)


def silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def closed_unread(connection: socket.socket) -> None:
    """Close at once; what was sent to it is never looked at."""


def endless_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: " + b"y" * 60_000 + b"\r\n")


def endless_pieces(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b"z" * 0x10000 + b"\r\n")


def endless_continue(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def drop_by_drop(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def two_hundred_mebibytes(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n")
    for _ in range(200):
        connection.sendall(b"x" * MEBIBYTE)


@pytest.fixture
def pretend(server: ApiServer) -> Iterator[Callable[..., None]]:
    """Let the admin port of a pod be a server on loopback."""
    with ExitStack() as stack:

        def connected(answer: Callable[[socket.socket], None], name: str = "gateway") -> None:
            port = stack.enter_context(serving(answer))
            server.port_forward(f"istio-system/{name}", 15000, to=("127.0.0.1", port))

        yield connected


@pytest.mark.promise("The state of the gateways' Envoys, by GET through `pods/portforward`")
def test_nothing_but_these_paths_is_ever_asked_for(server: ApiServer, connect: Open, pretend):
    heard: list[str] = []
    pretend(answering(NOTHING, heard))

    found = state(asked(connect(server)))

    assert heard == [f"GET {path}" for path in sorted(PATHS, key=PATHS.index)]
    assert (found.secrets, found.listeners, found.certificates) == ((), (), ())
    assert {each.method for each in server.requests()} == {"GET"}


def test_the_configuration_is_asked_for_by_these_paths_alone(
    server: ApiServer, connect: Open, pretend
):
    heard: list[str] = []
    pretend(answering({CLUSTERS: b"{}"}, heard))

    reading = asked_for_configuration(connect(server))

    assert heard == [f"GET {path}" for path in (ROUTES, CLUSTERS, ENDPOINTS)]
    assert configuration(reading).sections == set(Section)
    assert {each.method for each in server.requests()} == {"GET"}


def test_an_envoy_without_clusters_is_none(server: ApiServer, connect: Open, pretend):
    pretend(answering({}, []))

    assert words(asked_for_configuration(connect(server))) == [
        (UnreadReason.FAILED, "no routes, clusters or endpoints among the answers")
    ]


def test_routes_that_are_too_many_take_nothing_from_the_rest(
    server: ApiServer, connect: Open, pretend, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(envoy_room, "MOST_BYTES", MEBIBYTE)
    pretend(spoiling(ROUTES, two_hundred_mebibytes))

    reading = asked_for_configuration(connect(server))

    assert configuration(reading).sections == {Section.CLUSTERS, Section.ENDPOINTS}
    assert words(reading) == [
        (UnreadReason.FAILED, f"port 15000 answers with more than 1 MiB: GET {ROUTES}")
    ]


def test_what_it_does_not_have_at_all_is_no_envoy(server: ApiServer, connect: Open, pretend):
    pretend(answering({}, []))

    assert words(asked(connect(server))) == [
        (UnreadReason.FAILED, "port 15000 answers 404 Not Found: GET /certs")
    ]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (b"SSH-2.0-nobody\r\n", "port 15000 does not answer as HTTP does: GET /certs"),
        (b"", "port 15000 closes the connection: GET /certs"),
        (
            b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
            "port 15000 answers 500 Oh: GET /certs",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{",
            "port 15000 does not answer as HTTP does: GET /certs",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "port 15000 does not answer as HTTP does: GET /certs",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/quitquitquit\r\n"
            b"Content-Length: 0\r\n\r\n",
            "port 15000 answers 302 Found: GET /certs",
        ),
        (b"\x00\xff" * 9000 + b"\n", "port 15000 does not answer as HTTP does: GET /certs"),
    ],
    ids=["another protocol", "nothing", "error", "half", "wrong pieces", "redirect", "garbage"],
)
def test_what_is_no_answer_is_said_in_a_sentence(
    server: ApiServer, connect: Open, pretend, said, message
):
    pretend(talking(said))

    assert words(asked(connect(server))) == [(UnreadReason.FAILED, message)]


def breaks(what: str) -> tuple[UnreadReason, str]:
    return (UnreadReason.FAILED, f"port 15000 {what}: GET /certs")


IS_CLOSED = {breaks("closes the connection")}
NO_HTTP = {breaks("does not answer as HTTP does")}
LATE_ANSWER = (UnreadReason.TIMED_OUT, "port 15000 does not answer in time: GET /certs")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (saying(b"HTTP/1.1 403 Forbidden\r\n\r\n"), breaks("answers 403 Forbidden")),
        (saying(b"HTTP/1.1 301 Moved\r\nLocation: /b\r\n\r\n"), breaks("answers 301 Moved")),
        (saying(b"<html>\n"), breaks("does not answer as HTTP does")),
        (saying(b""), breaks("closes the connection")),
        (servers.reset, breaks("closes the connection")),
        (saying(b"HTTP/1.1 200 OK\r\nContent-T"), breaks("closes the connection")),
        (endless_headers, breaks("answers with more than 1 MiB")),
        (endless_pieces, breaks("answers with more than 1 MiB")),
        (endless_continue, breaks("answers with more than 1 MiB")),
        (two_hundred_mebibytes, breaks("answers with more than 1 MiB")),
    ],
)
def test_one_answer_that_is_not_had_takes_nothing_from_the_others(
    server: ApiServer, connect: Open, pretend, monkeypatch: pytest.MonkeyPatch, fault, said
):
    monkeypatch.setattr(envoy_room, "MOST_BYTES", MEBIBYTE)
    pretend(spoiling("/certs", fault))

    reading = asked(connect(server))

    assert (state(reading).lifecycle, state(reading).certificates) == ("LIVE", None)
    assert words(reading) == [said]


@pytest.mark.parametrize("fault", [silent, drop_by_drop])
def test_a_port_that_falls_silent_keeps_what_it_said_before(
    server: ApiServer, connect: Open, pretend, fault
):
    pretend(spoiling("/listeners?format=json", fault))

    reading = asked(connect(server, seconds=12))

    assert (state(reading).lifecycle, state(reading).certificates) == ("", ())
    assert words(reading) == [
        (
            UnreadReason.TIMED_OUT,
            "port 15000 does not answer in time: GET /listeners?format=json",
        )
    ]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (closed_unread, IS_CLOSED),
        (servers.reset_after_request, IS_CLOSED),
        (silent, {LATE_ANSWER}),
        # A reset of the connection may take away what was sent before it.
        (endless_headers, NO_HTTP | IS_CLOSED),
        (servers.garbage, NO_HTTP | IS_CLOSED),
    ],
)
def test_a_port_that_never_answers_is_said_once_and_the_other_pods_are_read(
    server: ApiServer, connect: Open, pretend, fault, said
):
    pretend(fault)
    pretend(answering(NOTHING, []), "other")

    reading = asked(connect(server, seconds=12), GATEWAY, OTHER)

    assert [each.pod.name for each in reading.envoys] == ["other"]
    (heard,) = words(reading)
    assert heard in said


def test_what_is_no_state_of_an_envoy_is_not_taken_for_one(
    server: ApiServer, connect: Open, pretend
):
    pretend(answering(dict.fromkeys(NOTHING, b"<html>"), []))

    reading = asked(connect(server))

    ((reason, message),) = words(reading)
    assert (reading.envoys, reason) == ((), UnreadReason.FAILED)
    assert message.startswith(
        "what Envoy answers cannot be used: certs is not what Envoy answers (JSON is malformed"
    )


def test_an_answer_of_two_hundred_mebibytes_is_given_up(server: ApiServer, connect: Open, pretend):
    pretend(spoiling("/certs", two_hundred_mebibytes))

    reading = asked(connect(server, seconds=120))

    assert state(reading).lifecycle == "LIVE"
    assert words(reading) == [breaks("answers with more than 64 MiB")]


def test_a_port_that_nobody_listens_on_is_said_in_the_servers_words(
    server: ApiServer, connect: Open
):
    ((reason, message),) = words(asked(connect(server), ("istio-system", "other")))

    assert reason is UnreadReason.FAILED
    assert message.endswith("dial tcp4 127.0.0.1:15000: connect: connection refused")


def test_who_may_not_forward_ports_is_told_so(server: ApiServer, connect: Open):
    server.forbid("pods/portforward")

    reading = asked(connect(server))

    assert reading.unread == (
        Unread(
            kind=Kind.ENVOY,
            namespace="istio-system",
            name="gateway",
            reason=UnreadReason.FORBIDDEN,
            message=(
                '403 Forbidden: pods "gateway" is forbidden: User "tester" cannot get resource'
                ' "pods/portforward" in API group "" in the namespace "istio-system"'
            ),
        ),
    )


def test_a_pod_that_is_gone_and_names_that_cannot_be_cost_no_scan(
    server: ApiServer, connect: Open
):
    reading = asked(connect(server), ("istio-system", "gone"), ("istio-system", "../../secrets"))

    assert words(reading) == [(UnreadReason.FAILED, '404 Not Found: pods "gone" not found')]
    assert json.dumps([each.path for each in server.requests()]).count("secrets") == 0


@pytest.mark.parametrize(
    ("fault", "options", "reason", "words"),
    [
        ("hang", {}, UnreadReason.TIMED_OUT, "no connection to the pod in time"),
        ("garbage", {}, UnreadReason.FAILED, "200 OK"),
        ("status", {"code": 500}, UnreadReason.FAILED, "500 Internal Server Error"),
    ],
)
def test_a_way_to_the_pod_that_fails_is_tried_and_said(
    server: ApiServer, connect: Open, pretend, fault, options, reason, words
):
    pretend(answering(NOTHING, []), "other")
    server.fault(fault, "gateway/portforward", **options)

    reading = asked(connect(server, seconds=12), GATEWAY, OTHER)

    ((said, message),) = [(each.reason, each.message) for each in reading.unread]
    assert [each.pod.name for each in reading.envoys] == ["other"]
    assert (said, message.startswith(words)) == (reason, True), message


def test_pods_beyond_the_most_that_are_asked_are_not_said_to_be_well(tmp_path: Path):
    objects = healthy(datetime.now(UTC))
    pod_name = INGRESS.partition("/")[2]
    ingress = next(each for each in objects if each["metadata"]["name"] == pod_name)
    names = [f"ingress-{number:02}" for number in range(42)]
    for name in names:
        objects.append({**ingress, "metadata": {**ingress["metadata"], "name": name}})
    with ApiServer(objects) as server, serving(answering(NOTHING, [])) as port:
        for name in (pod_name, *names):
            server.port_forward(f"istio-system/{name}", 15000, to=("127.0.0.1", port))
        path = server.kubeconfig(tmp_path / "kubeconfig")
        done = Shell(folder=tmp_path)(
            "scan", "--kubeconfig", path, "--no-logs", "--select", "SDS002", "-o", "json"
        )

    (check,), unread = done.report["checks"], done.report["unread"]
    assert (done.report["verdict"], check["outcome"]) == ("incomplete", "skipped")
    assert [(each["kind"], each["message"]) for each in unread] == [
        ("EnvoyAdmin", "43 gateway pods are more than the 40 whose Envoy is asked")
    ] * 3


def test_a_redirect_leads_nowhere(server: ApiServer, connect: Open):
    server.fault("redirect", "portforward", location="https://127.0.0.1:9/elsewhere")

    ((reason, message),) = words(asked(connect(server)))

    assert (reason, message) == (
        UnreadReason.FAILED,
        "no connection to the pod: Redirect limit exhausted",
    )
