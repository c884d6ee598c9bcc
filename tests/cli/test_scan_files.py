"""`scan -f`: what it says, where it says it, and with which status it ends."""

import os
import pty
import subprocess
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import COMMAND, Done, Shell, batch, environment, valid
from tests.support.clusters import MODE_MISSING, healthy, written

ESCAPE = "\x1b"


STATUSES = {
    "broken": 1,
    "broken --fail-on critical": 1,
    "broken --fail-on never": 0,
    "broken --exit-zero": 0,
    "torn": 1,
    "torn --strict": 1,
    "torn --strict --fail-on never": 4,
    "torn --strict --fail-on never --exit-zero": 0,
    "healthy --strict --fail-on low": 0,
}
HOSTS = {
    "healthy --host shop.example.com": "✓ shop.example.com nothing wrong that I can see",
    "healthy --host other.example.com": "✗ other.example.com no gateway that I can see serves it",
    "broken --host SHOP.example.com.": "✗ shop.example.com broken at the certificate:",
}
GARBAGE = {
    "text": "bm90IGEgY2VydGlmaWNhdGU=",
    "bytes": "////",
    "no-base64": "!!!",
    "empty": "",
    "half": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==",
}


@pytest.fixture
def scan(run: Shell, files: Path) -> Callable[..., Done]:
    """Scan `healthy` or `broken` as whole clusters."""

    def scanned(name: str, *options: object, **more: Any) -> Done:
        return run(*whole(files / f"{name}.yaml", files), *options, **more)

    return scanned


def whole(cluster: Path, files: Path) -> tuple[str, ...]:
    trust = ("--trust-anchors", str(files / "roots.pem"))
    return ("scan", "-f", str(cluster), "--whole-cluster", *trust)


