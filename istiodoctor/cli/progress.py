"""Progress on stderr while a cluster is read; silent where nobody watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from istiodoctor.model.kind import Kind
from istiodoctor.sources.source import Progress


class _Silent:
    def started(self, kind: Kind) -> None:
        """Note nothing."""

    def finished(self, kind: Kind, count: int) -> None:
        """Note nothing."""


SILENT: Progress = _Silent()
"""For scans that something else is shown of."""


@contextmanager
def watching() -> Iterator[Progress]:
    """Give an observer for the time of a scan; its bar goes when the scan ends."""
    if not sys.stderr.isatty():
        yield SILENT
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("reading {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("the cluster", total=0)

        def show(begun: int, done: int, what: str) -> None:
            bars.update(task, total=begun, completed=done, description=what)

        yield _Watched(show)


class _Watched:
    def __init__(self, update: Callable[[int, int, str], None]) -> None:
        self._show = update
        self._begun = 0
        self._done = 0

    def started(self, kind: Kind) -> None:
        """Grow the bar by one kind."""
        self._begun += 1
        self._update(kind)

    def finished(self, kind: Kind, count: int) -> None:
        """Move the bar by one kind."""
        self._done += 1
        self._update(kind)

    def _update(self, kind: Kind) -> None:
        self._show(self._begun, self._done, str(kind))
