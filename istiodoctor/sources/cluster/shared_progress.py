"""Progress that several threads tell of at a time."""

import threading

from istiodoctor.model.kind import Kind
from istiodoctor.sources.source import Progress


class SharedProgress:
    """An observer of progress that several threads may call."""

    def __init__(self, progress: Progress | None) -> None:
        """Without an observer nothing happens."""
        self._progress = progress
        self._lock = threading.Lock()

    def started(self, kind: Kind) -> None:
        """Tell the observer that a kind begins."""
        if self._progress:
            with self._lock:
                self._progress.started(kind)

    def finished(self, kind: Kind, count: int) -> None:
        """Tell the observer that a kind is over."""
        if self._progress:
            with self._lock:
                self._progress.finished(kind, count)
