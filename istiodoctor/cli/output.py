"""Write reports to stdout and files."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

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
            _show(render(name, _screen()))
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


def _screen() -> Display:
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Display(
        width=shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns,
        color=sys.stdout.isatty() and not plain,
        unicode=encoding.startswith("utf"),
    )
