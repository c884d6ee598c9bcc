"""A stream that cannot be written costs what would have stood there, and nothing else."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.process import COMMAND, Done, Shell, environment, valid

FULL = "standard output cannot be written: No space left on device"
CLOSED = "standard output cannot be written: it is closed"
COMMANDS = {
    "scan --demo": 1,
    "scan --demo --exit-zero -o json": 0,
    "trace --demo https://shop.example.com/ https://api.example.com/": 1,
    "checks": 0,
    "explain CRED001": 0,
    "manifests --image registry.example.com/istiodoctor:1": 0,
    "scan --help": 0,
    "--version": 0,
}
"""Command lines with their exit statuses on streams that can be written."""
LONG = "x" * 300
ROOT = str(Path(__file__).parents[2])


def redirected(run: Shell, redirections: str, *arguments: object) -> Done:
    """Run the command behind a shell's redirections; what they leave open is captured."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *COMMAND, *map(str, arguments)],
        cwd=run.folder,
        env=environment(run.folder, PYTHONPATH=ROOT),
        capture_output=True,
        check=False,
        timeout=60,
    )
    return Done(status=done.returncode, stdout=done.stdout.decode(), stderr=done.stderr.decode())


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("to", "why"), [(">/dev/full", FULL), (">&-", CLOSED)])
def test_standard_output_that_cannot_be_written_is_said_in_a_sentence(
    run: Shell, command: str, to: str, why: str
):
    done = redirected(run, to, *command.split())

    assert (done.status, done.stderr) == (1, f"istiodoctor: {why}\n")


@pytest.mark.parametrize(
    ("command", "to"), [*((each, "2>&-") for each in COMMANDS), ("scan --demo", "2>/dev/full")]
)
def test_standard_error_that_cannot_be_written_costs_nothing(run: Shell, command: str, to: str):
    done = redirected(run, to, *command.split())

    assert (done.status, bool(done.stdout)) == (COMMANDS[command], True)


@pytest.mark.parametrize(
    ("command", "to"),
    [*((each, "<&- >&- 2>&-") for each in COMMANDS), ("checks", ">/dev/full 2>/dev/full")],
)
def test_without_any_stream_the_status_still_says_it(run: Shell, command: str, to: str):
    assert redirected(run, to, *command.split()).status == 1


@pytest.mark.parametrize("to", [">/dev/full", ">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    "command", [("scan",), ("trace", "https://shop.example.com/")], ids=lambda words: words[0]
)
def test_a_file_is_written_whatever_the_streams_are(run: Shell, command, to: str):
    arguments = (*command, "--demo", "-o", "terminal", "-o", "json=report.json")

    redirected(run, to, *arguments)

    written = json.loads((run.folder / "report.json").read_text(encoding="utf-8"))
    assert written["verdict"] in ("broken", "stopped")


@pytest.mark.parametrize(
    ("arguments", "status", "to"),
    [("scan -f none", 2, "2>&-"), ("scan", 3, "2>/dev/full"), ("", 2, "2>&-")],
)
def test_a_failure_that_nobody_can_be_told_keeps_its_status(run: Shell, arguments, status, to):
    assert redirected(run, to, *arguments.split()).status == status


def test_nothing_scanned_stays_nothing_scanned_on_a_full_output(run: Shell):
    done = redirected(run, ">/dev/full", "scan")

    assert done.status == 3
    assert FULL in done.stderr


def test_no_file_that_is_opened_later_takes_the_place_of_a_closed_stream(run: Shell):
    """Python's own warnings, and child processes, would write into it."""
    shown = (
        "import os; from istiodoctor.cli.streams import prepare; prepare();"
        "later = os.open('later', os.O_CREAT | os.O_WRONLY); os.write(later, b'%d' % later)"
    )
    program = [sys.executable, "-c", shown]
    subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *program],
        cwd=run.folder,
        env=environment(run.folder, PYTHONPATH=ROOT),
        check=True,
        timeout=60,
    )

    assert int((run.folder / "later").read_text(encoding="utf-8")) > 2


def test_a_name_that_is_too_long_costs_its_own_output(run: Shell):
    done = run("scan", "--demo", "-o", f"json={LONG}", "-o", "json", "-o", "terminal=page.txt")

    assert done.complaint == f"istiodoctor: {LONG} cannot be written: File name too long"
    assert (done.status, "CRED001" in done.stdout) == (2, True)
    assert (run.folder / "page.txt").stat().st_size


def test_a_name_as_long_as_a_file_may_have_is_written(run: Shell):
    name = "x" * 250

    run("scan", "--demo", "-o", f"json={name}")

    assert valid((run.folder / name).read_text(encoding="utf-8"))["verdict"] == "broken"
    assert [each.name for each in run.folder.iterdir()] == [name]


def test_links_in_a_circle_cost_their_own_output(run: Shell):
    (run.folder / "a").symlink_to("b")
    (run.folder / "b").symlink_to("a")

    done = run("scan", "--demo", "-o", "json=a", "-o", "terminal")

    assert (done.status, "CRED001" in done.stdout) == (2, True)
    assert done.complaint.startswith("istiodoctor: a cannot be written: ")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("scan", "-f", LONG), 2),
        (("scan", "--demo", "--config", LONG), 2),
        (("scan", "--demo", "--trust-anchors", LONG), 2),
        (("trace", "--demo", "--requests", LONG), 2),
        (("scan", "--kubeconfig", LONG), 3),
        (("scan", "--kubeconfig", "~nobody-at-all/config"), 3),
    ],
    ids=lambda value: value[-2] if isinstance(value, tuple) else "",
)
def test_no_name_of_a_file_to_read_is_a_bug(run: Shell, arguments, status: int):
    done = run(*arguments)

    assert (done.status, len(done.stderr.splitlines())) == (status, 1)


@pytest.mark.parametrize("variable", ["KUBECONFIG", "HOME", "XDG_CONFIG_HOME"])
def test_no_folder_of_the_user_is_a_bug(run: Shell, variable: str):
    assert run("scan", env={variable: f"/{LONG}"}).status == 3


def test_a_working_directory_that_is_gone_is_no_bug(run: Shell, tmp_path: Path):
    gone = tmp_path / "gone"
    gone.mkdir()
    leave = f'cd "{gone}" && rmdir "{gone}" && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", leave, "sh", *COMMAND, "scan", "--demo"],
        env=environment(tmp_path, PYTHONPATH=ROOT),
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (1, b"")


INTERRUPTED = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(20)
"""
"""A module that is imported while somebody presses Ctrl-C."""


@pytest.mark.parametrize("module", ["typer", "msgspec"])
@pytest.mark.parametrize("to", ["", "2>&-"])
def test_ctrl_c_while_modules_are_imported_leaves_no_traceback(
    run: Shell, tmp_path: Path, module: str, to: str
):
    (tmp_path / f"{module}.py").write_text(INTERRUPTED, encoding="utf-8")
    path = os.pathsep.join((str(tmp_path), ROOT))
    began = time.monotonic()
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {to}', "sh", *COMMAND, "scan", "--demo"],
        cwd=tmp_path,
        env=environment(tmp_path, PYTHONPATH=path),
        capture_output=True,
        check=False,
        timeout=60,
    )

    said = b"" if to else b"istiodoctor: interrupted\n"
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", said)
    assert time.monotonic() - began < 15