@pytest.fixture(scope="module")
def scans(files: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """How each line of the tables ended."""
    home = tmp_path_factory.mktemp("home")
    lines = {}
    for text in (*STATUSES, *HOSTS):
        name, *options = text.split()
        lines[text] = [*whole(files / f"{name}.yaml", files), *options]
    for name, value in GARBAGE.items():
        objects = deepcopy(healthy(datetime.now(UTC)))
        secret = next(each for each in objects if each["kind"] == "Secret")
        secret["data"]["tls.crt"] = value
        lines[name] = [*whole(written(objects, home / f"{name}.yaml"), files), "-o", "json"]
    done = batch([(arguments, home) for arguments in lines.values()], home)
    return dict(zip(lines, done, strict=True))


def codes(report) -> list[str]:
    return [problem["code"] for problem in report["problems"]]


# Exit status


@pytest.mark.promise("nothing at or above `--fail-on` (default `high`)")
@pytest.mark.parametrize("line", STATUSES)
def test_the_status_says_the_first_thing_that_applies(line: str, scans: dict[str, Done]):
    """`torn` has a problem beside a document that cannot be read."""
    assert (scans[line].status, scans[line].stderr) == (STATUSES[line], "")


@pytest.mark.promise("nothing could be scanned; a valid report is written all the same")
@pytest.mark.parametrize("options", [(), ("--exit-zero",)])
def test_a_folder_without_objects_is_no_scan_and_still_a_report(run: Shell, options):
    (run.folder / "empty").mkdir()
    (run.folder / "empty" / "values.txt").write_text("replicas: 3\n")

    done = run("scan", "-f", "empty", "-o", "json", *options)

    assert done.status == 3
    assert done.complaint.startswith("istiodoctor: empty: no Kubernetes objects there")
    assert (done.report["verdict"], done.report["error"]["kind"]) == ("incomplete", "no-objects")
    assert done.complaint == f"istiodoctor: {done.report['error']['message']}"


# What is judged


def test_a_broken_cluster_is_reported_with_the_cause_first(scan):
    done = scan("broken", "-o", "json")

    assert (done.status, done.stderr) == (1, "")
    assert (done.report["verdict"], codes(done.report)) == ("broken", ["CRED001"])
    (place, _) = done.report["problems"][0]["objects"]
    assert (place["kind"], place["file"].endswith("broken.yaml"), place["line"] > 1) == (
        "Gateway",
        True,
        True,
    )


def test_a_syntax_error_costs_the_other_documents_nothing(run: Shell):
    (run.folder / "web.yaml").write_text(f"a: [\n---\n{MODE_MISSING}")

    done = run("scan", "-f", "web.yaml", "-o", "json")

    (unread,) = done.report["unread"]
    assert "GW006" in codes(done.report)
    assert (unread["reason"], unread["file"], unread["line"]) == ("malformed", "web.yaml", 2)
    assert {check["outcome"] for check in done.report["checks"]} <= {
        "failed",
        "skipped",
        "not-requested",
    }


def test_a_gateway_with_fields_of_wrong_types_costs_the_others_nothing(run: Shell):
    wrong = MODE_MISSING.replace("number: 443", "number: [443]").replace("name: web", "name: odd")
    (run.folder / "web.yaml").write_text(f"{MODE_MISSING}---\n{wrong}")

    done = run("scan", "-f", "web.yaml", "-o", "json")

    (unread,) = done.report["unread"]
    assert "GW006" in codes(done.report)
    assert (unread["kind"], unread["name"], unread["reason"]) == ("Gateway", "odd", "malformed")


def test_an_unreadable_document_alone_is_not_healthy(run: Shell):
    (run.folder / "web.yaml").write_text(
        "a: [\n---\nkind: Service\napiVersion: v1\nmetadata: {name: a}\n"
    )

    done = run("scan", "-f", "web.yaml", "-o", "json", "--strict")

    assert (done.status, done.report["verdict"]) == (4, "incomplete")


def test_plain_manifests_of_a_gateway_are_not_called_healthy(run: Shell):
    """Where its pods are and what Secret they read, no file says."""
    simple = MODE_MISSING.replace("{credentialName", "{mode: SIMPLE, credentialName")
    (run.folder / "web.yaml").write_text(simple)

    done = run("scan", "-f", "web.yaml", "-o", "json")

    assert (done.status, done.report["verdict"]) == (0, "incomplete")


@pytest.mark.parametrize("name", GARBAGE)
def test_a_garbage_certificate_is_a_finding_and_no_crash(name: str, scans: dict[str, Done]):
    report = scans[name].report

    subjects = {each["subject"]["name"] for each in report["problems"]}
    assert "shop-cert" in subjects | {each["name"] for each in report["unread"]}
    assert (report["verdict"] != "healthy", scans[name].stderr) == (True, "")


def test_standard_input_is_a_file_too(run: Shell):
    done = run("scan", "-f", "-", "-o", "json", stdin=MODE_MISSING)

    assert "GW006" in codes(done.report)
    assert done.report["problems"][0]["objects"][0]["file"] == "-"


def test_the_demo_is_broken_in_many_ways(run: Shell):
    done = run("scan", "--demo", "-o", "json")

    assert (done.status, done.report["verdict"]) == (1, "broken")
    assert len(done.report["problems"]) > 5


# Hosts


@pytest.mark.parametrize("line", HOSTS)
def test_a_host_that_was_asked_about_is_answered(line: str, scans: dict[str, Done]):
    text = " ".join(scans[line].stdout.split())

    assert HOSTS[line] in text
    assert "Not looked at: " in text


def test_what_was_chosen_and_is_nowhere_is_not_healthy(scan):
    done = scan("healthy", "--gateway", "shop/wep", "-o", "json")

    assert done.report["scan"]["notes"][0] == "There is no Gateway shop/wep."
    assert done.report["verdict"] == "incomplete"


# Configuration


@pytest.mark.promise("`istiodoctor.toml` in the working directory")
def test_the_configuration_of_the_working_directory_ignores_with_a_reason(scan, run: Shell):
    rule = '[[ignores]]\ncode = "CRED001"\nreason = "being moved"\nuntil = 2099-12-31\n'
    (run.folder / "istiodoctor.toml").write_text(rule)

    done = scan("broken", "-o", "json")

    (ignored,) = done.report["ignored"]
    assert (done.status, codes(done.report)) == (0, [])
    assert {key: ignored[key] for key in ("code", "reason", "until")} == {
        "code": "CRED001",
        "reason": "being moved",
        "until": "2099-12-31T23:59:59Z",
    }
    assert ignored["by"].endswith("istiodoctor.toml")


def test_a_rule_whose_time_is_over_ignores_nothing(scan, run: Shell):
    rule = '[[ignores]]\ncode = "CRED001"\nreason = "being moved"\nuntil = 2020-12-31\n'
    (run.folder / ".config" / "istiodoctor").mkdir(parents=True)
    (run.folder / ".config" / "istiodoctor" / "istiodoctor.toml").write_text(rule)

    done = scan("broken", "-o", "json")

    assert (done.status, codes(done.report), done.report["ignored"]) == (1, ["CRED001"], [])


def test_options_win_over_the_configuration(scan, run: Shell):
    (run.folder / "own.toml").write_text('fail_on = "never"\nselect = ["CERT"]\n')

    configured = scan("broken", "--config", "own.toml", "-o", "json")
    overruled = scan("broken", "--config", "own.toml", "--select", "CRED001", "--fail-on", "low")

    assert (configured.status, codes(configured.report)) == (0, [])
    assert {check["code"][:4] for check in configured.report["checks"]} == {"CERT"}
    assert overruled.status == 1


def test_files_that_are_scanned_do_not_configure_the_scan(run: Shell):
    (run.folder / "web.yaml").write_text(MODE_MISSING)
    (run.folder / "istiodoctor.toml").write_text('[[ignores]]\ncode = "*"\nreason = "trust me"\n')

    judged = run("scan", "-f", ".", "-o", "json")
    asked = run("scan", "-f", ".", "-o", "json", "--config", "istiodoctor.toml")

    assert (judged.status, "GW006" in codes(judged.report)) == (1, True)
    assert "istiodoctor.toml lies in what is scanned and is not used" in judged.complaint
    assert (asked.status, codes(asked.report), asked.stderr) == (0, [], "")


# Outputs


def test_a_file_takes_one_output_and_standard_output_another(scan, run: Shell):
    (run.folder / "report.json").write_text("old")

    done = scan("broken", "-o", "json=report.json", "-o", "terminal")

    report = valid((run.folder / "report.json").read_text())
    assert codes(report) == ["CRED001"]
    assert "CRED001" in done.stdout
    assert not done.stdout.startswith("{")
    assert sorted(path.name for path in run.folder.iterdir()) == ["report.json"]


def test_a_report_in_a_file_leaves_standard_output_empty(scan, run: Shell):
    done = scan("broken", "-o", f"json={run.folder / 'report.json'}")

    assert (done.status, done.stdout, done.stderr) == (1, "", "")


def test_a_link_stays_a_link_and_a_pipe_a_pipe(scan, run: Shell):
    (run.folder / "real.json").write_text("old")
    (run.folder / "link.json").symlink_to("real.json")
    os.mkfifo(run.folder / "pipe")
    reader = os.open(run.folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    done = scan("broken", "-o", "json=link.json", "-o", "terminal=pipe", "--select", "CRED001")
    text = os.read(reader, 1 << 16).decode()
    os.close(reader)

    assert done.status == 1
    assert codes(valid((run.folder / "real.json").read_text())) == ["CRED001"]
    assert "CRED001" in text
    assert (run.folder / "link.json").is_symlink()
    assert (run.folder / "pipe").is_fifo()


def test_an_output_that_fails_does_not_cost_the_others(scan):
    done = scan("broken", "-o", "json=/proc/report.json", "-o", "terminal")

    assert done.status == 2
    assert done.complaint == (
        "istiodoctor: /proc/report.json cannot be written: No such file or directory"
    )
    assert "CRED001" in done.stdout


def shown_on_a_terminal(folder: Path, *arguments: object, **variables: str) -> str:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        env=environment(folder, TERM="xterm-256color", **variables),
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ):
        os.close(theirs)
        pieces = []
        while piece := _read(ours):
            pieces.append(piece)
    os.close(ours)
    return b"".join(pieces).decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # what Linux says when the other side has closed a terminal
        return b""


def test_colours_are_for_terminals_whose_user_wants_them(run: Shell, files: Path):
    arguments = ("scan", "-f", files / "broken.yaml", "--whole-cluster", "--select", "CRED001")

    coloured = shown_on_a_terminal(run.folder, *arguments)
    plain = shown_on_a_terminal(run.folder, *arguments, NO_COLOR="1")
    piped = run(*arguments).stdout

    assert [ESCAPE in text for text in (coloured, plain, piped)] == [True, False, False]
    assert "CRED001" in coloured
    assert "CRED001" in plain
    assert "CRED001" in piped


def test_an_output_that_knows_ascii_only_is_served_too(scan):
    done = scan("broken", env={"PYTHONIOENCODING": "ascii"})

    assert (done.status, done.stdout.isascii(), "CRED001" in done.stdout) == (1, True, True)


@pytest.mark.parametrize(("threshold", "status"), [("high", 1), ("never", 0)])
def test_a_reader_who_leaves_early_changes_no_status(
    run: Shell, files: Path, threshold: str, status: int
):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "scan", "-f", str(files / "torn.yaml"), "--fail-on", threshold],
        cwd=run.folder,
        env=environment(run.folder),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (status, b"")
