"""`trace --probe` as a process: what is sent, what is never sent, and what a person reads."""

import socket
import threading
from pathlib import Path

import pytest

from tests.apiserver import ApiServer
from tests.cli.process import Done, Shell
from tests.lab.clusters import Cluster
from tests.lab.conftest import lab
from tests.lab.gateway import SHOP_CLUSTER, Lab, serve_shop
from tests.lab.resources import cluster as backend
from tests.support.clusters import HOST, stored
from tests.support.traces import valid

__all__ = ["lab"]

URL = f"https://{HOST}/"
OK = "HTTP/1.1 200 OK"


class Application:
    """A backend that answers by path, and keeps what it was asked."""

    def __init__(self, **answers: tuple[str, ...]) -> None:
        """Take the lines of the answers by the name of the path; 200 for all others."""
        self.answers = answers
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, connection: socket.socket) -> None:
        """Answer one connection."""
        text = connection.recv(65536).decode()
        with self._lock:
            self.asked.append(text)
        path = text.split(" ")[1].strip("/") if text else ""
        lines = self.answers.get(path, (OK,))
        connection.sendall("\r\n".join((*lines, "Content-Length: 0", "", "")).encode())

    @property
    def first_lines(self) -> list[str]:
        """The requests, without their headers."""
        return [each.partition("\r\n")[0] for each in self.asked]


def traced(lab: Lab, app: Application, url: str = URL, *options: str) -> Done:
    cluster, envoy = Cluster(), lab.envoy(backend(SHOP_CLUSTER, lab.upstream(app)))
    serve_shop(envoy, stored(cluster.objects), cluster=SHOP_CLUSTER)
    return lab.trace(cluster, envoy, url, "--probe", *options)


def words(done: Done, hop: str, leg: int = 0) -> str:
    found = valid(done.stdout)["legs"][leg]["hops"]
    return str(next(each["seen"] for each in found if each["hop"] == hop))


@pytest.mark.envoy
def test_a_person_reads_what_was_seen_under_each_hop_and_never_past_80_columns(lab: Lab):
    output = lab.folder / "trace.txt"

    done = traced(lab, Application(), URL, "-o", f"terminal={output}")

    lines = output.read_text().splitlines()
    assert (done.status, valid(done.stdout)["probed"]) == (0, True)
    assert max(map(len, lines)) <= 80
    assert "│                  seen: TLSv1.3" in lines
    assert "│                  seen: from the backend: 200" in lines
    assert lines[-1] == "└─ ✓               Service shop/shop answers 200"


@pytest.mark.envoy
def test_a_redirect_of_the_application_is_followed_to_its_end(lab: Lab):
    app = Application(a=("HTTP/1.1 302 Found", "Location: /login"))

    done = traced(lab, app, f"{URL}a")

    found = valid(done.stdout)
    assert done.status == 0
    assert [(leg["url"], leg["follows"], leg["answer"]["status"]) for leg in found["legs"]] == [
        (f"{URL}a", None, 302),
        (f"{URL}login", 0, 200),
    ]
    assert app.first_lines == ["GET /a HTTP/1.1", "GET /login HTTP/1.1"]


@pytest.mark.envoy
def test_an_application_that_redirects_to_itself_is_a_loop(lab: Lab):
    there = ("HTTP/1.1 301 Moved", f"Location: {URL}")

    done = traced(lab, Application(**{"": there}))

    stop = valid(done.stdout)["stoppedAt"]
    assert (done.status, stop["hop"]) == (1, "backend")
    assert stop["seen"] == (
        f"from the backend: 301 to {URL}, where the request has been before: a loop"
    )


@pytest.mark.envoy
def test_a_request_that_may_change_something_is_never_sent(lab: Lab):
    app = Application()

    done = traced(lab, app, URL, "-X", "POST")

    found = valid(done.stdout)
    assert (done.status, app.asked) == (0, [])
    assert words(done, "filter-chain") == "TLSv1.3"
    assert words(done, "route") == "POST may change something, so no request is sent"
    assert found["notes"] == [
        "POST may change something, so no request is sent;"
        " how it ends is said by the objects alone."
    ]


