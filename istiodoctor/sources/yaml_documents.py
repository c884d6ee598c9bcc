"""YAML as Kubernetes means it: one document at a time, bounded, with the line of what is wrong.

`ryaml` parses; where it keeps `yes`, `on` and `0644` strings, or refuses what kubectl reads, a
slower parser does (`yaml_as_kubectl`). One bad document must not cost the others, so the text is
split first. Aliases are weighed before they are expanded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import ryaml
import yaml

from istiodoctor.sources.yaml_as_kubectl import MOST_CHARACTERS, load, may_differ, prepared

MAX_ALIASES = 1_000
MAX_EXPANSION = 16 * 1024 * 1024
"""What the aliases of one document may add, in characters and `NODE_WEIGHT` for each node."""
MAX_DEPTH = 128
"""What `ryaml` accepts."""
NODE_WEIGHT = 64
READ_BY_KUBECTL = ("duplicate entry", "found unexpected ':'")
"""What `ryaml` says of documents that kubectl reads."""
MAX_REASON = 300

# At column 0 a block scalar has ended, so these are always markers.
_MARKER = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_PREAMBLE = re.compile(
    r"(?:[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)|%[^\n]*(?:\n|\Z)"
    r"|(?:---|\.\.\.)[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z))*"
)
_ANCHOR = re.compile(r"(?:^|[\s\[{,:])&[^\s,\[\]{}]")
_ALIAS = re.compile(r"(?:^|[\s\[{,:])\*[^\s,\[\]{}]")
_BRACKET = re.compile(r"[\[\]{}]")
_AT_LINE = re.compile(r" at line (\d+) column \d+")
_AT_POSITION = re.compile(r" at position (\d+)")


class YamlError(ValueError):
    """A document that does not parse; `line` counts from 1 within its text."""

    def __init__(self, reason: str, line: int = 1) -> None:
        """Keep the reason as one phrase without values of the document."""
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of one document, from its first line that says something."""

    text: str = field(repr=False)  # it may be a Secret
    line: int
    """Of that first line, counted from 1 within the whole text."""


def split(text: str) -> Iterator[Piece]:
    """Yield the documents of a stream, without those of blanks, comments and directives alone."""
    start, line = 0, 1
    for end in _boundaries(text):
        preamble = _PREAMBLE.match(text, start, end)
        begin = preamble.end() if preamble else start
        line += text.count("\n", start, begin)
        if begin < end:
            yield Piece(text[begin:end], line)
        line += text.count("\n", begin, end)
        start = end


@dataclass(frozen=True, slots=True)
class Parsed:
    """One document, and the keys that it gives twice."""

    value: Any = field(repr=False)
    repeated: tuple[tuple[str, int], ...] = ()
    """Each with its line, counted from 1 within the document; the last one counts."""


def parse(text: str) -> Any:
    """Return one document as plain values, merge keys applied; raises YamlError."""
    return parse_document(text).value


def parse_document(text: str) -> Parsed:
    """Return one document as kubectl reads it; raises YamlError."""
    _refuse_explosions(text)
    if may_differ(text):
        return _parsed_slowly(text)
    try:
        value = ryaml.loads(text)
    except ValueError as error:
        found = _malformed(str(error), text)
        is_read = any(words in str(error) for words in READ_BY_KUBECTL)
        if not is_read or len(text) > MOST_CHARACTERS:
            raise found from None
        try:
            return _parsed_slowly(text)
        except YamlError:
            raise found from None  # it has the line
    except RecursionError:
        raise YamlError("nested too deeply") from None
    return Parsed(_merged(value) if "<<" in text else value)


def _parsed_slowly(text: str) -> Parsed:
    ready = prepared(text)
    try:
        _weigh(ready)  # nested too deeply, it would end the process
        value, repeated = load(ready)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise YamlError(str(error.problem)[:MAX_REASON], line) from None
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(str(error)[:MAX_REASON]) from None
    except RecursionError:
        raise YamlError("nested too deeply") from None
    return Parsed(value, tuple(repeated))


def _boundaries(text: str) -> Iterator[int]:
    for marker in _MARKER.finditer(text):
        if marker.start():
            yield marker.start()
    yield len(text)


def has_aliases(text: str) -> bool:
    """Whether a document may hold anchors and aliases: never false when it does."""
    if "&" not in text or "*" not in text:
        return False
    return bool(_ANCHOR.search(text) and _ALIAS.search(text))


def _refuse_explosions(text: str) -> None:
    if not (has_aliases(text) or _may_nest_deeply(text)):
        return
    try:
        _weigh(text)
    except yaml.YAMLError:
        return  # the parser says it better, and with a line


def _may_nest_deeply(text: str) -> bool:
    """Whether brackets may nest beyond `MAX_DEPTH`: there the parser takes quadratic time."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKET.finditer(text):
        depth += 1 if bracket[0] in "{[" else -1
        if depth > MAX_DEPTH:
            return True
        depth = max(depth, 0)
    return False


def _weigh(text: str) -> None:
    """Add up what aliases stand for, from parser events: nothing is expanded here."""
    weights: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    aliases = added = total = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        match event:
            case yaml.AliasEvent():
                if any(anchor == event.anchor for anchor, _ in opened):
                    raise YamlError("nested too deeply", _line(event))  # in itself
                weight = weights.get(event.anchor or "", 0)
                aliases, added, total = aliases + 1, added + weight, total + weight
            case yaml.ScalarEvent():
                total += NODE_WEIGHT + len(event.value)
                if event.anchor:
                    weights[event.anchor] = NODE_WEIGHT + len(event.value)
            case yaml.CollectionStartEvent():
                opened.append((event.anchor, total))
                total += NODE_WEIGHT
            case yaml.CollectionEndEvent():
                anchor, before = opened.pop()
                if anchor:
                    weights[anchor] = total - before
        if aliases > MAX_ALIASES or added > MAX_EXPANSION:
            raise YamlError("its aliases expand to too much", _line(event))
        if len(opened) > MAX_DEPTH:
            raise YamlError("nested too deeply", _line(event))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _merged(value: Any) -> Any:
    """Apply `<<` (YAML 1.1 merge keys): own keys win, then earlier sources over later ones."""
    if isinstance(value, list):
        return [_merged(each) for each in value]
    if not isinstance(value, dict):
        return value
    own = {key: _merged(each) for key, each in value.items()}
    sources = own.get("<<")
    sources = sources if isinstance(sources, list) else [sources]
    if not all(isinstance(each, dict) for each in sources):
        return own
    del own["<<"]
    merged: dict[Any, Any] = {}
    for source in reversed(sources):
        merged |= source
    return merged | own


def _malformed(text: str, document: str) -> YamlError:
    """Put the parser's words without positions, which count from the document, and values."""
    lines = _AT_LINE.findall(text)
    line = int(lines[0]) if lines else 1
    if line > document.rstrip().count("\n") + 1:
        # An open quote or bracket is noticed at the end; where it was opened is what helps.
        line = int(lines[-1])
    if position := _AT_POSITION.search(text):
        line = document.count("\n", 0, int(position[1])) + 1
    reason = _AT_POSITION.sub("", _AT_LINE.sub("", text))
    if "unhashable" in reason:
        reason = "a mapping or a list is used as a key"
    elif "recursion limit" in reason:
        reason = "nested too deeply"
    elif "repetition limit" in reason:
        reason = "its aliases expand to too much"
    elif "integer `" in reason:
        reason = "a number has too many digits"
    return YamlError(reason[:MAX_REASON], line)
