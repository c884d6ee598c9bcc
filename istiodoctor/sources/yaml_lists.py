"""A YAML `kind: List` item by item: a dump of a cluster is one document, and large.

Parsed as a whole it takes several times the memory, and one bad item costs all others.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.sources.yaml_documents import Piece, has_aliases

_ITEMS = re.compile(r"^items:[ \t]*\r?\n(?=( *)- )", re.MULTILINE)
_KIND = re.compile(r"^kind:[ \t]*[\"']?[A-Za-z]*List\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ListText:
    """The text of a list of objects, taken apart."""

    head: Piece
    """All but the items."""
    body: Piece
    """The items."""
    indent: int

    def items(self) -> Iterator[Piece]:
        """Yield the items, each as a block sequence of one."""
        starts = [found.start() for found in _item(self.indent).finditer(self.body.text)]
        line = self.body.line
        for start, end in zip(starts, [*starts[1:], len(self.body.text)], strict=True):
            text = self.body.text[start:end]
            yield Piece(text, line)
            line += text.count("\n")


def take_apart(piece: Piece) -> ListText | None:
    """Return the parts of a list as kubectl lays it out; None for anything else.

    Nothing inside an item may stand as far to the left as the items themselves.
    """
    text = piece.text
    found = _ITEMS.search(text)
    if found is None or not _KIND.search(text) or has_aliases(text):
        return None
    indent, start = len(found[1]), found.end()
    after = _outside(indent).search(text, start)
    end = after.start() if after else len(text)
    line = piece.line + text.count("\n", 0, start)
    return ListText(
        Piece(text[: found.start()] + text[end:], piece.line), Piece(text[start:end], line), indent
    )


def _outside(indent: int) -> re.Pattern[str]:
    """Match where the items end: a line further to the left, that is no comment."""
    left = rf" {{0,{indent - 1}}}[^ \r\n#]" if indent else r"[^ \r\n#-]"
    return re.compile(f"^{left}", re.MULTILINE)


def _item(indent: int) -> re.Pattern[str]:
    return re.compile(rf"^ {{{indent}}}-(?=[ \r\n])", re.MULTILINE)
