"""What is read of gateways' Envoys: of a real one, and of ports that only pretend to be one."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from istiodoctor.model.envoy import EnvoySecret, EnvoyState, ListenerState, SecretStatus
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread, UnreadReason
from istiodoctor.model.wanted import Wanted
from istiodoctor.sources.cluster import ClusterSource
from istiodoctor.sources.cluster import envoy as envoy_room
from tests.apiserver import ApiServer
from tests.cli.process import Shell
from tests.probes import servers
from tests.probes.servers import serving
from tests.sources.cluster.conftest import Open
from tests.sources.cluster.objects import pod
from tests.support.certificates import Issued, key_pem, new_key
from tests.support.clusters import HOST, ISSUER, anchors, healthy
from tests.support.envoys import Envoy, sds_secret

OBJECTS = [pod("istio-system/gateway"), pod("istio-system/other")]
INGRESS = "istio-system/ingress-7c9d8f6b5d-x2x4q"
GATEWAY, OTHER = ("istio-system", "gateway"), ("istio-system", "other")
SHOP, LATE = "kubernetes://shop-cert", "kubernetes://late-cert"
PATHS = [
    "/certs",
    "/config_dump?resource=dynamic_active_secrets",
    "/config_dump?resource=dynamic_warming_secrets",
    "/config_dump?resource=dynamic_listeners",
    "/listeners?format=json",
    "/server_info",
]
NOTHING = {"/certs": b"{}", "/listeners?format=json": b"{}", "/server_info": b"{}"}
MEBIBYTE = 1024 * 1024


def issued(days: int = 60) -> Issued:
    now = datetime.now(UTC)
    return ISSUER.issue(
        HOST, not_before=now - timedelta(days=10), not_after=now + timedelta(days=days)
    )


def serial(of: Issued) -> str:
    digits = f"{of.certificate.serial_number:x}"
    return digits if len(digits) % 2 == 0 else f"0{digits}"


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoy]:
    """An Envoy that serves one host and waits for the certificate of another."""
    made = Envoy(tmp_path_factory.mktemp("envoy"))
    made.send(SHOP, sds_secret(SHOP, issued()))
    made.listen(made.listener("0.0.0.0_8443", {HOST: SHOP, "late.example.com": LATE}))
    with made:
        made.wait(lambda: "0.0.0.0_8443" in made.fetch("/listeners").decode())
        yield made


def asked(source: ClusterSource, *pods: tuple[str, str]) -> Reading:
    return source.read(Wanted(envoys=frozenset(pods or (GATEWAY,))))


def state(reading: Reading) -> EnvoyState:
    (found,) = reading.envoys
    return found


def secret(reading: Reading, name: str = SHOP) -> EnvoySecret:
    return state(reading).secrets_by_name[name]


def words(reading: Reading) -> list[tuple[UnreadReason, str]]:
    assert {each.kind for each in reading.unread} <= {Kind.ENVOY}
    return [(each.reason, each.message) for each in reading.unread]


@pytest.mark.envoy
def test_a_gateways_envoy_tells_its_secrets_its_listeners_and_itself(
    server: ApiServer, connect: Open, envoy: Envoy
):
    served = issued()
    envoy.send(SHOP, sds_secret(SHOP, served))
    envoy.wait(lambda: serial(served) in envoy.serials())
    server.port_forward("istio-system/gateway", 15000, to=envoy.admin)

    reading = asked(connect(server))

    found = state(reading)
    (listener,) = found.listeners
    (certificate,) = found.certificates or ()
    assert reading.unread == ()
    assert [(each.name, each.status, each.is_initialized) for each in found.secrets] == [
        (SHOP, SecretStatus.ACTIVE, True),
        (LATE, SecretStatus.WARMING, False),
    ]
    assert secret(reading).bundle.certificates[0].serial == serial(served)
    assert (listener.name, set(listener.states)) == ("0.0.0.0_8443", {ListenerState.ACTIVE})
    assert [(each.server_names, each.secrets) for each in listener.filter_chains] == [
        ((HOST,), (SHOP,)),
        (("late.example.com",), (LATE,)),
    ]
    assert (certificate.serial, certificate.subject_alternative_names) == (serial(served), (HOST,))
    assert (found.lifecycle, found.version.count(".")) == ("LIVE", 2)
    assert found.started is not None


@pytest.mark.envoy
def test_what_envoy_waits_for_says_since_when(server: ApiServer, connect: Open, envoy: Envoy):
    server.port_forward("istio-system/gateway", 15000, to=envoy.admin)

    late = secret(asked(connect(server)), LATE)

    assert (late.version_info, late.leaf) == ("uninitialized", None)
    assert late.last_updated is not None
    assert late.last_updated < datetime.now(UTC)


@pytest.mark.envoy
def test_a_renewed_secret_is_seen_and_a_refused_one_leaves_the_old(
    server: ApiServer, connect: Open, envoy: Envoy
):
    server.port_forward("istio-system/gateway", 15000, to=envoy.admin)
    renewed = issued()
    envoy.send(SHOP, sds_secret(SHOP, renewed))
    envoy.wait(lambda: serial(renewed) in envoy.serials())
    first = state(asked(connect(server)))
    before = envoy.count("sds.*update_rejected")
    refused = issued()
    envoy.send(SHOP, sds_secret(SHOP, refused, key=key_pem(new_key())))
    envoy.wait(lambda: envoy.count("sds.*update_rejected") > before)

    second = state(asked(connect(server)))

    # The refused one is listed as if it were in use. What is loaded tells.
    assert [each.serial for each in first.certificates or ()] == [serial(renewed)]
    assert second.certificates == first.certificates
    listed = second.secrets_by_name[SHOP]
    assert listed.last_updated == first.secrets_by_name[SHOP].last_updated
    assert listed.bundle.certificates[0].serial == serial(refused)


@pytest.mark.envoy
def test_a_listener_that_was_refused_says_why(
    server: ApiServer, connect: Open, envoy: Envoy, tmp_path: Path
):
    torn = Envoy(tmp_path / "torn")
    twice = dict(torn.listener("0.0.0.0_8443", {HOST: SHOP}))
    twice["filter_chains"] = [*twice["filter_chains"], *twice["filter_chains"]]
    torn.listen(twice)
    with torn:
        torn.wait(lambda: b"error_state" in torn.fetch("/config_dump"))
        server.port_forward("istio-system/gateway", 15000, to=torn.admin)
        (listener,) = state(asked(connect(server))).listeners

    assert (set(listener.states), listener.is_open) == ({ListenerState.FAILED}, False)
    assert "has the same matching rules" in listener.error
    assert listener.refused_at is not None


@pytest.mark.envoy
def test_a_scan_shows_that_a_refused_renewal_leaves_the_old_certificate(
    tmp_path: Path, envoy: Envoy
):
    old, new = issued(), issued(80)
    envoy.send(SHOP, sds_secret(SHOP, old))
    envoy.wait(lambda: serial(old) in envoy.serials())
    before = envoy.count("sds.*update_rejected")
    stored = new.secret("istio-system", "shop-cert")
    stored["data"]["tls.key"] = old.secret("istio-system", "shop-cert")["data"]["tls.key"]
    envoy.send(SHOP, sds_secret(SHOP, new, key=old.key_pem))
    envoy.wait(lambda: envoy.count("sds.*update_rejected") > before)
    others = [each for each in healthy(datetime.now(UTC)) if each["kind"] != "Secret"]
    with ApiServer([*others, stored]) as server:
        server.port_forward(INGRESS, 15000, to=envoy.admin)
        path = server.kubeconfig(tmp_path / "kubeconfig")
        anchors(tmp_path / "roots.pem")
        done = Shell(folder=tmp_path)(
            "scan", "--kubeconfig", path, "--trust-anchors", tmp_path / "roots.pem", "-o", "json"
        )

    problem, *_ = done.report["problems"]
    stale = next(each for each in problem["symptoms"] if each["code"] == "SDS002")
    assert (done.status, problem["code"], problem["confidence"]) == (1, "CERT008", "observed")
    assert serial(old) in stale["message"]
    assert serial(new) in stale["message"]
    assert {each["kind"] for each in stale["evidence"]} == {"envoy"}


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


def test_nothing_but_these_paths_is_ever_asked_for(server: ApiServer, connect: Open, pretend):
    heard: list[str] = []
    pretend(answering(NOTHING, heard))

    found = state(asked(connect(server)))

    assert heard == [f"GET {path}" for path in sorted(PATHS, key=PATHS.index)]
    assert (found.secrets, found.listeners, found.certificates) == ((), (), ())
    assert {each.method for each in server.requests()} == {"GET"}


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


LATE_ANSWER = (UnreadReason.TIMED_OUT, "port 15000 does not answer in time: GET /certs")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (saying(b"HTTP/1.1 403 Forbidden\r\n\r\n"), breaks("answers 403 Forbidden")),
        (saying(b"HTTP/1.1 301 Moved\r\nLocation: /b\r\n\r\n"), breaks("answers 301 Moved")),
        (saying(b"<html>\n"), breaks("does not answer as HTTP does")),
        (saying(b""), breaks("closes the connection")),
        (servers.reset, breaks("closes the connection")),
        (endless_headers, breaks("does not answer as HTTP does")),
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
        (closed_unread, breaks("closes the connection")),
        (servers.reset, breaks("closes the connection")),
        (silent, LATE_ANSWER),
        (endless_headers, breaks("does not answer as HTTP does")),
        (servers.garbage, breaks("does not answer as HTTP does")),
    ],
)
def test_a_port_that_never_answers_is_said_once_and_the_other_pods_are_read(
    server: ApiServer, connect: Open, pretend, fault, said
):
    pretend(fault)
    pretend(answering(NOTHING, []), "other")

    reading = asked(connect(server, seconds=12), GATEWAY, OTHER)

    assert [each.pod.name for each in reading.envoys] == ["other"]
    assert words(reading) == [said]


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


def test_a_redirect_leads_nowhere(server: ApiServer, connect: Open):
    server.fault("redirect", "portforward", location="https://127.0.0.1:9/elsewhere")

    ((reason, message),) = words(asked(connect(server)))

    assert (reason, message) == (
        UnreadReason.FAILED,
        "no connection to the pod: Redirect limit exhausted",
    )
