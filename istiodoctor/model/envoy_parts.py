"""The parts that answers of Envoy's admin port consist of, each with its type."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from istiodoctor.model import envoy_shapes as shapes
from istiodoctor.model.decode import Undecodable

MOST_BYTES = 64 * 1024 * 1024
"""The largest answer that is looked at."""

FEW = 1024
"""White space behind an answer, at most."""
_NEXT_DOCUMENT = re.compile(rb"(?<=\n\})\s+(?=\{)")
_TYPE = re.compile(r".*\.v\d\w*\.([\w.]+)")
_CAPITAL = re.compile(r"(?<=[a-z0-9])[A-Z]")
_NAME_OF_A_FIELD = re.compile(r"[A-Za-z0-9]+")

S = TypeVar("S", bound=shapes.Part)


def config_parts(*answers: bytes) -> Iterator[tuple[str, msgspec.Raw]]:
    """Yield the parts of dumps with their types; raises Undecodable.

    A type is given without its package, which has changed once.
    """
    for answer in answers:
        refuse_large(answer, "config_dump")
        for document in _documents(answer):
            for raw in answered(document, shapes.ConfigDump, "config_dump").configs:
                yield type_of(raw), _in_snake_case(raw)


def _documents(answer: bytes) -> Sequence[bytes]:
    """Return the answers that stand one after the other in a file; a large one is one alone."""
    end = answer.find(b"\n}")
    is_one = end < 0 or not answer[end + 2 : end + 2 + FEW].strip()
    return (answer,) if is_one else _NEXT_DOCUMENT.split(answer)


def type_of(raw: msgspec.Raw) -> str:
    """Return what a part says of its type: `ListenersConfigDump.DynamicListener`."""
    found = _TYPE.fullmatch(decoded(raw, shapes.Typed, "config_dump").type)
    return found[1] if found else ""


def answered(answer: bytes, of: type[S], name: str) -> S:
    """Return a whole answer; an empty one is a part without fields; raises Undecodable."""
    refuse_large(answer, name)
    return decoded(answer, of, name) if answer.strip() else of()


def refuse_large(answer: bytes, name: str) -> None:
    """Raise Undecodable for an answer that is too large to decode."""
    if len(answer) > MOST_BYTES:
        raise Undecodable(f"{name} is larger than {MOST_BYTES // 1024 // 1024} MiB")


def decoded(answer: bytes | msgspec.Raw, of: type[S], name: str) -> S:
    """Return JSON as a part; raises Undecodable, `name` says of what."""
    try:
        return msgspec.json.decode(answer, type=of)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _unusable(name, error) from None


def _in_snake_case(raw: msgspec.Raw) -> msgspec.Raw:
    """Return a part as Envoy itself names its fields: istioctl prints them in camel case."""
    try:
        names = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        if not any(map(_CAPITAL.search, names)):
            return raw
        return msgspec.Raw(msgspec.json.encode(_renamed(msgspec.json.decode(raw))))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _unusable("config_dump", error) from None


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {snake_case(name): _renamed(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each) for each in value]
    return value


def snake_case(name: str) -> str:
    """Return the name of a field in snake case; names of filters and hosts are no such names."""
    if not _NAME_OF_A_FIELD.fullmatch(name):
        return name
    return _CAPITAL.sub(lambda found: f"_{found[0]}", name).lower()


def _unusable(name: str, error: Exception) -> Undecodable:
    words = str(error).replace("`", "") or "nested too deeply"
    return Undecodable(f"{name} is not what Envoy answers ({words})")
