"""The index of the checks that come with the tool spares importing them, and tells the truth."""

import subprocess
import sys
from collections.abc import Iterable

import pytest

from istiodoctor.check import Check
from istiodoctor.registry import discover

LISTED = discover().by_code()
WALKED = {
    code: each for code, each in discover(by_index=False).by_code().items() if each.is_built_in
}


TOLD = [
    "name",
    "severity",
    "title",
    "explains",
    "needs",
    "evidence",
    "logs",
    "searches",
    "claims",
    "origin",
    "source",
]


def told(check: Check) -> dict[str, object]:
    return {name: getattr(check, name) for name in TOLD}


def imported(code: str) -> set[str]:
    """Return the modules of checks that a program imports."""
    program = f"{code}\nimport sys\nprint(*(each for each in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {each for each in done.stdout.split() if each.startswith("istiodoctor_checks.")}


def modules(checks: Iterable[Check]) -> set[str]:
    return {check.source[0] for check in checks}


@pytest.mark.parametrize("code", WALKED)
def test_the_index_tells_what_the_check_itself_does(code: str):
    assert told(LISTED[code]) == told(WALKED[code])


def test_the_index_lists_every_check_and_no_other():
    assert [code for code, each in LISTED.items() if each.is_built_in] == list(WALKED)


def test_the_checks_that_come_with_the_tool_are_sound():
    assert discover(by_index=False).broken == ()


@pytest.mark.parametrize("code", ["CRED001", "HTTP004"])
def test_a_listed_check_finds_its_documentation(code: str):
    assert LISTED[code].documentation == WALKED[code].documentation != ""


def test_listing_selecting_and_planning_import_no_check():
    program = """
from istiodoctor.cli.selection import chosen, registry
from istiodoctor.engine import wanted_kinds
assert wanted_kinds(chosen(registry(), ["CRED"], ["CRED002"]), frozenset())
"""

    assert imported(program) == set()


def test_a_scan_imports_the_checks_that_are_selected():
    program = """
import sys
from contextlib import redirect_stdout
from io import StringIO
from istiodoctor.cli.main import main
sys.argv = ["istiodoctor", "scan", "--demo", "--select", "CRED001,GW006"]
with redirect_stdout(StringIO()):
    try:
        main()
    except SystemExit:
        pass
"""

    found = imported(program) & modules(WALKED.values())

    assert found == modules([WALKED["CRED001"], WALKED["GW006"]])
