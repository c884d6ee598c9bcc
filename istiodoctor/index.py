"""The index of the checks that come with the tool: what is known of each without importing it.

It is generated, as one JSON document a line, beside the checks.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

import msgspec

from istiodoctor.check import Check, Deferred, Listed
from istiodoctor.finding import Severity
from istiodoctor.mesh.log_meanings import Meaning
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.question import Reads
from istiodoctor.model.kind import Kind

NAME = "index.jsonl"


class _Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line."""

    code: str
    name: str
    module: str
    title: str
    severity: Severity
    explains: tuple[str, ...] = ()
    claims: Claim | None = None
    is_last_resort: bool = False
    needs: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    logs: tuple[Meaning, ...] = ()
    searches: bool = False


def written(checks: Iterable[Check]) -> str:
    """Return the index of some checks."""
    lines = (msgspec.json.encode(_entry(check)).decode() for check in checks)
    return "".join(f"{line}\n" for line in lines)


def _entry(check: Check) -> _Entry:
    module, _ = check.source
    return _Entry(
        code=check.code,
        name=check.name,
        module=module,
        title=check.title,
        severity=check.severity,
        explains=tuple(sorted(check.explains)),
        claims=check.claims,
        is_last_resort=check.is_last_resort,
        needs=tuple(sorted(map(str, check.needs))),
        evidence=tuple(sorted(map(str, check.evidence))),
        logs=tuple(sorted(check.logs)),
        searches=check.searches,
    )


def listed(package: str, origin: str) -> tuple[Check, ...] | None:
    """Return the checks in the index of a package; None where it has no index."""
    path = files(package).joinpath(NAME)
    if not path.is_file():
        return None
    return tuple(_read(path.read_bytes(), origin))


def _read(content: bytes, origin: str) -> Iterator[Check]:
    for entry in msgspec.json.Decoder(_Entry).decode_lines(content):
        yield Check(
            code=entry.code,
            name=entry.name,
            severity=entry.severity,
            explains=frozenset(entry.explains),
            claims=entry.claims,
            is_last_resort=entry.is_last_resort,
            origin=origin,
            judge=Deferred(module=entry.module, function=entry.name.replace("-", "_")),
            listed=Listed(title=entry.title, rests=_reads(entry)),
        )


def _reads(entry: _Entry) -> Reads:
    kinds = _kinds()
    return Reads(
        kinds=frozenset(kinds[name] for name in entry.needs),
        evidence=frozenset(kinds[name] for name in entry.evidence),
        logs=frozenset(entry.logs),
        searches=entry.searches,
    )


@cache
def _kinds() -> dict[str, Kind]:
    return {str(kind): kind for kind in Kind}
