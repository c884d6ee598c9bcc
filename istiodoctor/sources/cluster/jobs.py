"""Several reads of a cluster at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from istiodoctor.deadline import Deadline
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading
from istiodoctor.sources.cluster import request_error
from istiodoctor.thread_pool import THREADS, finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One thing to read; what it is called if it does not come back."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    work: Callable[[], Reading]


def read_all(jobs: Sequence[Job], deadline: Deadline, *, threads: int = THREADS) -> list[Reading]:
    """Return each job's reading, in their order; a job still out after the deadline is unread."""
    readings = [_missed(job, deadline) for job in jobs]
    for number, outcome in finished([job.work for job in jobs], deadline, threads=threads):
        if isinstance(outcome, BaseException):
            raise outcome
        readings[number] = outcome
    return readings


def _missed(job: Job, deadline: Deadline) -> Reading:
    late = request_error.late(deadline.seconds)
    return Reading(unread=(late.unread(job.kind, job.namespace, job.name),))
