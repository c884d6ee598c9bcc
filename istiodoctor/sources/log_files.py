"""Logs in files, `<namespace>/<pod>/<container>.log` below a folder: the newest lines of each."""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.log import LogLine
from istiodoctor.model.log_format import parse_log_line
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Unread
from istiodoctor.sources.input_files import InputFile, Search, open_regular, reason_of

SUFFIX = ".log"
MAX_LINES = 50_000
"""Of one file, the last ones."""
MAX_BYTES = 16 * 1024 * 1024
MAX_ALL_LINES = 500_000
_CHUNK = 1024 * 1024
_MAX_COUNTED = 1024 * 1024 * 1024
"""Line numbers are given up where more bytes than this would have to be counted first."""


@dataclass(slots=True)
class LogFolder:
    """The log files below a folder, and what of them could not be read."""

    root: Path
    shown: str
    not_before: datetime | None = None
    """Lines written earlier are left out; lines that do not say when are kept."""
    unread: list[Unread] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[LogLine]:
        """Yield every line, file by file."""
        search = Search(self.root, self.shown, (SUFFIX,), Kind.POD_LOG, self.unread, self.notes)
        left = MAX_ALL_LINES
        for file in search.files():
            if len(file.parts) != 3:
                self.notes.append(f"{file.shown}: passed over, not <namespace>/<pod>/<container>")
                continue
            if left <= 0:
                self._miss(file, f"more than {MAX_ALL_LINES:,} lines of logs in all")
                continue
            for line in self._lines_of(file, min(left, MAX_LINES)):
                left -= 1
                yield line

    def _lines_of(self, file: InputFile, limit: int) -> Iterator[LogLine]:
        namespace, pod_name, name = file.parts
        pod, container = Ref(CORE, "Pod", namespace, pod_name), name[: -len(SUFFIX)]
        try:
            first, texts = tail(file.path, limit)
        except OSError as error:
            self._miss(file, reason_of(error))
            return
        if first != 1:
            self.notes.append(f"{file.shown}: only its last {len(texts):,} lines were read")
        for offset, text in enumerate(texts):
            if not text.strip():
                continue
            number = None if first is None else first + offset
            line = parse_log_line(text, pod=pod, container=container, file=file.shown, line=number)
            if self.not_before is None or line.at is None or line.at >= self.not_before:
                yield line

    def _miss(self, file: InputFile, message: str) -> None:
        namespace, pod, _ = file.parts
        self.unread.append(
            Unread(
                kind=Kind.POD_LOG, namespace=namespace, name=pod, message=message, file=file.shown
            )
        )


def tail(path: Path, limit: int, size: int = MAX_BYTES) -> tuple[int | None, list[str]]:
    """Return the last whole lines of a file, and the number of the first of them.

    The number is None when it is too far in. Raises OSError for what is no readable regular file.
    """
    with open_regular(path) as stream:
        skipped = max(0, stream.seek(0, os.SEEK_END) - size)
        number: int | None = None
        if skipped <= _MAX_COUNTED:
            number = 1
            stream.seek(0)
            for start in range(0, skipped, _CHUNK):
                number += stream.read(min(_CHUNK, skipped - start)).count(b"\n")
        stream.seek(skipped)
        data = stream.read(size)
    if skipped:
        # The line that the cut went through is lost.
        data = data.partition(b"\n")[2]
        number = None if number is None else number + 1
    every = data.split(b"\n")
    if not every[-1]:
        every.pop()
    kept = deque(every, limit)
    if number is not None:
        number += len(every) - len(kept)
    return number, [line.decode(errors="replace") for line in kept]