@pytest.mark.envoy
def test_typed_headers_are_sent_as_typed_and_nothing_else_is(lab: Lab):
    app = Application()

    done = traced(lab, app, URL, "-H", "x-canary=a=b", "-H", "user-agent=me", "-H", "te=trailers")

    (asked,) = app.asked
    headers = dict(line.split(": ", 1) for line in asked.split("\r\n")[1:] if line)
    own = {name: value for name, value in headers.items() if not name.startswith("x-")}
    assert own == {"host": HOST, "user-agent": "me", "accept": "*/*"}
    assert headers["x-canary"] == "a=b"
    assert valid(done.stdout)["notes"] == ["Never sent, so not part of what was seen: te."]


@pytest.mark.envoy
def test_head_is_sent_as_head(lab: Lab):
    app = Application()

    done = traced(lab, app, URL, "-X", "HEAD")

    assert (done.status, app.first_lines) == (0, ["HEAD / HTTP/1.1"])


@pytest.mark.envoy
def test_an_application_that_never_answers_leaves_the_end_unseen(lab: Lab):
    def silent(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    cluster, envoy = Cluster(), lab.envoy(backend(SHOP_CLUSTER, lab.upstream(silent)))
    serve_shop(envoy, stored(cluster.objects), cluster=SHOP_CLUSTER)

    done = lab.trace(cluster, envoy, URL, "--probe")

    found = valid(done.stdout)
    assert (done.status, found["verdict"], found["legs"][0]["unseen"]) == (4, "unknown", True)
    assert words(done, "backend").endswith("no answer in time")


@pytest.mark.envoy
def test_what_envoy_holds_confirms_without_a_probe_too(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    serve_shop(envoy, stored(cluster.objects))

    done = lab.trace(cluster, envoy, URL)

    found = valid(done.stdout)
    confirmed = [
        each["hop"] for each in found["legs"][0]["hops"] if each["confirmation"] == "confirmed"
    ]
    assert (done.status, found["probed"]) == (0, False)
    assert confirmed == ["listener", "filter-chain", "certificate"]
    assert words(done, "certificate").startswith(
        "Envoy in Pod ingress-7c9d8f6b5d-x2x4q has serial"
    )


def refused(run: Shell, folder: Path, *options: str) -> Done:
    """Trace where ports may not be forwarded."""
    with ApiServer(Cluster().objects) as server:
        server.forbid("pods/portforward")
        server.kubeconfig(folder / "kubeconfig")
        return run("trace", URL, "--probe", "--kubeconfig", folder / "kubeconfig", *options,
                   env={"COLUMNS": "80"})  # fmt: skip


def test_who_may_not_forward_ports_has_not_seen_how_it_ends(run: Shell, tmp_path: Path):
    done = refused(run, tmp_path, "-o", "json")

    found = valid(done.stdout)
    (leg,) = found["legs"]
    assert (done.status, found["verdict"], leg["unseen"]) == (4, "unknown", True)
    assert {each["confirmation"] for each in leg["hops"]} == {"not-looked-at"}
    assert "the port-forward is forbidden" in words(done, "listener")


def test_why_nothing_was_looked_at_is_read_once(run: Shell, tmp_path: Path):
    lines = refused(run, tmp_path).stdout.splitlines()

    assert "\n".join(lines).count("forbidden (403") == 1
    assert lines[-1] == (
        "It stops nowhere that could be seen. How it ends was not seen on the wire."
    )
    assert max(map(len, lines)) <= 80


def test_a_host_that_nobody_serves_is_not_looked_at(run: Shell, tmp_path: Path):
    with ApiServer(Cluster().objects) as server:
        server.kubeconfig(tmp_path / "kubeconfig")
        done = run("trace", "https://localhost/", "--probe", "--no-envoy", "-o", "json",
                   "--kubeconfig", tmp_path / "kubeconfig")  # fmt: skip
        asked = [each.path for each in server.requests()]

    assert (done.status, valid(done.stdout)["stoppedAt"]["hop"]) == (1, "filter-chain")
    assert words(done, "filter-chain") == (
        "nothing serves it here, and only hosts of the mesh are looked at"
    )
    assert not [path for path in asked if path.endswith("/portforward")]


@pytest.mark.parametrize("source", ["--demo", "-f"])
def test_files_and_the_demo_cannot_be_probed(run: Shell, files: Path, source: str):
    named = (source, files / "healthy.yaml") if source == "-f" else (source,)

    done = run("trace", URL, *named, "--probe")

    assert (done.status, done.stdout) == (2, "")
    assert done.complaint.endswith(
        "--probe looks at a running cluster, which files and the demo are not"
    )
