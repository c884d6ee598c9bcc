"""Write reports to stdout and files."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from istiodoctor.cli.exits import UsageError
from istiodoctor.renderers import RENDERERS, Display
from istiodoctor.report import Report

DEFAULT_WIDTH = 80


Targets = Sequence[tuple[str, Path | None]]


def refuse_unwritable(targets: Targets) -> None:
    """Raise UsageError, before anything is scanned, for a file that cannot be written later."""
    for _, path in targets:
        if path is None:
            continue
        if path.is_dir():
            raise UsageError(f"{path} cannot be written: it is a folder")
        if not path.parent.is_dir():
            raise UsageError(f"{path} cannot be written: there is no folder {path.parent}")


def write(reports: Sequence[Report], targets: Targets) -> None:
    """Render every output of a scan."""
    write_each(targets, lambda name, display: RENDERERS[name](reports, display))


def write_each(targets: Targets, render: Callable[[str, Display], str]) -> None:
    """Render every output by its name; one that cannot be written does not cost the others."""
    failed: list[str] = []
    for name, path in targets:
        if path is None:
            _show(render(name, screen(sys.stdout)))
            continue
        try:
            _save(path, render(name, Display(width=DEFAULT_WIDTH)))
        except OSError as error:
            failed.append(f"{path} cannot be written: {error.strerror or error}")
    if failed:
        raise UsageError("; ".join(failed))


def _show(text: str) -> None:
    try:
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read it has seen enough: the exit status still says what was found.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _save(path: Path, text: str) -> None:
    """Write a file whole or not at all: a reader never sees half a report."""
    target = path.resolve()  # a link stays one
    if target.exists() and not target.is_file():  # a pipe or a device is written to, not replaced
        target.write_text(text, encoding="utf-8")
        return
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def screen(stream: TextIO) -> Display:
    """Return what the terminal, file or pipe behind a stream can show."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    encoding = (stream.encoding or "").lower().replace("-", "")
    return Display(
        width=_width(stream),
        color=stream.isatty() and not plain,
        unicode=encoding.startswith("utf"),
    )


def _width(stream: TextIO) -> int:
    """Return the columns of the terminal; COLUMNS overrides them, as it does everywhere."""
    try:
        there = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        there = 0
    written = os.environ.get("COLUMNS", "")
    asked = int(written) if written.isdecimal() and len(written) < 6 else 0
    return asked or there or DEFAULT_WIDTH
