"""`scan --wait`: it looks again until what is broken is mended, and says what it saw change."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.apiserver import ApiServer
from tests.cli.process import COMMAND, Done, Shell, batch, environment, valid
from tests.lab.clusters import POD, SECRET
from tests.lab.envoy import Envoy
from tests.lab.gateway import addressed, serve_shop
from tests.lab.sds import sds_secret
from tests.support.clusters import Manifest, healthy, stored, without

CLOCK = re.compile(r"^\d\d:\d\d:\d\d ")
SPENT = re.compile(r" \(\w+, \d+ scans?\)$")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PATIENCE = 60
"""Seconds after which a process that does not end is taken to be stuck."""

BEGUN = "waiting up to 5m00s until nothing high or worse remains; times are UTC"
ENDED = "nothing high or worse remains"
MISSING = "CRED002 A gateway asks for a Secret that does not exist: Gateway shop/web"
MISPLACED = (
    "CRED001 A gateway's Secret exists, but not in the namespace its pods read from:"
    " Gateway shop/web"
)
MENDED = [f"gone: {MISSING}", "now healthy, was broken: shop.example.com", ENDED]


class Waiting:
    """A scan in a process of its own; its lines are read while it runs.

    A process that is stuck is killed, so that reading its lines comes to an end.
    """

    def __init__(self, home: Path, command: Sequence[str], **env: str) -> None:
        self._output = home / "stdout"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=home,
                env=environment(home, **env),
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
            )
        self._guard = threading.Timer(PATIENCE, self._process.kill)
        self._guard.start()
        self.lines: list[str] = []
        """Without the time, and without how long it all took."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self._guard.cancel()
        self._process.kill()
        with self._process:
            pass

    def until(self, words: str) -> str:
        """Read to the first line with these words, and return it."""
        assert self._process.stderr
        for line in self._process.stderr:
            self.lines.append(SPENT.sub("", CLOCK.sub("", line.rstrip("\n"))))
            if words in line:
                return self.lines[-1]
        raise AssertionError(f"{words!r} was never said, but: {self.lines}")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> Done:
        """Read to the end."""
        assert self._process.stderr
        for line in self._process.stderr:
            self.lines.append(SPENT.sub("", CLOCK.sub("", line.rstrip("\n"))))
        status = self._process.wait()
        stderr = "\n".join(self.lines)
        assert "Traceback" not in stderr, stderr
        return Done(status=status, stdout=self._output.read_text(), stderr=stderr)


@pytest.fixture(scope="module")
def cluster() -> list[Manifest]:
    """A cluster in which nothing is wrong."""
    return healthy(datetime.now(UTC))


@pytest.fixture(scope="module")
def running(cluster: list[Manifest]) -> Iterator[ApiServer]:
    with ApiServer(cluster) as server:
        yield server


@pytest.fixture
def secret(cluster: list[Manifest]) -> Manifest:
    """The Secret that the gateway needs."""
    return next(each for each in cluster if each["kind"] == "Secret")


@pytest.fixture
def server(running: ApiServer, secret: Manifest) -> ApiServer:
    """A cluster without that Secret."""
    running.recover()
    running.permit_all()
    running.apply(secret)
    running.delete(secret)
    running.forget_requests()
    return running


@pytest.fixture
def kubeconfig(server: ApiServer, tmp_path: Path) -> Path:
    return server.kubeconfig(tmp_path / "kubeconfig")


Wait = Callable[..., Waiting]


@pytest.fixture
def wait(tmp_path: Path, kubeconfig: Path, files: Path) -> Wait:
    """Scan without Envoys, and wait for five minutes unless told otherwise."""

    def started(*options: object, envoy: bool = False, wait: str = "5m", **env: str) -> Waiting:
        cluster = ("--kubeconfig", kubeconfig, "--trust-anchors", files / "roots.pem")
        declined = () if envoy else ("--no-envoy",)
        command = (*COMMAND, "scan", "--wait", wait, *cluster, *declined, *options)
        return Waiting(tmp_path, [str(each) for each in command], **env)

    return started


def problems(report: Any) -> list[str]:
    return [each["code"] for each in report["problems"]]


