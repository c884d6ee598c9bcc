"""Write the generated documentation: one page a check, the list of all, the coverage.

`python -m istiodoctor.docs` writes it; with `--check` it says which pages are stale and fails.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from istiodoctor.check import Check
from istiodoctor.registry import discover

ROOT = Path("docs")
_FENCE = re.compile(r"^```(yaml|log|envoy|tls|http) (bad|good).*$", re.MULTILINE)
_PLACES = {
    "S": "manifests",
    "L": "live objects",
    "G": "logs",
    "E": "Envoy",
    "P": "probes",
}
_CAPTIONS = {"bad": "Fires on:", "good": "Stays silent on:"}
_BESIDE = {
    "log": "with the log:",
    "envoy": "where Envoy holds:",
    "tls": "where handshakes show:",
    "http": "where requests show:",
}


def page(check: Check) -> str:
    """Return the documentation page of a check, in Markdown."""
    explained = ", ".join(sorted(check.explains)) or "nothing else"
    needs = ", ".join(sorted(f"`{kind}`" for kind in check.reads))
    return (
        f"# {check.code} {check.name}\n\n"
        f"Default severity: {check.severity}. Explains: {explained}.\n\n"
        f"{_FENCE.sub(_fence, check.documentation)}\n\n"
        f"Reads: {needs}.\n"
    )


def _fence(found: re.Match[str]) -> str:
    language = "yaml" if found[1] == "yaml" else "text"
    caption = _CAPTIONS[found[2]] if language == "yaml" else _BESIDE[found[1]]
    return f"{caption}\n\n```{language}"


def index(checks: Iterable[Check]) -> str:
    """Return the table of all checks, in Markdown."""
    rows = "".join(
        f"| [{check.code}]({check.code}.md) | {check.name} | {check.severity} | {check.title} |\n"
        for check in checks
    )
    return f"# Checks\n\n| Code | Name | Severity | Problem |\n|---|---|---|---|\n{rows}"


class _Mode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One failure mode of the catalogue."""

    code: str
    name: str
    where: str
    reason: str = ""
    """Why no check finds it; empty where one does."""


class _Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    mode: tuple[_Mode, ...]


def catalogue(root: Path) -> tuple[_Mode, ...]:
    """Return every failure mode there is to find."""
    path = root / ROOT / "catalogue.toml"
    return msgspec.toml.decode(path.read_bytes(), type=_Catalogue).mode


def coverage(checks: Iterable[Check], modes: Iterable[_Mode]) -> str:
    """Return the table of all failure modes and how each is found, or why not, in Markdown."""
    by_code = {check.code: check for check in checks}
    found, rows = 0, []
    for mode in modes:
        check = by_code.get(mode.code)
        found += check is not None
        how = f"[{check.name}](checks/{check.code}.md): {check.title}" if check else mode.reason
        shows = ", ".join(_PLACES[letter] for letter in mode.where) or "\u2013"
        rows.append(
            f"| {mode.code} | {mode.name} | {shows} | {'yes' if check else 'no'} | {how} |\n"
        )
    head = "| Code | Failure mode | Shows in | Found | How, or why not |\n|---|---|---|---|---|\n"
    return (
        f"# Coverage\n\n{found} of {len(rows)} failure modes are found.\n\n{head}{''.join(rows)}"
    )


def pages(checks: tuple[Check, ...], root: Path) -> Mapping[Path, str]:
    """Return every generated file with its text."""
    folder = ROOT / "checks"
    return {
        ROOT / "coverage.md": coverage(checks, catalogue(root)),
        folder / "README.md": index(checks),
        **{folder / f"{check.code}.md": page(check) for check in checks},
    }


def stale(checks: tuple[Check, ...], root: Path) -> tuple[str, ...]:
    """Return the files below a folder that are not as they would be written."""
    wanted = pages(checks, root)
    old = {path.relative_to(root) for path in (root / ROOT / "checks").glob("*.md")}
    changed = {
        path
        for path, text in wanted.items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    }
    return tuple(sorted(str(path) for path in changed | (old - wanted.keys())))


def write(checks: tuple[Check, ...], root: Path) -> None:
    """Write every page, and remove those of checks that are gone."""
    wanted = pages(checks, root)
    (root / ROOT / "checks").mkdir(parents=True, exist_ok=True)
    for path in (root / ROOT / "checks").glob("*.md"):
        if path.relative_to(root) not in wanted:
            path.unlink()
    for path, text in wanted.items():
        (root / path).write_text(text, encoding="utf-8")


def main() -> int:
    """Write or check the documentation of the built-in checks, below the working directory."""
    built_in = tuple(each for each in discover().checks if each.origin.startswith("istiodoctor "))
    if "--check" not in sys.argv[1:]:
        write(built_in, Path.cwd())
        return 0
    wrong = stale(built_in, Path.cwd())
    for path in wrong:
        print(f"stale: {path}; run 'make docs'", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
