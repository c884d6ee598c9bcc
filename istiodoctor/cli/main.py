"""The entry point: it makes the process safe to start before anything heavy is imported."""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

from istiodoctor.cli.exits import Exit
from istiodoctor.cli.streams import prepare


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit status; no failure ends in a traceback."""
    prepare()
    # Python loses an interrupt in the callbacks of an import, or shows where it came.
    handler = signal.getsignal(signal.SIGINT)
    is_ours = handler is signal.default_int_handler  # a shell starts background jobs without one
    if is_ours:
        signal.signal(signal.SIGINT, _leave)
    from istiodoctor.cli.application import run

    if is_ours:
        signal.signal(signal.SIGINT, handler)
    run(arguments)


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: nothing has begun that would have to be finished."""
    with suppress(OSError):
        os.write(2, b"istiodoctor: interrupted\n")
    os._exit(Exit.INTERRUPTED)


if __name__ == "__main__":
    main()
