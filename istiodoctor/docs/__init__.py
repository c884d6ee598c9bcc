"""The pages of documentation that are generated: one a check, the list of all, the coverage."""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from istiodoctor.check import Check
from istiodoctor.model.kind import OF_ENVOY, Kind

ROOT = Path("docs")
_FENCE = re.compile(r"^```(?:(yaml|log|envoy|tls|http) (bad|good).*|finding)$", re.MULTILINE)
_PLACES = {
    "S": "manifests",
    "L": "live objects",
    "G": "logs",
    "E": "Envoy",
    "P": "probes",
}
_CAPTIONS = {"bad": "Fires on:", "good": "Stays silent on:"}
_SAYS = "What it says:"
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
    if not found[1]:
        return f"{_SAYS}\n\n```text"
    language = "yaml" if found[1] == "yaml" else "text"
    caption = _CAPTIONS[found[2]] if language == "yaml" else _BESIDE[found[1]]
    return f"{caption}\n\n```{language}"


def contents(checks: Iterable[Check]) -> str:
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


def _mode_of(check: Check) -> _Mode:
    """Return the failure mode of a check that the catalogue does not list, by what it reads."""
    places = {"G": {Kind.POD_LOG}, "E": OF_ENVOY, "P": {Kind.TLS_PROBE, Kind.HTTP_PROBE}}
    where = "".join(letter for letter, kinds in places.items() if check.needs & kinds)
    return _Mode(code=check.code, name=check.name, where=where or "L")


def coverage(checks: Iterable[Check], modes: Iterable[_Mode]) -> str:
    """Return the table of all failure modes and how each is found, or why not, in Markdown."""
    by_code = {check.code: check for check in checks}
    known = {mode.code: mode for mode in modes}
    every = {code: _mode_of(check) for code, check in by_code.items()} | known
    found, rows = 0, []
    for _, mode in sorted(every.items()):
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
