"""Values with other texts in them: what a report becomes when everything it read is hostile."""

from collections.abc import Collection
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar

from istiodoctor.model.ref import Ref

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
        case _ if is_dataclass(value) and not isinstance(value, type):
            changes = {
                f"{type(value).__name__}.{field.name}": field.name for field in fields(value)
            }
            return replace(
                value,
                **{
                    name: _with_text(getattr(value, name), text, keep)
                    for path, name in changes.items()
                    if path not in keep
                },
            )
        case _:
            return value
