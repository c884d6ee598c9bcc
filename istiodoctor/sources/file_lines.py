"""The line of one field, found when a finding is shown: PyYAML knows lines, but is slow."""

from pathlib import Path
from typing import Any

import yaml

from istiodoctor.sources.file_documents import EncodingError, decode_text, text_parts
from istiodoctor.sources.input_files import UnreadableError, read_bytes
from istiodoctor.sources.yaml_documents import Piece, YamlError, parse

MAX_CHARACTERS = 1024 * 1024
"""Of one document; in a larger one the line of the document has to do."""


def field_line(file: str, line: int, pointer: str) -> int | None:
    """Return the line of a field (a JSON Pointer) of the object that begins at `line` of a file.

    None where the file, the object or the field cannot be found again.
    """
    try:
        text = decode_text(read_bytes(Path(file)))
    except (EncodingError, UnreadableError):
        return None
    for part in text_parts(text):
        if part.piece.line == line:
            node = _node(part.piece)
            if part.implied is not None and isinstance(node, yaml.SequenceNode):
                node = node.value[0]
            found = _descend(node, pointer)
            return None if found is None else line + found
    return None


def _node(piece: Piece) -> yaml.Node | None:
    if len(piece.text) > MAX_CHARACTERS:
        return None
    try:
        parse(piece.text)  # refuses what would exhaust the stack below
        node: yaml.Node | None = yaml.compose(piece.text, Loader=yaml.CSafeLoader)
    except (YamlError, yaml.YAMLError):
        return None
    return node


def _descend(node: yaml.Node | None, pointer: str) -> int | None:
    """Follow a JSON Pointer (RFC 6901); return the line of what it names, from 0."""
    line = _start(node)
    for step in pointer.split("/")[1:]:
        found = _child(node, step.replace("~1", "/").replace("~0", "~"))
        if found is None:
            return None
        line, node = found
    return line


def _child(node: yaml.Node | None, step: str) -> tuple[int | None, yaml.Node] | None:
    match node:
        case yaml.MappingNode():
            for key, value in node.value:
                if key.value == step:
                    return _start(key), value
        case yaml.SequenceNode() if step.isdecimal() and len(step) < 10:
            for value in node.value[int(step) : int(step) + 1]:
                return _start(value), value
    return None


def _start(node: Any) -> int | None:
    return node.start_mark.line if node is not None and node.start_mark else None
