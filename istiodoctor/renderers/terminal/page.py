"""The page that the terminal output is written on: wrapping, indents, colour, nothing else."""

import re
from collections.abc import Iterable
from io import StringIO

from rich.console import Console
from rich.text import Text

from istiodoctor.renderers.text import visible

Span = str | tuple[str, str]
"""A piece of text, plain or with a Rich style."""

LABEL = 8
"""The width of the words that lead a line: `evidence`."""

INDENT = 2

_HEADING = 14
_LAST_COLUMN = 32
_NARROWEST = 40
_PROSE = 100
"""Longer lines of prose are hard to read, however wide the terminal is."""

_COMMAND_LIMIT = 4_000
_COMMAND_INDENT = 4
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_IN_ASCII = {
    "✗": "x",
    "✓": "+",
    "·": "|",
    "…": "...",
    "─": "-",
    "├": "|",
    "└": "`",
    "│": "|",
}


class Page:
    """Takes raw text and makes all of it safe to show; every line written goes through here."""

    def __init__(self, *, width: int, color: bool, unicode: bool) -> None:
        """Start an empty page of this many columns."""
        self.width = max(width, _NARROWEST)
        self.prose = min(self.width, _PROSE)
        self.unicode = unicode
        self._file = StringIO()
        self._console = Console(
            file=self._file,
            width=self.width,
            color_system="standard" if color else None,
            force_terminal=color,
            no_color=not color,
            legacy_windows=False,
            markup=False,
            emoji=False,
            highlight=False,
            _environ={},
        )

    def __str__(self) -> str:
        """All that was written, with single blank lines at most and one line break at the end."""
        return re.sub(r"\n{3,}", "\n\n", self._file.getvalue()).strip("\n") + "\n"

    def blank(self) -> None:
        """Leave a line free; several in a row become one."""
        self._file.write("\n")

    def paragraph(
        self, *spans: Span, lead: tuple[Span, ...] = (), rest: tuple[Span, ...] = ()
    ) -> None:
        """Write wrapped text: `lead` before the first line, spaces before those after it.

        `rest` stands at the beginning of those spaces: the stem of a tree.
        """
        self._wrapped(self._text(lead), self._text(spans), self.prose, self._text(rest))

    def field(self, label: str, *spans: Span, mark: str = "") -> None:
        """Write a labelled value; without a label it continues the one above."""
        lead = (" " * INDENT, (label.ljust(LABEL + 2), "dim"), mark)
        self.paragraph(*spans, lead=lead)

    def heading(self, word: str, *spans: Span) -> None:
        """Begin a part of the page."""
        self.blank()
        self.paragraph(*spans, lead=((word.ljust(_HEADING), "bold"),))

    def rule(self) -> None:
        """Write a line across, to tell one matter from the next."""
        self.blank()
        self._write(self._text((("─" * self.prose, "dim"),)))

    def rows(self, rows: Iterable[tuple[Span, ...]]) -> None:
        """Write rows in columns as wide as they need; the last one wraps within itself.

        Where that leaves too little room for the last column, it goes under the others.
        """
        texts = [[self._text((cell,)) for cell in row] for row in rows]
        if not texts:
            return
        widths = [max(cell.cell_len for cell in column) for column in zip(*texts, strict=True)]
        lead_width = INDENT + sum(width + 2 for width in widths[:-1])
        stacked = self.width - lead_width < min(widths[-1], _LAST_COLUMN)
        for *cells, last in texts:
            if not stacked:
                for cell, width in zip(cells, widths, strict=False):
                    cell.pad_right(width - cell.cell_len)
            lead = Text("  ").join([*cells, Text()])
            if stacked:
                self._wrapped(Text(" " * INDENT), lead, self.width)
                self._wrapped(Text(" " * 3 * INDENT), last, self.width)
            else:
                self._wrapped(Text(" " * INDENT).append_text(lead), last, self.width)

    def command(self, block: str) -> None:
        """Write a command as it is to be pasted: never wrapped, never decorated.

        A here document starts at the margin: its end marker counts only there.
        """
        if len(block) > _COMMAND_LIMIT:
            size = f"{len(block):,} characters, too long to show here: --output json has it whole"
            self.field("", (f"({size})", "dim"))
            return
        lines = block.split("\n")
        margin = "" if len(lines) > 1 else " " * _COMMAND_INDENT
        if len(lines) > 1:
            self.blank()
        for line in lines:
            self._write(Text(margin + line, style="cyan"))
        if len(lines) > 1:
            self.blank()

    def _wrapped(self, lead: Text, body: Text, width: int, rest: Text | None = None) -> None:
        available = max(width - lead.cell_len, _NARROWEST // 2)
        stem = rest or Text()
        stem.pad_right(lead.cell_len - stem.cell_len)
        for number, line in enumerate(body.wrap(self._console, available) or [Text()]):
            self._write(Text.assemble(stem if number else lead, line))

    def _text(self, spans: tuple[Span, ...]) -> Text:
        text = Text()
        for span in spans:
            words, style = (span, "") if isinstance(span, str) else span
            text.append(self._shown(words), style)
        return text

    def _shown(self, words: str) -> str:
        shown = visible(words)
        if self.unicode or shown.isascii():
            return shown
        return _NOT_ASCII.sub(_in_ascii, shown)

    def _write(self, line: Text) -> None:
        line.rstrip()
        self._console.print(line, soft_wrap=True)


def _in_ascii(match: re.Match[str]) -> str:
    character = match[0]
    return _IN_ASCII.get(character, character.encode("ascii", "backslashreplace").decode())
