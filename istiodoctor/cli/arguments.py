"""What the user typed, before anything heavy is imported."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from istiodoctor.cli.exits import UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(?:\d{1,6}[smhd])+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanArguments:
    """The options of `scan`, as typed."""

    files: tuple[str, ...]
    demo: bool
    contexts: tuple[str, ...]
    all_contexts: bool
    kubeconfig: Path | None
    namespaces: tuple[str, ...]
    gateways: tuple[str, ...]
    hosts: tuple[str, ...]
    only_namespaces: bool
    no_logs: bool
    since: str
    timeout: str
    whole_cluster: bool
    secret_inventory: bool
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    trust_anchors: Path | None
    config: Path | None
    outputs: tuple[str, ...]
    fail_on: str | None
    strict: bool
    exit_zero: bool


def duration(text: str, option: str) -> timedelta:
    """Return a duration as Go and kubectl write it: `90s`, `1h30m`; a bare number is seconds."""
    if text.isdecimal() and len(text) <= 7:
        return timedelta(seconds=int(text))
    if not _DURATION.fullmatch(text):
        raise UsageError(f"{option} takes a duration such as 90s, 30m or 1h, not {text!r}")
    total = timedelta()
    for number, unit in re.findall(r"(\d+)([smhd])", text):
        total += timedelta(**{_UNITS[unit]: int(number)})
    return total


def outputs(
    written: tuple[str, ...], known: tuple[str, ...]
) -> tuple[tuple[str, Path | None], ...]:
    """Return output names with their files; at most one goes to stdout, `terminal` by default."""
    found: list[tuple[str, Path | None]] = []
    for each in written or ("terminal",):
        name, separator, path = each.partition("=")
        if name not in known:
            raise UsageError(f"--output {name} is not known; there is {', '.join(known)}")
        if separator and not path:
            raise UsageError(f"--output {each} names no file after the =")
        found.append((name, Path(path) if path else None))
    if sum(path is None for _, path in found) > 1:
        raise UsageError("only one --output can go to stdout; give the others a file: NAME=FILE")
    return tuple(found)
