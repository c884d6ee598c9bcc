"""Dated lines on stderr, for a command that takes a while; on a terminal a last one is renewed."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from istiodoctor.cli.output import screen
from istiodoctor.renderers.terminal.changes import Line, one_line
from istiodoctor.renderers.terminal.page import Page
from istiodoctor.renderers.text import visible

REFRESHES = 1
"""How often a second the last line is renewed: it holds whole seconds."""


class Lines:
    """Writes lines, each with the time (UTC) in front: one for each that is said, and no more."""

    def __init__(self) -> None:
        self._stream = sys.stderr  # Rich puts one in its place that does not know its encoding

    def say(self, line: Line) -> None:
        """Write a line that stays; on a terminal it is wrapped to its width."""
        now = f"{datetime.now(UTC):%H:%M:%S} "
        if not self._stream.isatty():
            print(now + one_line(line), file=sys.stderr, flush=True)
            return
        display = screen(self._stream)
        page = Page(width=display.width, color=display.color, unicode=display.unicode)
        page.paragraph(*line, lead=((now, "dim"),))
        print(page, file=sys.stderr, end="", flush=True)


@contextmanager
def lines(status: Callable[[], str]) -> Iterator[Lines]:
    """Give what writes lines; meanwhile a terminal that can shows `status` below them."""
    stream, written = sys.stderr, Lines()
    if not stream.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        yield written
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def last_line() -> Text:
        shown = visible(status())
        display = screen(stream)
        if not display.unicode:
            shown = shown.encode("ascii", "backslashreplace").decode()
        text = Text(shown, "dim" if display.color else "", no_wrap=True)
        text.truncate(display.width, overflow="ellipsis" if display.unicode else "crop")
        return text

    console = Console(stderr=True)
    with Live(
        get_renderable=last_line,
        console=console,
        refresh_per_second=REFRESHES,
        transient=True,
        redirect_stdout=False,
    ):
        yield written
