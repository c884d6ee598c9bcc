"""Write reports to stdout and files."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from istiodoctor.cli.exits import UsageError
from istiodoctor.renderers import RENDERERS, Display
from istiodoctor.report import Report

DEFAULT_WIDTH = 80


def write(reports: Sequence[Report], targets: Sequence[tuple[str, Path | None]]) -> None:
    """Render every output.

    Files come first: one that cannot be written says so above the report.
    """
    for name, path in sorted(targets, key=lambda target: target[1] is None):
        if path is None:
            sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
            sys.stdout.write(RENDERERS[name](reports, _screen()))
            sys.stdout.flush()
        else:
            _save(path, RENDERERS[name](reports, Display(width=DEFAULT_WIDTH)))


def _save(path: Path, text: str) -> None:
    """Write a file whole or not at all: a reader never sees half a report."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None


def _screen() -> Display:
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Display(
        width=shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns,
        color=sys.stdout.isatty() and not plain,
        unicode=encoding.startswith("utf"),
    )