@pytest.mark.promise("scans a cluster again until nothing at `--fail-on` remains")
def test_it_ends_by_itself_when_what_was_broken_is_mended(
    server: ApiServer, secret: Manifest, wait: Wait, tmp_path: Path
):
    misplaced = deepcopy(secret)
    misplaced["metadata"]["namespace"] = "shop"
    written = tmp_path / "report.json"

    with wait("-o", f"json={written}", "-o", "terminal") as waiting:
        waiting.until("critical CRED002")
        server.apply(misplaced)
        waiting.until("new: ")
        mended_at = datetime.now(UTC).replace(microsecond=0)
        assert not written.exists()
        server.apply(secret)
        done = waiting.end()
    server.delete(misplaced)

    report = valid(written.read_text())
    assert (done.status, report["verdict"], report["problems"]) == (0, "healthy", [])
    assert datetime.fromisoformat(report["scan"]["takenAt"]) >= mended_at
    assert done.stdout.count("HEALTHY") == 1
    assert "CRED" not in done.stdout.partition("Checks")[0]
    assert waiting.lines == [
        BEGUN,
        f"critical {MISSING}",
        f"gone: {MISSING}",
        f"new: critical {MISPLACED}",
        f"gone: {MISPLACED}",
        *MENDED[1:],
    ]


@pytest.mark.promise("the last report alone is written and gives the exit status")
def test_when_time_is_up_the_last_report_is_written_and_counts(wait: Wait):
    with wait("-o", "json", wait="1s") as waiting:
        done = waiting.end()

    assert (done.status, problems(done.report)) == (1, ["CRED002"])
    assert waiting.lines == [
        BEGUN.replace("5m00s", "1s"),
        f"critical {MISSING}",
        "time is up; remaining: CRED002",
    ]


def test_exit_zero_waits_just_as_long_and_says_0(wait: Wait):
    with wait("-o", "json", "--exit-zero", wait="1s") as waiting:
        done = waiting.end()

    assert (done.status, problems(done.report)) == (0, ["CRED002"])
    assert waiting.lines[-1] == "time is up; remaining: CRED002"


def test_where_nothing_is_broken_nothing_is_waited_for(
    server: ApiServer, secret: Manifest, wait: Wait
):
    server.apply(secret)

    with wait("-o", "json") as waiting:
        done = waiting.end()

    assert (done.status, done.report["verdict"], waiting.lines) == (0, "healthy", [])


def test_what_is_less_severe_than_asked_about_is_not_waited_for(
    server: ApiServer, secret: Manifest, cluster: list[Manifest], wait: Wait
):
    server.apply(secret)
    route = next(each for each in cluster if each["kind"] == "VirtualService")
    server.delete(route)
    try:
        with wait("-o", "json", "--fail-on", "critical") as waiting:
            done = waiting.end()
    finally:
        server.apply(route)

    assert (done.status, waiting.lines) == (0, [])
    assert {each["severity"] for each in done.report["problems"]} - {"critical"}


@pytest.mark.promise("A cluster that does not answer is waited for too")
def test_a_server_that_does_not_answer_at_first_is_waited_for(
    server: ApiServer, secret: Manifest, wait: Wait
):
    server.apply(secret)
    server.fault("hang", ".*")

    with wait("-o", "json", "--timeout", "6s") as waiting:
        waiting.until("waiting up to")
        server.recover()
        done = waiting.end()

    assert (done.status, done.report["verdict"]) == (0, "healthy")
    assert waiting.lines[0].startswith("istiodoctor: no answer from https://127.0.0.1:")
    assert waiting.lines[1:] == [BEGUN, "can look again", ENDED]


def test_one_that_never_answers_leaves_nothing_scanned(server: ApiServer, wait: Wait):
    server.fault("hang", ".*")

    with wait("-o", "json", "--timeout", "2s", wait="4s") as waiting:
        done = waiting.end()

    assert (done.status, done.report["error"]["kind"]) == (3, "timed-out")
    assert waiting.lines[1] == BEGUN.replace("5m00s", "4s")
    assert waiting.lines[-1] == "time is up; remaining: no answer from the cluster"


def test_what_no_waiting_mends_ends_at_once(wait: Wait, tmp_path: Path):
    with wait("-o", "json", "--kubeconfig", tmp_path / "none") as waiting:
        done = waiting.end()

    assert (done.status, done.report["error"]["kind"]) == (3, "no-kubeconfig")
    assert len(waiting.lines) == 1


