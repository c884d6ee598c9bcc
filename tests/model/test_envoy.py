"""Answers of Envoy's admin port, as what they say and nothing more."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from istiodoctor.model import envoy_parts
from istiodoctor.model.envoy import (
    EnvoyCertificate,
    EnvoyFilterChain,
    EnvoyListener,
    EnvoySecret,
    EnvoyState,
    ListenerState,
    SecretStatus,
)
from istiodoctor.model.envoy_dump import EnvoyAnswers, decode_envoy, unread_envoy
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading, Snapshot, UnreadReason
from istiodoctor.testing.certificates import Authority, encoded

POD = Ref(CORE, "Pod", "istio-system", "gateway")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADMIN = "type.googleapis.com/envoy.admin.v3"
ROOT = Authority("Root")
ISSUED = ROOT.issue("shop.example.com")
KEY = "a private key that no answer should hold"
SHOP = {
    "name": "kubernetes://shop-cert",
    "version_info": "7",
    "last_updated": "2026-03-01T08:00:00.123Z",
    "secret": {
        "tls_certificate": {
            "certificate_chain": {"inline_bytes": encoded(ISSUED.chain_pem)},
            "private_key": {"inline_bytes": encoded(KEY)},
        }
    },
}
WAITING = {
    "name": "kubernetes://late-cert",
    "version_info": "uninitialized",
    "last_updated": "2026-03-01T09:00:00Z",
    "secret": {"name": "kubernetes://late-cert"},
}
AUTHORITY = {
    "name": "kubernetes://shop-cert-cacert",
    "secret": {"validation_context": {"trusted_ca": {"inline_string": ISSUED.root_pem}}},
}


def dump(*configs: dict[str, Any]) -> bytes:
    return json.dumps({"configs": configs}, indent=1).encode()


def part(kind: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"{ADMIN}.{kind}", **fields}


def decoded(*dumps: bytes, **answers: Any) -> EnvoyState:
    made = EnvoyAnswers(config_dumps=dumps, **answers)
    reading = decode_envoy(POD, taken_at=NOW, answers=made)
    (state,) = reading.envoys
    assert reading.unread == ()
    return state


def complaint(*dumps: bytes, **answers: Any) -> str:
    made = EnvoyAnswers(config_dumps=dumps, **answers)
    reading = decode_envoy(POD, taken_at=NOW, answers=made)
    (unread,) = reading.unread
    assert reading.envoys == ()
    assert (unread.kind, unread.namespace, unread.name) == (Kind.ENVOY, "istio-system", "gateway")
    assert unread.reason is UnreadReason.FAILED
    return unread.message


WHOLE = dump(
    part("BootstrapConfigDump", bootstrap={"node": {"id": 1}}),
    part(
        "SecretsConfigDump",
        dynamic_active_secrets=[SHOP, AUTHORITY],
        dynamic_warming_secrets=[WAITING],
    ),
)
PARTS = (
    dump(
        part("SecretsConfigDump.DynamicSecret", **SHOP),
        part("SecretsConfigDump.DynamicSecret", **AUTHORITY),
    ),
    dump(part("SecretsConfigDump.DynamicSecret", **WAITING)),
)


@pytest.mark.parametrize(
    "dumps",
    [(WHOLE,), PARTS, (b"\n".join(PARTS),), (dump(*json.loads(PARTS[0])["configs"],
     *json.loads(PARTS[1])["configs"]),)],
    ids=["whole", "parts", "parts in one file", "parts in one list"],
)  # fmt: skip
def test_secrets_are_the_same_from_a_whole_dump_and_from_its_parts(dumps):
    shop, authority, late = decoded(*dumps).secrets

    assert shop == EnvoySecret(
        name="kubernetes://shop-cert",
        status=SecretStatus.ACTIVE,
        version_info="7",
        last_updated=datetime(2026, 3, 1, 8, 0, 0, 123000, tzinfo=UTC),
        is_initialized=True,
        bundle=shop.bundle,
    )
    assert shop.leaf is not None
    assert int(shop.leaf.serial, 16) == ISSUED.certificate.serial_number
    assert (authority.is_ca, authority.is_initialized, authority.leaf) == (True, True, None)
    assert late == EnvoySecret(
        name="kubernetes://late-cert",
        status=SecretStatus.WARMING,
        version_info="uninitialized",
        last_updated=datetime(2026, 3, 1, 9, tzinfo=UTC),
        is_initialized=False,
    )


@pytest.mark.promise("certificates, Secrets without keys")
def test_no_private_key_is_kept_even_if_envoy_gave_one():
    state = decoded(WHOLE)

    assert KEY not in repr(state)
    assert encoded(KEY) not in repr(state)


def test_one_name_twice_is_the_one_that_was_received():
    active = part("SecretsConfigDump.DynamicSecret", **SHOP)
    again = part("SecretsConfigDump.DynamicSecret", **{**WAITING, "name": SHOP["name"]})

    for order in ((active, again), (again, active)):
        assert decoded(dump(*order)).secrets_by_name["kubernetes://shop-cert"].is_initialized


def listener(name: str, port: int, *chains: dict[str, Any]) -> dict[str, Any]:
    address = {"socket_address": {"address": "0.0.0.0", "port_value": port}}
    return {"name": name, "address": address, "filter_chains": chains}


def chain(host: str, **context: Any) -> dict[str, Any]:
    return {
        "filter_chain_match": {"server_names": [host]},
        "filters": [{"name": "any", "typed_config": {"deep": {"unknown": [1]}}}],
        "transport_socket": {"typed_config": {"common_tls_context": context}},
    }


def test_listeners_tell_their_chains_and_what_was_refused():
    shop = chain(
        "shop.example.com",
        tls_certificate_sds_secret_configs=[{"name": "kubernetes://shop-cert"}],
        combined_validation_context={
            "validation_context_sds_secret_config": {"name": "kubernetes://shop-cert-cacert"}
        },
    )
    version = {"listener": listener("0.0.0.0_8443", 8443, shop), "last_updated": "x"}
    error = {
        "failed_configuration": listener("0.0.0.0_8443", 8443),
        "details": "no\n  such filter",
        "last_update_attempt": "2026-03-01T11:00:00Z",
    }
    dynamic = {"name": "0.0.0.0_8443", "active_state": version, "error_state": error}

    (found,) = decoded(dump(part("ListenersConfigDump", dynamic_listeners=[dynamic]))).listeners

    assert found == EnvoyListener(
        name="0.0.0.0_8443",
        address="0.0.0.0",
        port=8443,
        states=frozenset({ListenerState.ACTIVE, ListenerState.FAILED}),
        filter_chains=(
            EnvoyFilterChain(
                server_names=("shop.example.com",),
                secrets=("kubernetes://shop-cert", "kubernetes://shop-cert-cacert"),
                other_filters=("any",),
            ),
        ),
        error="no such filter",
        refused_at=datetime(2026, 3, 1, 11, tzinfo=UTC),
    )


def test_listeners_that_only_the_list_of_open_ones_shows_are_there_too():
    status = {"name": "health", "local_address": listener("", 15021)["address"]}

    (found,) = decoded(listeners=json.dumps({"listener_statuses": [status]}).encode()).listeners

    assert (found.name, found.port, found.is_open) == ("health", 15021, True)


def test_certificates_in_use_are_told_from_client_authorities():
    one = {
        "path": "<inline>",
        "serial_number": "0AB1",
        "subject_alt_names": [{"dns": "shop.example.com"}, {"ip_address": "192.0.2.1"}],
        "days_until_expiration": "18446744073709551615",
        "valid_from": "2026-01-01T00:00:00Z",
        "expiration_time": "2026-04-01T00:00:00Z",
    }
    groups = [{"cert_chain": [one], "ca_cert": [{"serial_number": "1"}]}]

    found = decoded(certs=json.dumps({"certificates": groups}).encode()).certificates

    assert found == (
        EnvoyCertificate(
            serial="0ab1",
            subject_alternative_names=("shop.example.com", "192.0.2.1"),
            not_before=datetime(2026, 1, 1, tzinfo=UTC),
            not_after=datetime(2026, 4, 1, tzinfo=UTC),
            path="<inline>",
        ),
        EnvoyCertificate(serial="1", is_ca=True),
    )
    assert decoded(certs=None).certificates is None


@pytest.mark.parametrize(
    ("info", "version", "uptime"),
    [
        ({"version": "9e55/1.40.0/Clean/RELEASE/BoringSSL", "uptime_all_epochs": "90s"}, "1.40.0",
         timedelta(seconds=90)),
        ({"version": "own build", "uptime_all_epochs": "9999999999999s"}, "own build", None),
        ({}, "", None),
    ],
)  # fmt: skip
def test_what_an_envoy_says_of_itself(info, version, uptime):
    state = decoded(server_info=json.dumps(info).encode())

    assert (state.version, state.uptime) == (version, uptime)
    assert state.started == (NOW - uptime if uptime else None)


@pytest.mark.parametrize(
    ("name", "answer", "what"),
    [
        ("certs", b"<html>", "certs is not what Envoy answers (JSON is malformed"),
        ("listeners", b"[]", "listeners is not what Envoy answers (Expected object, got array)"),
        ("server_info", b"\xff\xfe", "server_info is not what Envoy answers ("),
        ("certs", b'{"certificates":' + b"[" * 5000, "certs is not what Envoy answers ("),
        (
            "certs",
            b'{"certificates":[{"cert_chain":[{"valid_from":"2026-01-01T00:00:00"}]}]}',
            "certs is not what Envoy answers (",
        ),
    ],
)
def test_garbage_is_said_in_a_sentence(name, answer, what):
    message = complaint(**{name: answer})

    assert message.startswith(f"what Envoy answers cannot be used: {what}")
    assert "\n" not in message


def test_garbage_in_a_dump_is_said_too():
    torn = dump(part("SecretsConfigDump.DynamicSecret", name=["no", "name"]))

    assert complaint(torn) == (
        "what Envoy answers cannot be used: config_dump is not what Envoy answers"
        " (Expected str, got array - at $.name)"
    )


INFO = json.dumps({"version": "9e55/1.40.0/Clean", "state": "LIVE"}).encode()
OPEN = json.dumps({"listener_statuses": [{"name": "health"}]}).encode()
LOADED = json.dumps({"certificates": [{"cert_chain": [{"serial_number": "2a"}]}]}).encode()


@pytest.mark.parametrize("spoilt", ["certs", "first dump", "second dump", "listeners", "info"])
def test_one_answer_of_no_use_takes_nothing_from_the_others(spoilt):
    good = {
        "certs": LOADED,
        "first dump": dump(part("SecretsConfigDump.DynamicSecret", **SHOP)),
        "second dump": dump(part("SecretsConfigDump.DynamicSecret", **WAITING)),
        "listeners": OPEN,
        "info": INFO,
    }
    given = good | {spoilt: b"<html>"}
    made = EnvoyAnswers(
        certs=given["certs"],
        config_dumps=(given["first dump"], given["second dump"]),
        listeners=given["listeners"],
        server_info=given["info"],
    )

    reading = decode_envoy(POD, taken_at=NOW, answers=made)

    (state,), (unread,) = reading.envoys, reading.unread
    told = {
        "certs": [each.serial for each in state.certificates or ()] == ["2a"],
        "first dump": "kubernetes://shop-cert" in state.secrets_by_name,
        "second dump": "kubernetes://late-cert" in state.secrets_by_name,
        "listeners": [each.name for each in state.listeners] == ["health"],
        "info": (state.version, state.lifecycle) == ("1.40.0", "LIVE"),
    }
    assert told == dict.fromkeys(good, True) | {spoilt: False}
    assert (state.certificates is None) == (spoilt == "certs")
    assert (unread.kind, unread.name) == (Kind.ENVOY, "gateway")
    assert unread.message.startswith("what Envoy answers cannot be used: ")


def test_what_was_not_had_is_passed_on_with_what_was():
    refused = unread_envoy(POD, "port 15000 answers 403 Forbidden: GET /certs")

    partly = EnvoyAnswers(certs=None, server_info=INFO, missing=(refused,))
    nothing = EnvoyAnswers(certs=None, missing=(refused,))

    reading = decode_envoy(POD, taken_at=NOW, answers=partly)
    assert ([each.version for each in reading.envoys], reading.unread) == (["1.40.0"], (refused,))
    assert decode_envoy(POD, taken_at=NOW, answers=nothing) == Reading(unread=(refused,))


def test_an_answer_that_is_too_large_is_not_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(envoy_parts, "MOST_BYTES", 1024 * 1024)

    message = complaint(b" " * (1024 * 1024 + 1))

    assert message == "what Envoy answers cannot be used: config_dump is larger than 1 MiB"


def test_a_chain_that_cannot_be_read_is_no_certificate_and_no_fault():
    secret = {**SHOP, "secret": {"tls_certificate": {"certificate_chain": {"inline_bytes": "%"}}}}
    by_file = {**SHOP, "secret": {"tls_certificate": {"certificate_chain": {"filename": "/a"}}}}

    for each in (secret, by_file):
        (found,) = decoded(dump(part("SecretsConfigDump.DynamicSecret", **each))).secrets
        assert (found.is_initialized, found.leaf) == (True, None)


def test_a_snapshot_keeps_the_last_state_of_each_pod():
    old = EnvoyState(pod=POD, taken_at=NOW, version="1")
    new = EnvoyState(pod=POD, taken_at=NOW, version="2")
    other = EnvoyState(pod=POD._replace(name="a"), taken_at=NOW)
    snapshot = Snapshot(taken_at=NOW, source="test", readings=[Reading(envoys=(old, other))])

    assert snapshot.plus(Reading(envoys=(new,))).envoys == (other, new)
    assert Reading(envoys=(new,)).kinds == {Kind.ENVOY}
