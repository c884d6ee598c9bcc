"""Values with other texts in them: what a report becomes when everything it read is hostile."""

from collections.abc import Collection
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar

import msgspec

from istiodoctor.model.ref import Ref
from istiodoctor.model.value import Value

T = TypeVar("T")


def with_text(value: T, text: str, *, keep: Collection[str] = ()) -> T:
    """Return the value with every text in it replaced, but for the fields of these names."""
    changed: Any = _with_text(value, text, keep)
    return changed  # type: ignore[no-any-return]


def _with_text(value: Any, text: str, keep: Collection[str]) -> Any:
    match value:
        case Enum():
            return value
        case str():
            return text
        case Ref():
            return Ref(*(_with_text(item, text, keep) for item in value))
        case tuple():
            return tuple(_with_text(item, text, keep) for item in value)
        case list():
            return [_with_text(item, text, keep) for item in value]
        case dict():
            return {text + key: _with_text(item, text, keep) for key, item in value.items()}
        case Value():
            names = value.__struct_fields__
            return msgspec.structs.replace(value, **_changed(value, names, text, keep))
        case _ if is_dataclass(value) and not isinstance(value, type):
            names = tuple(each.name for each in fields(value))
            return replace(value, **_changed(value, names, text, keep))
        case _:
            return value


def _changed(
    value: object, names: Collection[str], text: str, keep: Collection[str]
) -> dict[str, Any]:
    """Return the fields of a value with their texts replaced, but for those to keep."""
    return {
        name: _with_text(getattr(value, name), text, keep)
        for name in names
        if f"{type(value).__name__}.{name}" not in keep
    }