def test_a_server_that_goes_away_is_said_once_and_waited_for(
    server: ApiServer, secret: Manifest, wait: Wait
):
    with wait("-o", "json", "--timeout", "6s") as waiting:
        waiting.until("critical CRED002")
        server.fault("hang", ".*")
        waiting.until("could not look")
        seen = len(server.requests())
        while len(server.requests()) < seen + 2:  # at least one more scan in vain
            time.sleep(0.1)
        server.apply(secret)
        server.recover()
        done = waiting.end()

    lost = waiting.lines.pop(2)
    assert lost.startswith("could not look: no answer from https://127.0.0.1:")
    assert lost.endswith("; trying again")
    assert (done.status, done.report["verdict"]) == (0, "healthy")
    assert waiting.lines == [BEGUN, f"critical {MISSING}", "can look again", *MENDED]


@pytest.mark.promise("what could not be looked at is not taken for mended")
def test_a_problem_that_is_out_of_sight_is_not_taken_for_mended(server: ApiServer, wait: Wait):
    with wait("-o", "json") as waiting:
        waiting.until("critical CRED002")
        server.forbid("secrets")
        lost = waiting.until("could not look")
        waiting.interrupt()
        done = waiting.end()

    assert re.fullmatch(r"could not look for CRED002: .*forbidden.*; trying again", lost)
    assert (done.status, problems(done.report), done.report["unread"]) == (130, ["CRED002"], [])
    assert waiting.lines[2:] == [lost, "istiodoctor: interrupted"]


def test_each_look_logs_in_anew(server: ApiServer, secret: Manifest, kubeconfig: Path, wait: Wait):
    server.kubeconfig(kubeconfig, name="expiring")

    with wait("-o", "json") as waiting:
        waiting.until("critical CRED002")
        renewed = server.kubeconfig(kubeconfig.with_name("renewed"), name="renewed")
        renewed.replace(kubeconfig)
        server.reject("expiring")
        server.apply(secret)
        done = waiting.end()

    assert (done.status, done.report["verdict"]) == (0, "healthy")
    assert waiting.lines[-1] == ENDED


@pytest.mark.promise("Ctrl-C writes the last report and exits with 130")
def test_ctrl_c_ends_the_waiting_and_writes_what_was_found(wait: Wait):
    with wait("-o", "json") as waiting:
        waiting.until("critical CRED002")
        waiting.interrupt()
        done = waiting.end()

    assert (done.status, problems(done.report)) == (130, ["CRED002"])
    assert waiting.lines[2:] == ["istiodoctor: interrupted"]


def test_ctrl_c_in_the_first_scan_leaves_nothing_to_write(server: ApiServer, wait: Wait):
    server.fault("hang", "virtualservices")

    with wait("-o", "json") as waiting:
        while not any("virtualservices" in each.path for each in server.requests()):
            time.sleep(0.05)
        waiting.interrupt()
        done = waiting.end()

    assert (done.status, done.stdout) == (130, "")
    assert waiting.lines == ["istiodoctor: interrupted"]


def test_of_several_clusters_all_are_waited_for(
    server: ApiServer, secret: Manifest, cluster: list[Manifest], kubeconfig: Path, wait: Wait
):
    with ApiServer(without(cluster, "Secret", "shop-cert")) as other:
        kubeconfig.unlink()
        server.kubeconfig(kubeconfig, context="blue")
        other.kubeconfig(kubeconfig, context="green")
        with wait("-o", "json", "--all-contexts") as waiting:
            waiting.until("green: critical CRED002")
            server.apply(secret)
            waiting.until("blue: now healthy")
            other.apply(secret)
            done = waiting.end()

    assert done.status == 0
    assert [each["verdict"] for each in done.report["reports"]] == ["healthy", "healthy"]
    assert waiting.lines == [
        BEGUN,
        *(f"{name}: critical {MISSING}" for name in ("blue", "green")),
        *(f"{name}: {line}" for name in ("blue", "green") for line in MENDED[:-1]),
        ENDED,
    ]


