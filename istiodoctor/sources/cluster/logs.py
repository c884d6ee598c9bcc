"""Logs of containers, bounded in time, lines and bytes, and filtered by what checks ask about."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.log import LogLine
from istiodoctor.model.log_format import parse_log_line
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading
from istiodoctor.model.wanted import LogTarget
from istiodoctor.sources.cluster.connection import Connection
from istiodoctor.sources.cluster.jobs import Job, read_all
from istiodoctor.sources.cluster.listing import is_possible
from istiodoctor.sources.cluster.request_error import RequestError
from istiodoctor.sources.cluster.scope import Scope

MOST_LINES = 20_000
MOST_BYTES = 8 * 1024 * 1024
LONGEST_LINE = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """Reads logs."""

    connection: Connection
    scope: Scope
    since: timedelta

    def read(self, targets: frozenset[LogTarget], patterns: tuple[str, ...]) -> Iterator[Reading]:
        """Yield the lines of these containers that one of the patterns is found in."""
        if not patterns:
            return
        wanted = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
        jobs = [
            Job(
                kind=Kind.POD_LOG,
                namespace=each.namespace,
                name=each.pod,
                work=partial(self._log, each, wanted),
            )
            for each in sorted(targets)
            if self.scope.permits(each.namespace)
            and is_possible(each.namespace)
            and is_possible(each.pod)
        ]
        yield from read_all(jobs, self.connection.deadline)

    def _log(self, target: LogTarget, wanted: re.Pattern[str]) -> Reading:
        try:
            text, whole = self._newest(target)
        except RequestError as failed:
            return Reading(unread=(failed.unread(Kind.POD_LOG, target.namespace, target.pod),))
        lines = tuple(_parsed(text, target, wanted))
        if whole:
            return Reading(logs=lines)
        where = f"{target.namespace}/{target.pod} ({target.container})"
        return Reading(
            logs=lines, notes=(f"only the newest lines of the log of {where} were read",)
        )

    def _newest(self, target: LogTarget) -> tuple[bytes, bool]:
        """Return the end of the log; says whether that is all since the time asked for.

        The server sends the oldest line first and knows no limit of bytes that keeps the newest:
        where there are too many bytes, it is asked for half as many lines as they held.
        """
        most = MOST_LINES
        while True:
            text = self._tail(target, most)
            lines = text.count(b"\n")
            if len(text) < MOST_BYTES or lines < 2:
                return text, most == MOST_LINES and lines < most
            most = lines // 2

    def _tail(self, target: LogTarget, lines: int) -> bytes:
        path = ("api", "v1", "namespaces", target.namespace, "pods", target.pod, "log")
        query = [
            ("container", target.container),
            ("sinceSeconds", str(max(1, int(self.since.total_seconds())))),
            ("tailLines", str(lines)),
        ]
        return self.connection.get(*path, query=query, accept="*/*", head=MOST_BYTES)


def _parsed(text: bytes, target: LogTarget, wanted: re.Pattern[str]) -> Iterator[LogLine]:
    pod = Ref(CORE, "Pod", target.namespace, target.pod)
    for raw in text.splitlines():
        line = raw[:LONGEST_LINE].decode(errors="replace")
        if wanted.search(line):
            yield parse_log_line(line, pod=pod, container=target.container)
