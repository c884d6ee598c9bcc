"""From the bytes of a file to the objects in it, each with its line."""

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from json import JSONDecodeError, JSONDecoder
from typing import Any

from istiodoctor.model.decode import Undecodable, decode_json
from istiodoctor.sources.placeholders import may_hold_placeholders
from istiodoctor.sources.yaml_documents import Piece, YamlError, parse, parse_document, split
from istiodoctor.sources.yaml_lists import take_apart

MAX_DOCUMENTS = 200_000
"""Documents read from one file."""
MAX_MALFORMED = 100
"""After so many documents that do not parse, a file is something else."""

_TEMPLATE = re.compile(
    r"\{\{-?\s*(?:[.$]|/\*|(?:include|if|else|range|with|end|define|template|toYaml|tpl|default"
    r"|printf|quote)\b)"
)
_PLACEHOLDER = re.compile(r"(?:^\s*(?:-\s+)?|:\s+)\{\{", re.MULTILINE)
_YTT = re.compile(r"(?:^|\s)#@(?:[ \t]|[a-z-]+/|/)")
"""What ytt reads in comments: https://carvel.dev/ytt/docs/latest/lang/."""
_OTHER_TEMPLATE = re.compile(r"\{%|\$\{[\w.:-]+\}|\$\(\w+\)|\$\[\[|<%|#\{\w+\}#")
MAY_HOLD_TEMPLATES = frozenset({"ConfigMap", "Secret", "ExternalSecret", "SealedSecret"})
"""Kinds whose values are scripts and templates of others: `#@` is no sign that the file is one."""
_JSON_ITEMS = re.compile(r'"items":\s*\[[ \t]*\r?\n(?=([ \t]*)\{)')
_JSON_BYTE = re.compile(r" ?\(byte (\d+)\)")


class Language(StrEnum):
    """What templates are written in."""

    HELM = "helm"
    YTT = "ytt"
    OTHER = "other"


class EncodingError(ValueError):
    """Bytes in an encoding that YAML and JSON do not have."""


@dataclass(frozen=True, slots=True)
class FoundObject:
    """A value that may be an object."""

    raw: Any = field(repr=False)  # it may be a Secret
    line: int
    template: Language | None = None
    """The language in which values of the file are still to be worked out."""
    repeated: tuple[tuple[str, int], ...] = ()
    """Keys that stand twice in one mapping, with the line of the last one, which counts."""
    may_have_placeholders: bool = True
    """Whether something in its text may stand for a value; never false where it does."""


@dataclass(frozen=True, slots=True)
class FoundDefect:
    """A document that does not parse."""

    reason: str
    line: int
    text: str = field(repr=False)
    template: Language | None = None


@dataclass(frozen=True, slots=True)
class FoundEnd:
    """Where reading a file was given up, and why."""

    reason: str
    line: int


Found = FoundObject | FoundDefect | FoundEnd


def read_documents(text: str) -> Iterator[Found]:
    """Yield every object of a file, items of lists one by one."""
    is_ytt = "#@" in text and _YTT.search(text)
    for found in _read(text):
        if is_ytt and isinstance(found, FoundObject) and not _may_hold_templates(found.raw):
            yield replace(found, template=Language.YTT)
        else:
            yield found


def _may_hold_templates(raw: Any) -> bool:
    """Whether values of an object are text of its own, with which `#@` has nothing to do."""
    if not isinstance(raw, dict) or raw.get("kind") not in MAY_HOLD_TEMPLATES:
        return False
    values = [each for key in ("data", "stringData") for each in _texts(raw.get(key))]
    return any("#@" in each for each in values)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for each in value.values() if isinstance(each, str))


def _read(text: str) -> Iterator[Found]:
    defect = None
    if text.lstrip()[:1] in ("{", "["):
        try:
            value = decode_json(text.encode())
        except Undecodable as error:
            if "trailing" in str(error) and (pieces := _json_stream(text)):
                for each, piece in pieces:
                    yield from _objects(each, piece)
                return
            defect = _json_defect(str(error), text)
        else:
            yield from _objects(value, Piece(text, 1))
            return
    yield from _documents(text, defect)


def _json_stream(text: str) -> tuple[tuple[Any, Piece], ...]:
    """Return JSON documents that stand one after another, as kubectl takes them.

    Nothing where it is something else (k8s.io/apimachinery `pkg/util/yaml/decoder.go`,
    YAMLOrJSONDecoder).
    """
    decoder = JSONDecoder()
    found: list[tuple[Any, Piece]] = []
    position, line = 0, 1
    while len(found) < MAX_DOCUMENTS:
        start = position
        while position < len(text) and text[position] in " \t\r\n":
            position += 1
        line += text.count("\n", start, position)
        if position == len(text):
            break
        try:
            value, end = decoder.raw_decode(text, position)
        except (JSONDecodeError, RecursionError, ValueError):
            return ()
        found.append((value, Piece(text[position:end], line)))
        line += text.count("\n", position, end)
        position = end
    return tuple(found)


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


