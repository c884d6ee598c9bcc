"""The commands beside `scan`, and how little it takes to show the help."""

import json
import subprocess
import sys

import pytest

from istiodoctor import __version__
from istiodoctor.registry import discover
from tests.cli.process import Shell, environment

HEAVY = ("cryptography", "kubernetes", "msgspec", "rich", "yaml")
IMPORTED = """
import sys
from istiodoctor.cli.main import main

try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*sorted({name.partition(".")[0] for name in sys.modules}), sep="\\n", file=sys.stderr)
"""


def test_the_version_is_said(run: Shell):
    done = run("--version")

    assert (done.status, done.stdout) == (0, f"istiodoctor {__version__}\n")


@pytest.mark.parametrize("arguments", [("--help",), ("scan", "--help"), ("--version",)])
def test_help_imports_nothing_heavy(run: Shell, arguments):
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments],
        env=environment(run.folder),
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )

    assert [name for name in HEAVY if name in done.stderr.splitlines()] == []
    assert done.stdout


def test_every_command_and_its_options_have_help(run: Shell):
    commands = [
        line.split()[0]
        for line in run("--help").stdout.partition("Commands:\n")[2].split("\n\n")[0].splitlines()
        if line.startswith("  ") and not line.startswith("   ")
    ]

    assert {"scan", "explain", "checks", "manifests"} <= set(commands)
    for command in commands:
        lines = run(command, "--help").stdout.splitlines()
        assert all(line.split("  ", 2)[-1].strip() for line in lines if line.startswith("  --"))


def test_the_checks_are_listed_with_what_they_are_about(run: Shell):
    done = run("checks")

    lines = done.stdout.splitlines()
    known = discover().checks
    assert [line.split()[0] for line in lines[:-1]] == [check.code for check in known]
    assert lines[-1].startswith(f"{len(known)} checks;")
    assert (done.status, done.stderr) == (0, "")


def test_the_checks_are_data_too(run: Shell):
    listed = json.loads(run("checks", "--output", "json").stdout)["checks"]

    one = next(each for each in listed if each["code"] == "CRED001")
    check = discover().by_code()["CRED001"]
    assert one == {
        "code": "CRED001",
        "name": "secret-wrong-namespace",
        "severity": "critical",
        "title": check.title,
        "needs": sorted(map(str, check.needs)),
        "evidence": sorted(map(str, check.evidence)),
        "explains": sorted(check.explains),
        "origin": f"istiodoctor {__version__}",
    }


@pytest.mark.parametrize("word", ["CRED001", "cred001", "secret-wrong-namespace"])
def test_a_check_is_explained_by_code_or_name(run: Shell, word):
    done = run("explain", word)

    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith("# CRED001 secret-wrong-namespace\n")
    assert "Fires on:\n\n```yaml\n" in done.stdout
    assert "What it says:\n\n```text\ncritical: Gateway " in done.stdout
