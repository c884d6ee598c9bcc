"""From the bytes of a file to the objects in it, each with its line."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from istiodoctor.model.decode import Undecodable, decode_json
from istiodoctor.sources.yaml_documents import Piece, YamlError, parse, split

MAX_DOCUMENTS = 200_000
"""Documents read from one file."""
MAX_MALFORMED = 100
"""After so many documents that do not parse, a file is something else."""

_TEMPLATE = re.compile(
    r"\{\{-?\s*(?:[.$]|/\*|(?:include|if|else|range|with|end|define|template|toYaml|tpl|default"
    r"|printf|quote)\b)"
)
_PLACEHOLDER = re.compile(r"(?:^\s*(?:-\s+)?|:\s+)\{\{", re.MULTILINE)
_YAML_ITEMS = re.compile(r"^items:[ \t]*\r?\n(?=(?P<indent> *)- )", re.MULTILINE)
_JSON_ITEMS = re.compile(r'"items":\s*\[[ \t]*\r?\n(?=(?P<indent>[ \t]*)\{)')
_JSON_BYTE = re.compile(r" ?\(byte (\d+)\)")


class EncodingError(ValueError):
    """Bytes in an encoding that YAML and JSON do not have."""


@dataclass(frozen=True, slots=True)
class FoundObject:
    """A value that may be an object."""

    raw: Any
    line: int
    is_template: bool = False
    """The text around it holds the language of Helm templates."""


@dataclass(frozen=True, slots=True)
class FoundDefect:
    """A document that does not parse."""

    reason: str
    line: int
    text: str
    is_template: bool = False


@dataclass(frozen=True, slots=True)
class FoundEnd:
    """Where reading a file was given up, and why."""

    reason: str
    line: int


Found = FoundObject | FoundDefect | FoundEnd


def read_documents(text: str) -> Iterator[Found]:
    """Yield every object of a file, items of lists one by one."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            value = decode_json(text.encode())
        except Undecodable as error:
            defect = _json_defect(str(error), text)
        else:
            yield from _objects(value, Piece(text, 1), is_json=True)
            return
        yield from _documents(text, first=defect)
    else:
        yield from _documents(text)


def _documents(text: str, *, first: FoundDefect | None = None) -> Iterator[Found]:
    """Yield what YAML documents hold; where even that fails, `first` tells what JSON said."""
    malformed = 0
    for count, piece in enumerate(split(text)):
        if count >= MAX_DOCUMENTS or malformed >= MAX_MALFORMED:
            many = f"{MAX_DOCUMENTS:,} documents" if malformed < MAX_MALFORMED else "errors"
            yield FoundEnd(f"too many {many}; the rest of the file was not read", piece.line)
            return
        try:
            value = parse(piece.text)
        except YamlError as error:
            malformed += 1
            yield first or FoundDefect(
                str(error), piece.line + error.line - 1, piece.text, _looks_like_template(piece)
            )
            first = None
        else:
            yield from _objects(value, piece, is_json=False)


def _objects(value: Any, piece: Piece, *, is_json: bool) -> Iterator[FoundObject]:
    items = _items(value)
    if items is None:
        yield FoundObject(value, piece.line, bool(_TEMPLATE.search(piece.text)))
        return
    lines = _item_lines(piece, len(items), _JSON_ITEMS if is_json else _YAML_ITEMS)
    for index, line in enumerate(lines):
        # Let go of each item: a dump of a cluster is large.
        item, items[index] = items[index], None
        yield from _objects(item, Piece("", line), is_json=is_json)


def _items(value: Any) -> list[Any] | None:
    """Return the items of a list (`kind: List`, `ServiceList`, …), None for anything else."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or "items" not in value:
        return None
    kind, items = value.get("kind"), value["items"]
    if not isinstance(kind, str) or not kind.endswith("List"):
        return None
    items = [] if items is None else items
    if not isinstance(items, list):
        return None
    if kind == "List":
        return items
    # The API server leaves these out in the items of a typed list.
    implied = {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")}
    return [{**implied, **item} if isinstance(item, dict) else item for item in items]


def _item_lines(piece: Piece, count: int, opening: re.Pattern[str]) -> Iterator[int]:
    """Yield the line of each item where the layout is kubectl's; else the document's, for all.

    Nothing inside an item can stand as far to the left as the items do, so a count that agrees
    is proof enough.
    """
    found = opening.search(piece.text)
    starts: list[int] = []
    if found:
        sign = "-" if opening is _YAML_ITEMS else r"\{"
        item = re.compile(rf"^{found['indent']}{sign}", re.MULTILINE)
        starts = [each.start() for each in item.finditer(piece.text, found.end())]
    if len(starts) != count:
        starts = [0] * count
    line, position = piece.line, 0
    for start in starts:
        line += piece.text.count("\n", position, start)
        position = start
        yield line


def decode_text(data: bytes) -> str:
    """Return the text of a file, whatever its byte order mark says; raises EncodingError."""
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"  # what PowerShell's `>` writes
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise EncodingError(f"neither UTF-8 nor UTF-16 text (byte {error.start})") from None
    if "\0" in text:
        raise EncodingError("binary data, no text")
    return text


def _json_defect(reason: str, text: str) -> FoundDefect:
    line = 1
    if position := _JSON_BYTE.search(reason):
        line = text.encode()[: int(position[1])].count(b"\n") + 1
    elif "truncated" in reason:
        line = text.rstrip().count("\n") + 1
    return FoundDefect(_JSON_BYTE.sub("", reason), line, text)


def _looks_like_template(piece: Piece) -> bool:
    return "{{" in piece.text and bool(
        _TEMPLATE.search(piece.text) or _PLACEHOLDER.search(piece.text)
    )
