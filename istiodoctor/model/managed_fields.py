"""Who wrote an object last, as the API server keeps it in `metadata.managedFields`.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
Of each entry only the manager, the operation and the time are kept, never the fields.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from istiodoctor.model.document import Document
from istiodoctor.model.metadata import Fields

MOST_WRITERS = 2
"""Of each object: the last ones."""
LONGEST_MANAGER = 128
"""The API server takes no longer name (apimachinery, `validation.FieldManagerMaxLength`)."""
LONGEST_TIME = len("2026-01-15T09:00:00.000000Z")
STATUS = "status"
"""What writes there, all the time, is a controller that tells what it sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The last time that an object was written, or made."""

    at: datetime
    manager: str = ""
    """Empty where nobody says; hostile."""
    operation: str = ""
    """`Apply` or `Update`; empty where it was not said."""
    is_creation: bool = False


class _Writer(Fields, frozen=True, kw_only=True):
    manager: str = ""
    operation: str = ""
    time: str = ""


class _Metadata(Fields, frozen=True, kw_only=True):
    creation_timestamp: str | None = None
    managed_fields: tuple[_Writer, ...] = ()


class _Head(Fields, frozen=True, kw_only=True):
    metadata: _Metadata = _Metadata()


_HEADS = msgspec.json.Decoder(_Head)


def last_writers(entries: Any) -> list[dict[str, str]]:
    """Return who wrote an object last, but for its status: small, the newest first.

    What is not as the API has it is left out: bookkeeping is no reason to lose an object.
    """
    found = sorted(_writers(entries), key=lambda each: each["time"], reverse=True)
    return found[:MOST_WRITERS]


def _writers(entries: Any) -> Iterator[dict[str, str]]:
    for each in entries if isinstance(entries, list) else ():
        if not isinstance(each, dict) or each.get("subresource") == STATUS:
            continue
        manager, time = each.get("manager"), each.get("time")
        operation = each.get("operation")
        if not isinstance(manager, str) or not isinstance(time, str) or len(time) > LONGEST_TIME:
            continue
        known = operation if operation in ("Apply", "Update") else ""
        yield {"manager": manager[:LONGEST_MANAGER], "operation": known, "time": time}


def last_written(document: Document) -> Written | None:
    """Return when an object was written last, and by whom; None where nothing says it."""
    try:
        metadata = _HEADS.decode(document.json).metadata
    except (msgspec.DecodeError, RecursionError):
        return None
    made = _time(metadata.creation_timestamp or "")
    times = ((_time(each.time), each) for each in metadata.managed_fields)
    written = [(at, each) for at, each in times if at is not None]
    if not written:
        return Written(at=made, is_creation=True) if made else None
    at, last = max(written, key=lambda each: each[0])
    return Written(
        at=at,
        manager=last.manager,
        operation=last.operation,
        is_creation=made is not None and at <= made,
    )


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None
