"""Write reports to stdout and files."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from istiodoctor.cli.exits import Exit, UsageError, complain
from istiodoctor.cli.streams import OutputError, abandon_standard_output
from istiodoctor.renderers import RENDERERS, Display
from istiodoctor.report import Report

DEFAULT_WIDTH = 80


Targets = Sequence[tuple[str, Path | None]]


def refuse_unwritable(targets: Targets) -> None:
    """Raise UsageError, before anything is scanned, for a file that cannot be written later."""
    for _, path in targets:
        if path is None:
            continue
        try:
            is_folder, has_parent = path.is_dir(), path.parent.is_dir()
        except OSError:  # a name that is too long: said when it is written, beside the others
            continue
        if is_folder:
            raise UsageError(f"{path} cannot be written: it is a folder")
        if not has_parent:
            raise UsageError(f"{path} cannot be written: there is no folder {path.parent}")


def write(reports: Sequence[Report], targets: Targets) -> Exit:
    """Render every output of a scan."""
    return write_each(targets, lambda name, display: RENDERERS[name](reports, display))


def write_each(targets: Targets, render: Callable[[str, Display], str]) -> Exit:
    """Render every output by its name; one that cannot be written does not cost the others.

    Standard output that cannot be written is said, and is an exit status; for files it is a
    UsageError, at the end.
    """
    status = Exit.OK
    failed: list[str] = []
    for name, path in targets:
        if path is None:
            status = _show(render(name, screen(sys.stdout)))
            continue
        text = render(name, Display(width=DEFAULT_WIDTH))
        try:
            _save(path, text)
        except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
            failed.append(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}")
    if failed:
        raise UsageError("; ".join(failed))
    return status


def _show(text: str) -> Exit:
    try:
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read it has seen enough: the exit status still says what was found.
        abandon_standard_output()
    except OutputError as error:
        abandon_standard_output()
        complain(str(error))
        return Exit.UNWRITTEN
    return Exit.OK


def _save(path: Path, text: str) -> None:
    """Write a file whole or not at all: a reader never sees half a report."""
    target = path.resolve()  # a link stays one
    if target.exists() and not target.is_file():  # a pipe or a device is written to, not replaced
        target.write_text(text, encoding="utf-8")
        return
    partial = target.with_name(f".istiodoctor-{os.getpid()}.tmp")  # as short as any name
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