@pytest.mark.envoy
def test_a_secret_is_waited_for_until_envoy_has_it(
    server: ApiServer, secret: Manifest, cluster: list[Manifest], wait: Wait, tmp_path: Path
):
    """The Secret is there; it is its delivery that takes time."""
    created = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    server.apply({**secret, "metadata": {**secret["metadata"], "creationTimestamp": created}})
    with Envoy(tmp_path / "envoy") as envoy:
        server.apply(*addressed([each for each in cluster if each["kind"] == "Pod"], {POD: envoy}))
        serve_shop(envoy, None)
        envoy.listening()
        server.port_forward(POD, 15000, to=envoy.admin)
        with wait("-o", "json", envoy=True) as waiting:
            first = waiting.until("SDS014")
            envoy.secrets.send(SECRET, sds_secret(SECRET, stored(cluster)))
            done = waiting.end()

    problem = first.removeprefix("low ").removesuffix(" (it may be over by itself)")
    assert first == f"low {problem} (it may be over by itself)"
    assert (done.status, problems(done.report)) == (0, [])
    assert waiting.lines == [BEGUN, first, f"gone: {problem}", ENDED]


class Terminal:
    """A terminal of 80 columns; all that is written to it."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.text = ""

    def until(self, words: str) -> None:
        """Read to these words, or until nobody writes any more."""
        while words not in self.text:
            try:
                self.text += os.read(self._ours, 65536).decode()
            except OSError:  # this is how a terminal says that nobody writes to it any more
                break

    def until_it_is_left(self) -> None:
        """Read all that is written to it, and close it."""
        self.until("\0")
        os.close(self._ours)


@pytest.mark.parametrize("color", [True, False])
def test_a_terminal_shows_a_line_that_is_renewed_and_keeps_the_others(
    color: bool,
    server: ApiServer,
    secret: Manifest,
    kubeconfig: Path,
    tmp_path: Path,
    files: Path,
):
    terminal = Terminal()
    options = ("--kubeconfig", kubeconfig, "--trust-anchors", files / "roots.pem", "--no-envoy")
    command = (*COMMAND, "scan", "--wait", "5m", "-o", "json", *options)
    env = {"TERM": "xterm", "COLUMNS": "80"} | ({} if color else {"NO_COLOR": "1"})
    with subprocess.Popen(
        list(map(str, command)),
        cwd=tmp_path,
        env=environment(tmp_path, **env),
        stdout=subprocess.PIPE,
        stderr=terminal.theirs,
    ) as process:
        guard = threading.Timer(PATIENCE, process.kill)
        guard.start()
        os.close(terminal.theirs)
        terminal.until("looking again in")
        server.apply(secret)
        terminal.until_it_is_left()
        assert process.stdout
        report = json.loads(process.stdout.read())
        status = process.wait()
        guard.cancel()

    shown = [
        CLOCK.sub("", line) for line in re.split(r"[\r\n]+", ESCAPE.sub("", terminal.text)) if line
    ]
    kept = shown[shown.index(BEGUN) :]
    renewed = [line for line in kept if " of 5m00s" in line]
    assert (status, report["verdict"]) == (0, "healthy")
    assert renewed[0].endswith("; remaining: CRED002")
    assert [line for line in kept if line not in renewed] == [
        BEGUN,
        "critical CRED002 A gateway asks for a Secret that does not exist:",
        "         Gateway shop/web",
        "gone: CRED002 A gateway asks for a Secret that does not exist: Gateway",
        "         shop/web",
        MENDED[1],
        *(line for line in kept if line.startswith(ENDED)),
    ]
    assert max(map(len, kept)) < 80
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.text)) is color


USAGE = {
    "scan --wait soon": "--wait takes a duration such as 90s, 30m or 1h, not 'soon'",
    "scan --wait 60s -f .": "--wait looks again at a running cluster,"
    " which files and the demo are not",
    "scan --wait 60s --demo": "--wait looks again at a running cluster,"
    " which files and the demo are not",
    "scan --wait 60s --fail-on never": "--wait ends when nothing at --fail-on remains:"
    " with never there is nothing to wait for",
}


def test_what_cannot_be_waited_for_is_refused(tmp_path: Path):
    done = batch([(line.split(), tmp_path) for line in USAGE], tmp_path)

    assert [(each.status, each.stdout) for each in done] == [(2, "")] * len(USAGE)
    assert [each.complaint for each in done] == [
        f"istiodoctor: {sentence}" for sentence in USAGE.values()
    ]


def test_no_time_to_wait_is_one_scan(run: Shell, files: Path):
    assert run("scan", "--wait", "0", "-f", files / "healthy.yaml").status == 0
