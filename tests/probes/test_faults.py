"""`scan --probe` as a process: what one pod does to whoever looks costs the other pod nothing."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.apiserver import ApiServer
from tests.cli.process import Done, Shell
from tests.lab.clusters import OTHER_POD, POD, Cluster
from tests.probes import servers
from tests.probes.servers import serving
from tests.support.clusters import HOST, anchors, stored

ANSWERS = servers.saying("HTTP/1.1 200 OK", "Server: istio-envoy", "Content-Length: 0")
REDIRECTS = servers.saying(
    "HTTP/1.1 301 Moved", f"Location: https://{HOST}/", "Server: istio-envoy", "Content-Length: 0"
)
EMPTY = servers.closing_after(
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
)
Ports = Mapping[int, servers.Answer]


@contextmanager
def gateway(folder: Path, faults: Ports) -> Iterator[ApiServer]:
    """Run a cluster whose gateway has two pods: both are well, but for these ports of one."""
    objects = Cluster().with_two_pods().objects
    good: Ports = {
        15000: EMPTY,
        8080: REDIRECTS,
        8443: servers.tls(folder, stored(objects), then=ANSWERS),
    }
    with ApiServer(objects) as server, ExitStack() as stack:
        for pod, ports in ((POD, {**good, **faults}), (OTHER_POD, good)):
            for port, answer in ports.items():
                listening = stack.enter_context(serving(answer))
                server.port_forward(pod, port, to=("127.0.0.1", listening))
        server.kubeconfig(folder / "kubeconfig")
        anchors(folder / "roots.pem")
        yield server


def scan(run: Shell, folder: Path, faults: Ports, *options: str) -> Done:
    with gateway(folder, faults):
        return run(
            "scan", "--kubeconfig", folder / "kubeconfig", "--trust-anchors", folder / "roots.pem",
            "--probe", "--no-logs", "--timeout", "20s", "-o", "json", *options,
        )  # fmt: skip


def outcomes(done: Done) -> dict[str, str]:
    return {each["code"]: each["outcome"] for each in done.report["checks"]}


def seen_on_the_wire(done: Done) -> list[str]:
    (found,) = [each for each in done.report["certificates"] if each["source"] == "wire"]
    return list(found["seenAt"])


def unread(done: Done) -> set[tuple[str, str, str]]:
    return {(each["kind"], each["name"], each["reason"]) for each in done.report["unread"]}


NAME = POD.partition("/")[2]
OTHER = f"Pod {OTHER_POD} port 8443"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (servers.reset_after_request, "the connection was closed without a word"),
        (servers.half_a_hello_and_reset, "the connection was closed without a word"),
        (servers.garbage, "the answer is not TLS"),
    ],
)
def test_a_pod_that_breaks_handshakes_off_is_told_from_the_one_that_serves(
    run: Shell, tmp_path: Path, fault: servers.Answer, words: str
):
    done = scan(run, tmp_path, {8443: fault}, "--select", "SNI011,CERT018,SDS002")

    (problem,) = done.report["problems"]
    assert (done.status, problem["code"], problem["severity"]) == (1, "SNI011", "high")
    assert problem["evidence"][0]["text"].startswith(f"Pod {POD} port 8443, SNI {HOST}: {words}")
    assert seen_on_the_wire(done) == [OTHER]
    assert outcomes(done) == {"SNI011": "failed", "CERT018": "passed", "SDS002": "passed"}


def test_a_pod_that_says_nothing_on_any_port_is_unread_and_the_other_one_is_read(
    run: Shell, tmp_path: Path
):
    silent = dict.fromkeys((8443, 8080, 15000), servers.until_closed)

    done = scan(run, tmp_path, silent, "--select", "SNI011,HTTP014,SDS002")

    assert (done.status, done.report["verdict"]) == (0, "incomplete")
    assert seen_on_the_wire(done) == [OTHER]
    assert outcomes(done) == dict.fromkeys(("SNI011", "HTTP014", "SDS002"), "skipped")
    assert unread(done) == {
        (kind, NAME, "timed-out") for kind in ("TlsProbe", "HttpProbe", "EnvoyAdmin")
    }
    assert {each["message"] for each in done.report["unread"]} == {
        "no answer in time",
        "port 15000 does not answer in time: GET /certs",
    }


@pytest.mark.parametrize(
    "fault",
    [
        servers.closing_after(b"HTTP/1.1 301 Moved\r\nLocation: https://shop.exam"),
        servers.saying("HTTP/1.1 302 Found", "Location: http://169.254.169.254/latest/meta-data"),
        servers.endless_headers,
    ],
)
def test_a_pod_that_answers_requests_with_nonsense_costs_the_scan_nothing_else(
    run: Shell, tmp_path: Path, fault: servers.Answer
):
    done = scan(run, tmp_path, {8080: fault}, "--select", "SNI011,CERT018,SDS002")

    assert (done.status, done.report["problems"], unread(done)) == (0, [], set())
    assert len(seen_on_the_wire(done)) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            servers.closing_after(b"HTTP/1.1 403 Forbidden\r\n\r\n"),
            "port 15000 answers 403 Forbidden: GET /certs",
        ),
        (servers.garbage, "port 15000 does not answer as HTTP does: GET /certs"),
        (servers.reset_after_request, "port 15000 closes the connection: GET /certs"),
    ],
)
def test_an_admin_port_that_is_none_leaves_that_pod_unread_and_the_scan_goes_on(
    run: Shell, tmp_path: Path, fault: servers.Answer, words: str
):
    done = scan(run, tmp_path, {15000: fault}, "--select", "SNI011,CERT018,SDS002")

    assert (done.status, unread(done)) == (0, {("EnvoyAdmin", NAME, "failed")})
    assert [each["message"] for each in done.report["unread"]] == [words]
    assert outcomes(done) == {"SNI011": "passed", "CERT018": "passed", "SDS002": "skipped"}


def test_what_the_time_did_not_suffice_for_is_said_of_every_part(run: Shell, tmp_path: Path):
    silent = dict.fromkeys((8443, 8080, 15000), servers.until_closed)

    done = scan(run, tmp_path, silent, "--select", "SNI011,HTTP014,SDS002", "--timeout", "3s")

    assert (done.report["verdict"], done.report["problems"]) == ("incomplete", [])
    assert {each for each in unread(done) if each[1] == NAME} == {
        (kind, NAME, "timed-out") for kind in ("TlsProbe", "HttpProbe", "EnvoyAdmin")
    }