@dataclass(frozen=True, slots=True)
class Part:
    """A document, or an item of a list."""

    piece: Piece
    implied: Mapping[str, Any] | None = None
    """What its list says of an item; None for a document."""


def _documents(text: str, json_defect: FoundDefect | None) -> Iterator[Found]:
    """Yield what YAML documents hold; where even that fails, what JSON said comes first."""
    malformed = 0
    for count, part in enumerate(text_parts(text)):
        piece = part.piece
        if count >= MAX_DOCUMENTS or malformed >= MAX_MALFORMED:
            many = "errors" if malformed >= MAX_MALFORMED else "documents"
            yield FoundEnd(f"too many {many}: the rest of the file was not read", piece.line)
            return
        try:
            parsed = parse_document(piece.text)
        except YamlError as error:
            malformed += 1
            line = piece.line + error.line - 1
            defect = FoundDefect(str(error), line, piece.text, _language(piece.text))
            yield json_defect if json_defect and not defect.template else defect
            json_defect = None
        else:
            repeated = tuple((key, piece.line + line - 1) for key, line in parsed.repeated)
            for found in _values(parsed.value, part):
                yield replace(found, repeated=repeated) if repeated else found


def text_parts(text: str) -> Iterator[Part]:
    """Yield the documents of a YAML stream, lists item by item where their layout allows it."""
    for piece in split(text):
        listing = take_apart(piece)
        head = _head(listing.head) if listing else None
        if listing is None or head is None:
            yield Part(piece)
            continue
        for item in listing.items():
            yield Part(item, head)


def _head(piece: Piece) -> Mapping[str, Any] | None:
    """Return what a list says of its items; None when it is no list after all."""
    try:
        head = parse(piece.text)
    except YamlError:
        return None
    return _implied(head) if isinstance(head, dict) and _is_list(head) else None


def _values(value: Any, part: Part) -> Iterator[FoundObject]:
    if part.implied is None:
        yield from _objects(value, part.piece)
        return
    for item in value if isinstance(value, list) else [value]:
        whole = {**part.implied, **item} if isinstance(item, dict) else item
        yield from _objects(whole, part.piece)


def _objects(value: Any, piece: Piece) -> Iterator[FoundObject]:
    """Yield a value, or what it lists."""
    items = _items(value)
    if items is None:
        is_doubtful = not piece.text or may_hold_placeholders(piece.text)
        yield FoundObject(value, piece.line, may_have_placeholders=is_doubtful)
        return
    implied = _implied(value) if isinstance(value, dict) else {}
    for index, line in enumerate(_item_lines(piece, len(items))):
        # Let go of each item: a dump of a cluster is large.
        item, items[index] = items[index], None
        whole = {**implied, **item} if isinstance(item, dict) else item
        yield from _objects(whole, Piece("", line))


def _items(value: Any) -> list[Any] | None:
    """Return the items of a list (`kind: List`, `ServiceList`, …), None for anything else."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or "items" not in value or not _is_list(value):
        return None
    items = value["items"]
    if items is None:
        return []
    return items if isinstance(items, list) else None


def _is_list(value: Mapping[str, Any]) -> bool:
    kind = value.get("kind")
    return isinstance(kind, str) and kind.endswith("List")


def _implied(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the API server leaves out in the items of a typed list."""
    kind = value.get("kind")
    if not isinstance(kind, str) or kind == "List":
        return {}
    return {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")}


def _item_lines(piece: Piece, count: int) -> Iterator[int]:
    """Yield the line of each item of JSON that kubectl wrote; else the document's, for all.

    Nothing inside an item stands as far to the left as the items do, so a count that agrees is
    proof enough.
    """
    starts: list[int] = []
    if found := _JSON_ITEMS.search(piece.text):
        item = re.compile(rf"^{found[1]}\{{", re.MULTILINE)
        starts = [each.start() for each in item.finditer(piece.text, found.end())]
    if len(starts) != count:
        starts = [0] * count
    line, position = piece.line, 0
    for start in starts:
        line += piece.text.count("\n", position, start)
        position = start
        yield line


def _json_defect(reason: str, text: str) -> FoundDefect:
    line = 1
    if position := _JSON_BYTE.search(reason):
        line = text.encode()[: int(position[1])].count(b"\n") + 1
    elif "truncated" in reason:
        line = text.rstrip().count("\n") + 1
    if "recursion" in reason:
        reason = "not valid JSON: nested too deeply"
    return FoundDefect(_JSON_BYTE.sub("", reason), line, text)


def _language(text: str) -> Language | None:
    """Return what a text that does not parse is a template of; None for what is just wrong."""
    if "{{" in text and (_TEMPLATE.search(text) or _PLACEHOLDER.search(text)):
        return Language.HELM
    if "#@" in text and _YTT.search(text):
        return Language.YTT
    return Language.OTHER if _OTHER_TEMPLATE.search(text) else None
