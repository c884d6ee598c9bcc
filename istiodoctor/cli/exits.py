"""Exit statuses, the same for every output, and how a failure becomes one sentence."""

import sys
from enum import IntEnum


class Exit(IntEnum):
    """What the process says when it ends; the first that applies, in this order, wins."""

    USAGE = 2
    """Wrong usage or configuration."""
    NOTHING_SCANNED = 3
    PROBLEMS = 1
    """Problems at or above `--fail-on`."""
    UNWRITTEN = 1
    """Standard output cannot be written: as any program says it, and never 0."""
    INCOMPLETE = 4
    """With `--strict`: something selected could not be read."""
    OK = 0
    INTERRUPTED = 130


def ended(status: Exit, written: Exit) -> Exit:
    """Return the status of a command that came to one, and of what it wrote."""
    return status if status is Exit.NOTHING_SCANNED or written is Exit.OK else written


class UsageError(Exception):
    """Wrong usage or configuration: one sentence, exit status 2."""


def complain(message: str) -> None:
    """Write one sentence to stderr; nothing read from a cluster can drive the terminal."""
    try:
        from istiodoctor.renderers.text import visible

        shown = visible(message, 2000)
    except ImportError:  # an installation that is broken must be able to say so
        shown = ascii(message)
    print(f"istiodoctor: {shown}", file=sys.stderr)


def say_interrupted() -> None:
    """Say that Ctrl-C has ended the command: at once, for it may come again during an import."""
    print("istiodoctor: interrupted", file=sys.stderr)
