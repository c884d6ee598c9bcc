"""Every promise of README.md is held by a test that names its sentence."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PROMISING = "## What it reads, and what it never does"
"""The section of which every bullet is a promise."""


def flat(text: str) -> str:
    return " ".join(text.split())


def promised() -> dict[str, str]:
    """Return the sentences that tests are marked with, and where."""
    return {
        sentence: f"{path.relative_to(ROOT)}::{name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "mark.promise" in (text := path.read_text(encoding="utf-8"))
        for name, sentence in marks(text)
    }


def marks(text: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            for each in node.decorator_list:
                if isinstance(each, ast.Call) and ast.unparse(each.func) == "pytest.mark.promise":
                    yield node.name, ast.literal_eval(each.args[0])


def bullets() -> list[str]:
    section = README.read_text(encoding="utf-8").partition(PROMISING)[2].partition("\n## ")[0]
    return [flat(each) for each in re.split(r"^- ", section, flags=re.MULTILINE)[1:]]


def test_a_promise_that_a_test_names_stands_in_the_readme():
    text = flat(README.read_text(encoding="utf-8"))

    assert [where for sentence, where in promised().items() if sentence not in text] == []


@pytest.mark.parametrize("bullet", bullets(), ids=lambda each: each[:40])
def test_what_it_reads_and_never_does_is_held_by_tests(bullet: str):
    assert [sentence for sentence in promised() if sentence in bullet] != []
