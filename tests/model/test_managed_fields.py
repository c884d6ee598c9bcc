"""Who wrote an object last is kept, small; of what was written nothing is."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from istiodoctor.model.decode import Decoded, decode_object
from istiodoctor.model.document import Document
from istiodoctor.model.managed_fields import Written, last_writers, last_written

AT = datetime(2026, 3, 1, 11, tzinfo=UTC)
MADE = "2026-01-01T00:00:00Z"


def entry(manager: str, time: str, operation: str = "Update", **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:spec": {"f:value": {}}}
    return {
        "manager": manager,
        "operation": operation,
        "time": time,
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def decoded(*entries: Any, kind: str = "Gateway", made: str | None = None) -> Decoded:
    metadata: dict[str, Any] = {"name": "web", "namespace": "shop", "managedFields": list(entries)}
    if made:
        metadata["creationTimestamp"] = made
    raw = {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata}
    found = decode_object(raw)
    assert found is not None
    return found


def written(*entries: Any, made: str | None = None) -> Written | None:
    return last_written(decoded(*entries, made=made).document)


def test_the_last_writer_is_known_and_no_field_that_it_wrote():
    found = decoded(
        entry("kubectl-edit", "2026-02-01T10:00:00Z"),
        entry("argocd", "2026-03-01T11:00:00Z", "Apply"),
        made=MADE,
    )

    assert last_written(found.document) == Written(at=AT, manager="argocd", operation="Apply")
    assert b"fieldsV1" not in found.document.json


def test_what_a_controller_writes_into_the_status_is_no_change():
    found = written(
        entry("argocd", "2026-03-01T11:00:00Z"),
        entry("pilot-discovery", "2026-03-01T11:59:00Z", subresource="status"),
    )

    assert found
    assert found.manager == "argocd"


def test_who_made_an_object_and_never_changed_it_made_it():
    assert written(entry("helm", MADE), made=MADE) == Written(
        at=datetime(2026, 1, 1, tzinfo=UTC), manager="helm", operation="Update", is_creation=True
    )


def test_without_managers_the_time_of_creation_is_all_that_is_known():
    assert written(made=MADE) == Written(at=datetime(2026, 1, 1, tzinfo=UTC), is_creation=True)
    assert written() is None


@pytest.mark.parametrize(
    "odd",
    [
        "text",
        None,
        {"manager": 1, "time": MADE},
        {"manager": "x", "time": 1},
        {"manager": "x", "time": "yesterday"},
        {"manager": "x", "time": "2026-02-30T00:00:00Z"},
        {"manager": "x", "time": "2026-02-20T00:00:00"},
        {"manager": "x", "time": "9" * 1000},
        {"manager": "x"},
    ],
)
def test_bookkeeping_that_does_not_parse_loses_no_object_and_no_other_entry(odd: Any):
    found = written(odd, entry("argocd", "2026-03-01T11:00:00Z"))

    assert found
    assert found.manager == "argocd"
    assert decoded(odd).resource is not None


def test_what_is_kept_is_bounded():
    found = last_writers(
        [entry("m" * 10_000, f"2026-03-01T{hour:02}:00:00Z") for hour in range(9)]
    )

    assert [(each["time"], len(each["manager"])) for each in found] == [
        ("2026-03-01T08:00:00Z", 128),
        ("2026-03-01T07:00:00Z", 128),
    ]


def test_a_document_that_is_read_again_says_the_same():
    once = decoded(entry("argocd", "2026-03-01T11:00:00Z", "Apply"), made=MADE).document
    again = decode_object(msgspec.json.decode(once.json))

    assert again is not None
    assert last_written(again.document) == last_written(once)


def test_a_document_without_readable_metadata_says_nothing():
    assert last_written(Document(b'{"metadata": 1}')) is None
