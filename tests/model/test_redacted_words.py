"""What controllers and servers say is free text: no secret in it is shown or kept."""

from typing import Any

import msgspec
import pytest

from istiodoctor.model.decode import decode_object
from istiodoctor.model.kind import Kind
from istiodoctor.model.redaction import redact_parameters, redact_query
from istiodoctor.model.snapshot import Unread
from istiodoctor.sources.cluster.request_error import of_status
from istiodoctor.sources.source import SourceError, SourceErrorKind

MARK = "Zq-not-to-be-seen-1"
SAID = f"denied: token={MARK} Authorization: Bearer {MARK} at https://user:{MARK}@acme.example/?c={MARK}"
CONDITION = {"type": "Ready", "status": "False", "reason": "DoesNotExist", "message": SAID}
OBJECTS = {
    "Certificate": ("cert-manager.io/v1", {"conditions": [CONDITION]}),
    "ClusterIssuer": ("cert-manager.io/v1", {"conditions": [CONDITION]}),
    "Order": ("acme.cert-manager.io/v1", {"state": "errored", "reason": SAID}),
    "Challenge": ("acme.cert-manager.io/v1", {"state": "invalid", "reason": SAID}),
    "Gateway": (
        "gateway.networking.k8s.io/v1",
        {"conditions": [CONDITION], "listeners": [{"name": "https", "conditions": [CONDITION]}]},
    ),
    "HTTPRoute": (
        "gateway.networking.k8s.io/v1",
        {"parents": [{"parentRef": {"name": "web"}, "conditions": [CONDITION]}]},
    ),
    "Service": ("v1", {"conditions": [CONDITION]}),
    "Pod": (
        "v1",
        {
            "message": SAID,
            "conditions": [CONDITION],
            "containerStatuses": [
                {"name": "istio-proxy", "state": {"waiting": {"reason": "Error", "message": SAID}}}
            ],
        },
    ),
}


def decoded(kind: str, body: dict[str, Any]) -> str:
    found = decode_object({"kind": kind, "metadata": {"name": "one", "namespace": "shop"}, **body})
    assert found is not None
    return f"{msgspec.to_builtins(found.resource)}{found.document.json.decode()}"


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_status_is_kept_without_secrets(kind: str):
    version, status = OBJECTS[kind]

    kept = decoded(kind, {"apiVersion": version, "status": status})

    assert MARK not in kept
    assert "denied: token=[redacted]" in kept


def test_an_event_is_kept_without_secrets():
    body = {"apiVersion": "v1", "type": "Warning", "reason": "Failed", "message": SAID}

    assert MARK not in decoded("Event", body)


def test_a_reason_of_many_letters_stays():
    condition = CONDITION | {"reason": "NoMatchingListenerHostname", "message": "ok"}

    kept = decoded("Service", {"apiVersion": "v1", "status": {"conditions": [condition]}})

    assert "NoMatchingListenerHostname" in kept


def test_what_an_api_server_says_is_kept_without_secrets():
    body = msgspec.json.encode({"kind": "Status", "message": SAID})

    for error in (of_status(500, "No", {}, body), of_status(500, "No", {}, SAID.encode())):
        assert MARK not in f"{error.message} {error}"
        assert error.message.startswith("500 No: denied: token=[redacted]")


def test_what_was_not_read_and_why_nothing_was_is_said_without_secrets():
    said = f"it says secret: {MARK} and https://user:{MARK}@proxy.example.com"

    assert MARK not in Unread(kind=Kind.POD, message=said).message
    assert MARK not in str(SourceError(SourceErrorKind.UNREACHABLE, said))


def test_the_query_of_a_url_is_cut():
    assert redact_query(f"https://a.example.com/b?x={MARK}#{MARK}") == (
        "https://a.example.com/b?[redacted]#[redacted]"
    )
    assert redact_query("https://a.example.com/b") == "https://a.example.com/b"


def test_of_a_location_only_what_may_be_secret_is_cut():
    location = f"https://a.example.com/b?y=1&token=abc&z={MARK}&{MARK}"

    assert redact_parameters(location) == (
        "https://a.example.com/b?y=1&token=[redacted]&z=[redacted]&[redacted]"
    )
