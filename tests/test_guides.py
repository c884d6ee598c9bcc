"""What the guides refer to is there: files, links, headings and targets of make."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUIDES = [
    *sorted(ROOT.glob("*.md")),
    *(ROOT / f"docs/{name}.md" for name in ("architecture", "conformance", "writing-a-check")),
]
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
MADE = re.compile(r"(?:`|\$ )make((?: [\w=.\"-]+)*)")
PATH = re.compile(
    r"`((?:istiodoctor|checks|tests|docs|\.ci)/[a-z0-9_./-]*|[\w-]+\.(?:toml|txt|md))`"
)
"""Capitals below a folder stand for a name: `docs/checks/CODE.md`."""
OF_THE_USER = {"istiodoctor.toml"}


def text(guide: Path) -> str:
    return guide.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_its_links_lead_to_files_and_headings_that_are_there(guide: Path):
    broken = [
        found[0]
        for found in LINK.finditer(text(guide))
        if not (page := guide.parent / found[1] if found[1] else guide).exists()
        or (found[2] and found[2] not in anchors(page))
    ]

    assert broken == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_what_it_says_to_make_can_be_made(guide: Path):
    words = " ".join(MADE.findall(text(guide))).split()

    targets = {each for each in words if "=" not in each and each.islower()}
    assert targets - {*TARGET.findall(text(ROOT / "Makefile"))} == set()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_the_files_that_it_names_are_there(guide: Path):
    named = {*PATH.findall(text(guide))} - OF_THE_USER

    missing = [
        each for each in named if not any((base / each).exists() for base in (ROOT, guide.parent))
    ]
    assert missing == []
