"""Work on several threads, none of which can hold up the others, or the end of the process."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from istiodoctor.deadline import Deadline

THREADS = 8
GRACE = 1.0
"""Seconds after the deadline for threads to notice it; what hangs elsewhere does not."""

Result = TypeVar("Result")


def finished(
    jobs: Sequence[Callable[[], Result]], deadline: Deadline, *, threads: int = THREADS
) -> Iterator[tuple[int, Result | BaseException]]:
    """Yield the number of each job with its result or exception, as they come.

    A job that is still running after the deadline is never yielded. The threads are daemons:
    neither Ctrl-C nor the end of the process waits for a name server.
    """
    waiting: queue.SimpleQueue[tuple[int, Callable[[], Result]]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Result | BaseException]] = queue.SimpleQueue()
    for numbered in enumerate(jobs):
        waiting.put(numbered)
    for _ in range(min(threads, len(jobs))):
        threading.Thread(target=_work, args=(waiting, done), daemon=True, name="pool").start()
    for _ in jobs:
        try:
            yield done.get(timeout=deadline.remaining + GRACE)
        except queue.Empty:
            return


def in_time(work: Callable[[], Result], deadline: Deadline, *, grace: float = GRACE) -> Result:
    """Return what this returns, or raise what it raises; TimeoutError when it takes too long."""
    outcome: list[Result | BaseException] = []

    def attempt() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # raised again in the thread that waits
            outcome.append(error)

    thread = threading.Thread(target=attempt, daemon=True, name="in time")
    thread.start()
    thread.join(deadline.remaining + grace)
    if not outcome:
        raise TimeoutError
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _work(
    waiting: "queue.SimpleQueue[tuple[int, Callable[[], Result]]]",
    done: "queue.SimpleQueue[tuple[int, Result | BaseException]]",
) -> None:
    while True:
        try:
            number, job = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            done.put((number, job()))
        except BaseException as error:  # for the thread that waits to judge
            done.put((number, error))
