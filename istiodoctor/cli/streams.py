"""The standard streams of a process: closed, full or as they should be.

Python leaves `sys.stdout` None where the descriptor is closed, and the next file that is opened
gets its number: an answer of a cluster would go where progress is written, or to a child process.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

STANDARD_DESCRIPTORS = 3


class OutputError(OSError):
    """Standard output cannot be written: one sentence, and never a bug."""

    def __str__(self) -> str:
        """Return the sentence."""
        reason = "it is closed" if self.errno == errno.EBADF else self.strerror
        return f"standard output cannot be written: {reason}"


def prepare() -> None:
    """Make streams of which each failure is told from every other error, once a process."""
    with suppress(OSError):  # there is no null device
        _occupy_closed_descriptors()
    if sys.stdout is sys.__stdout__:
        sys.stdout = _StandardOutput(_buffer(1), **_as(sys.stdout))
    if sys.stderr is sys.__stderr__:
        sys.stderr = _StandardError(_buffer(2), **_as(sys.stderr))


def abandon_standard_output() -> None:
    """Let what is still to be written go nowhere: Python tries again when it ends."""
    with suppress(OSError, ValueError):  # no such device, or a stream without a descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _occupy_closed_descriptors() -> None:
    """Open the null device, for reading, where a standard descriptor is closed.

    To write to it is refused with EBADF, as to a closed one.
    """
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) < STANDARD_DESCRIPTORS:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


# Errors are told apart here and not where bytes are written: Ctrl-C in code of Python there would
# come between the writing and the word that it was done, and a line would be written twice.
class _StandardOutput(io.TextIOWrapper):
    def write(self, text: str, /) -> int:
        with _told():
            return super().write(text)

    def flush(self) -> None:
        with _told():
            super().flush()


class _StandardError(io.TextIOWrapper):
    """What can be written is: a message that nobody can get costs nothing else."""

    def write(self, text: str, /) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # whoever read it has gone, which is no failure
        raise
    except OSError as error:
        raise OutputError(error.errno, error.strerror) from None


def _buffer(descriptor: int) -> io.BufferedWriter:
    return io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False))


def _as(like: Any) -> dict[str, Any]:
    """Return how a text stream encodes and flushes; `like` is the one in its place, or None."""
    return {
        "encoding": getattr(like, "encoding", None) or "utf-8",
        "errors": getattr(like, "errors", None) or "backslashreplace",
        "line_buffering": getattr(like, "line_buffering", False),
        "write_through": getattr(like, "write_through", False),
    }
