"""Fields that are written and hold nothing."""

from typing import Any


def without_nulls(value: Any) -> Any:
    """Return a value without its nulls: for the API server, a null field is a missing one."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value if each is not None]
    return value
