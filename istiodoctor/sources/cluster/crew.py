"""Several reads at a time, none of which can hold up the others, or the end of the process."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading
from istiodoctor.sources.cluster import failure
from istiodoctor.sources.cluster.deadline import Deadline
from istiodoctor.sources.source import Progress

THREADS = 8
GRACE = 1.0
"""Seconds after the deadline for threads to notice it; what hangs elsewhere does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One thing to read; what it is called if it does not come back."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    work: Callable[[], Reading]


def work_off(jobs: Sequence[Job], deadline: Deadline, *, threads: int = THREADS) -> list[Reading]:
    """Return each job's reading, in their order; a job still out after the deadline is unread.

    The threads are daemons, so neither Ctrl-C nor the end of the process waits for a name server.
    """
    waiting: queue.SimpleQueue[tuple[int, Job]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Reading | BaseException]] = queue.SimpleQueue()
    for number, job in enumerate(jobs):
        waiting.put((number, job))
    for _ in range(min(threads, len(jobs))):
        threading.Thread(target=_serve, args=(waiting, done), daemon=True, name="reader").start()
    readings = [_missed(job, deadline) for job in jobs]
    for _ in jobs:
        try:
            number, outcome = done.get(timeout=deadline.remaining + GRACE)
        except queue.Empty:
            break
        if isinstance(outcome, BaseException):
            raise outcome
        readings[number] = outcome
    return readings


def _missed(job: Job, deadline: Deadline) -> Reading:
    late = failure.late(deadline.seconds)
    return Reading(unread=(late.unread(job.kind, job.namespace, job.name),))


def _serve(
    waiting: "queue.SimpleQueue[tuple[int, Job]]",
    done: "queue.SimpleQueue[tuple[int, Reading | BaseException]]",
) -> None:
    while True:
        try:
            number, job = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            done.put((number, job.work()))
        except BaseException as error:  # raised again in the thread that waits
            done.put((number, error))


class Watched:
    """A progress observer that several threads may call."""

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
