"""The files that are generated: whether they are as they would be written, and writing them."""

from collections.abc import Mapping
from pathlib import Path

from istiodoctor import index
from istiodoctor.check import Check
from istiodoctor.docs import ROOT, catalogue, contents, coverage, page
from istiodoctor.docs.rooms import rooms

PAGES = ROOT / "checks"


def generated(checks: tuple[Check, ...], root: Path) -> Mapping[Path, str]:
    """Return every generated file with its text."""
    index_of_checks = index.written(checks)
    return {
        ROOT / "coverage.md": coverage(checks, catalogue(root)),
        ROOT / "mesh.md": rooms(),
        PAGES / "README.md": contents(checks),
        **{PAGES / f"{check.code}.md": page(check) for check in checks},
        **{Path("checks") / name / index.NAME: index_of_checks for name in _packages(checks)},
    }


def _packages(checks: tuple[Check, ...]) -> frozenset[str]:
    """Return the packages of the checks: the core does not name them."""
    return frozenset(check.source[0].partition(".")[0] for check in checks)


def stale(checks: tuple[Check, ...], root: Path) -> tuple[str, ...]:
    """Return the files below a folder that are not as they would be written."""
    wanted = generated(checks, root)
    old = {path.relative_to(root) for path in (root / PAGES).glob("*.md")}
    changed = {
        path
        for path, text in wanted.items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    }
    return tuple(sorted(str(path) for path in changed | (old - wanted.keys())))


def write(checks: tuple[Check, ...], root: Path) -> None:
    """Write every file, and remove the pages of checks that are gone."""
    wanted = generated(checks, root)
    (root / PAGES).mkdir(parents=True, exist_ok=True)
    for path in (root / PAGES).glob("*.md"):
        if path.relative_to(root) not in wanted:
            path.unlink()
    for path, text in wanted.items():
        (root / path).write_text(text, encoding="utf-8")
