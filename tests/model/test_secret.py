import base64
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from istiodoctor.model.credential import Credential, KeyState, PemDefect
from istiodoctor.model.decode import Undecodable, decode_object
from istiodoctor.model.secret import StandIn, decode_secret, redact_secret
from tests.support.certificates import NOT_AFTER, Authority, encoded, key_pem, new_key, secret

ROOT = Authority("Root")
INTERMEDIATE = Authority("Intermediate", ROOT)
ISSUED = INTERMEDIATE.issue("shop.example.com")
CHAIN, KEY = ISSUED.chain_pem, ISSUED.key_pem
REDACTED = encoded("REDACTED")


def _secret(values: dict[str, str | bytes], **fields: Any) -> dict[str, Any]:
    return {**secret("shop", "web", values), **fields}


def _with_metadata(**metadata: Any) -> dict[str, Any]:
    raw = _secret({"tls.crt": CHAIN, "tls.key": KEY})
    return {**raw, "metadata": {**raw["metadata"], **metadata}}


def test_a_secret_becomes_its_public_view():
    raw = ISSUED.secret("shop", "web", with_authority=True)
    raw["metadata"] |= {
        "creationTimestamp": "2026-02-03T04:05:06Z",
        "labels": {"team": "web"},
        "annotations": {"cert-manager.io/certificate-name": "web"},
        "ownerReferences": [{"apiVersion": "x/v1", "kind": "Certificate", "name": "web"}],
        "managedFields": [
            {"manager": "cert-manager", "fieldsV1": {"f:data": {"f:tls.crt": {}}}},
            {"manager": "kubectl", "fieldsV1": {"f:metadata": {}}},
        ],
    }

    credential = decode_secret(raw)

    assert (credential.namespace, credential.name) == ("shop", "web")
    assert credential.type == "kubernetes.io/tls"
    assert credential.keys == ("ca.crt", "tls.crt", "tls.key")
    assert credential.empty_keys == ()
    assert credential.creation_timestamp == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert credential.labels == {"team": "web"}
    assert credential.annotations == {"cert-manager.io/certificate-name": "web"}
    assert credential.owners == ("Certificate/web",)
    assert credential.managers == ("cert-manager",)
    assert credential.ca_key == "ca.crt"
    assert [each.common_name for each in credential.ca_bundle.certificates] == ["Root"]
    (pair,) = credential.pairs
    assert [each.common_name for each in pair.chain.certificates] == [
        "shop.example.com",
        "Intermediate",
    ]
    assert pair.private_key.state is KeyState.USABLE
    assert pair.key_matches_leaf is True


def test_a_key_of_another_certificate_does_not_match():
    credential = decode_secret(_secret({"tls.crt": CHAIN, "tls.key": key_pem(new_key())}))

    assert credential.pairs[0].key_matches_leaf is False


def test_both_pairs_are_there_in_the_order_of_istiod():
    values = {"tls.crt": CHAIN, "tls.key": KEY, "cert": CHAIN, "key": KEY}

    credential = decode_secret(_secret(dict(values)))

    assert [each.certificate_key for each in credential.pairs] == ["cert", "tls.crt"]
    assert credential.pair == credential.pairs[0]


def test_an_empty_pair_is_there_and_the_next_one_is_served():
    credential = decode_secret(_secret({"tls.crt": CHAIN, "tls.key": KEY, "cert": "", "key": ""}))

    assert credential.empty_keys == ("cert", "key")
    assert (credential.pairs[0].certificate_empty, credential.pairs[0].private_key_empty) == (
        True,
        True,
    )
    assert credential.pairs[0].private_key.state is KeyState.ABSENT
    assert credential.pair == credential.pairs[1]


@pytest.mark.parametrize("lonely", ["tls.crt", "tls.key", "cert", "key"])
def test_half_a_pair_is_no_pair(lonely: str):
    credential = decode_secret(_secret({lonely: CHAIN}))

    assert (credential.keys, credential.pairs) == ((lonely,), ())


@pytest.mark.parametrize(
    ("values", "key", "revoked"),
    [
        ({"cacert": ROOT.pem, "ca.crt": CHAIN, "crl": "x", "ca.crl": "y"}, "cacert", "crl"),
        ({"ca.crt": ROOT.pem, "crl": "x", "ca.crl": "y"}, "ca.crt", "ca.crl"),
        ({"cacert": "", "ca.crt": ROOT.pem}, "ca.crt", ""),
        ({"cacert": ""}, "cacert", ""),
        ({"ca.crt": ROOT.pem, "crl": "x"}, "ca.crt", ""),
        ({"crl": "x"}, "", "crl"),
        ({}, "", ""),
    ],
)
def test_authorities_come_from_the_first_key_that_is_filled(
    values: dict[str, str | bytes], key: str, revoked: str
):
    credential = decode_secret(_secret(values))

    assert (credential.ca_key, credential.revocation_list_key) == (key, revoked)
    found = [each.common_name for each in credential.ca_bundle.certificates]
    assert found == (["Root"] if values.get(key) else [])


def test_a_revocation_list_says_when_the_next_is_due():
    credential = decode_secret(_secret({"ca.crt": ROOT.pem, "ca.crl": ROOT.revoke(1)}))

    assert credential.revocation_list_next_update == NOT_AFTER


def test_string_data_wins_over_data():
    raw = _secret({"tls.crt": "old", "tls.key": "old"})
    raw["stringData"] = {"tls.crt": CHAIN, "tls.key": KEY}

    assert decode_secret(raw) == decode_secret(_secret({"tls.crt": CHAIN, "tls.key": KEY}))


def test_base64_in_lines_is_read_as_the_api_reads_it():
    raw = _secret({})
    raw["data"] = {
        "tls.crt": base64.encodebytes(CHAIN.encode()).decode(),
        "tls.key": base64.encodebytes(KEY.encode()).decode().replace("\n", "\r\n"),
    }

    assert decode_secret(raw) == decode_secret(_secret({"tls.crt": CHAIN, "tls.key": KEY}))


def test_null_is_nothing():
    raw = {
        "metadata": {"name": "web", "labels": None, "creationTimestamp": None},
        "type": None,
        "data": {"tls.crt": None, "tls.key": ""},
        "stringData": None,
    }

    assert decode_secret(raw).empty_keys == ("tls.crt", "tls.key")


def test_a_secret_without_certificates_gives_the_names_of_its_keys():
    raw = _secret({"password": "hunter2", "empty": ""})

    assert decode_secret(raw) == Credential(
        namespace="shop",
        name="web",
        type="Opaque",
        keys=("empty", "password"),
        empty_keys=("empty",),
    )
    assert redact_secret(raw)["data"] == {"empty": "", "password": REDACTED}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"data": ["hunter2"]}, "data: expected object, got array"),
        ({"data": "hunter2"}, "data: expected object, got str"),
        ({"stringData": 7}, "stringData: expected object, got int"),
        ({"data": {"tls.crt": 7}}, "data.tls.crt: expected str, got int"),
        ({"stringData": {"tls.key": ["hunter2"]}}, "stringData.tls.key: expected str, got array"),
        (
            {"data": {"tls.crt": "hunter2!", "tls.key": ""}},
            "data.tls.crt: not base64",
        ),
        ({"data": {"tls.crt": "", "tls.key": "hunter2!"}}, "data.tls.key: not base64"),
        (
            {"data": {"hunter2\n": "x"}},
            "data: a key is no name of letters, digits, -, _ and .",
        ),
        ({"data": {7: "x"}}, "data: a key is no name of letters, digits, -, _ and ."),
        ({"type": ["hunter2"]}, "type: expected str, got array"),
        ({"labels": {"x": 7}}, "metadata.labels[...]: expected str, got int"),
        ({"annotations": "hunter2"}, "metadata.annotations: expected object, got str"),
        ({"creationTimestamp": "hunter2"}, "metadata.creationTimestamp: Invalid RFC3339"),
        ({"managedFields": {"hunter2": 1}}, "metadata.managedFields: expected array"),
    ],
)
def test_a_field_of_a_wrong_type_is_named_and_its_value_is_not(raw: dict[str, Any], said: str):
    own = {"type", "data", "stringData"}
    whole = {
        "apiVersion": "v1",
        "kind": "Secret",
        **{key: value for key, value in raw.items() if key in own},
        "metadata": {"name": "web", **{k: v for k, v in raw.items() if k not in own}},
    }

    with pytest.raises(Undecodable) as caught:
        decode_object(whole)

    assert str(caught.value).startswith(said)
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize(
    "value", ["ENC[AES256_GCM,data:x]", "<path:a/b#c>", "${CRT}", "{{ .crt }}", "REDACTED", "***"]
)
@pytest.mark.parametrize("written", ["data", "base64", "stringData"])
@pytest.mark.parametrize("key", ["tls.crt", "ca.crt"])
def test_a_certificate_that_stands_for_another_makes_the_secret_unread(
    value: str, written: str, key: str
):
    raw = _secret({"tls.crt": CHAIN, "tls.key": KEY})
    field = "stringData" if written == "stringData" else "data"
    raw.setdefault(field, {})[key] = encoded(value) if written == "base64" else value

    for each in (raw, redact_secret(raw)):
        with pytest.raises(StandIn, match=f"^{key} is ") as caught:
            decode_secret(each)
        assert value not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"sops": {"mac": "ENC[AES256_GCM,data:x]"}},
        {"data": "<redacted>"},
        {"stringData": "***"},
        {"type": "kubernetes.io/tls", "data": {}},
        {"type": "kubernetes.io/tls", "data": None},
    ],
)
def test_a_secret_that_as_a_whole_stands_for_another_is_unread(fields: dict[str, Any]):
    raw = _secret({"tls.crt": "", "tls.key": ""}, **fields)

    for each in (raw, redact_secret(raw)):
        with pytest.raises(StandIn):
            decode_secret(each)


def test_a_stand_in_that_string_data_replaces_does_not_count():
    raw = _secret({"tls.key": KEY}, stringData={"tls.crt": CHAIN})
    raw["data"]["tls.crt"] = "${CRT}"

    assert decode_secret(raw) == decode_secret(_secret({"tls.crt": CHAIN, "tls.key": KEY}))


@pytest.mark.parametrize("value", ["REDACTED", REDACTED, "${KEY}", "<path:a/b#c>", "[redacted]"])
def test_only_the_key_is_unknown_where_only_the_key_is_redacted(value: str):
    raw = _secret({"tls.crt": CHAIN})
    raw["data"]["tls.key"] = value

    (pair,) = decode_secret(raw).pairs

    assert pair.private_key.state is KeyState.UNKNOWN
    assert (pair.key_matches_leaf, pair.chain.leaf is not None) == (None, True)


def test_the_copy_of_a_secret_holds_certificates_and_nothing_else():
    raw = _secret({"tls.crt": CHAIN + KEY, "tls.key": KEY, "password": "hunter2", "none": ""})
    raw["stringData"] = {"ca.crt": f"# mine\n{ROOT.pem}", "token": "hunter2"}
    raw["status"] = {"hunter2": 1}

    redacted = redact_secret(raw)

    # A key's block leaves an empty one behind, so that what readers make of the value stays.
    stub = "-----BEGIN REDACTED KEY-----\nREDACTED\n-----END REDACTED KEY-----\n"
    assert redacted == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": "shop", "name": "web"},
        "type": "Opaque",
        "data": {
            "ca.crt": encoded(f"\n{ROOT.pem}"),
            "none": "",
            "password": REDACTED,
            "tls.crt": encoded(CHAIN + stub),
            "tls.key": REDACTED,
            "token": REDACTED,
        },
    }


def test_a_key_among_certificates_is_a_fact():
    credential = decode_secret(_secret({"tls.crt": CHAIN + KEY, "tls.key": KEY}))

    assert credential.pairs[0].chain.defects == (PemDefect.PRIVATE_KEY_INSIDE,)


LEAKS = {
    "kubectl.kubernetes.io/last-applied-configuration": "{}",
    "kapp.k14s.io/original": "{}",
    "example.com/pem": KEY,
    "example.com/base64": encoded(KEY),
    "example.com/json": json.dumps({"data": {"password": "aHVudGVyMg=="}}),
}
HARMLESS = {
    "cert-manager.io/alt-names": "shop.example.com,www.shop.example.com,*.shop.example.com",
    "example.com/sha256": "0f" * 32,
    "reloader.stakater.com/match": "true",
    "argocd.argoproj.io/tracking-id": "shop-in-production:/Secret:shop/web-certificate",
}


@pytest.mark.parametrize("field", ["annotations", "labels"])
def test_labels_and_annotations_that_may_hold_a_value_are_dropped(field: str):
    raw = _with_metadata(**{field: {**LEAKS, **HARMLESS}})

    assert getattr(decode_secret(raw), field) == HARMLESS
    assert redact_secret(raw)["metadata"][field] == HARMLESS


def test_the_copy_keeps_the_name_of_the_datas_manager_and_no_other_bookkeeping():
    fields: dict[str, Any] = {"f:data": {".": {}, "f:tls.crt": {}}, "f:type": {}}
    entry = {"manager": "helm", "operation": "Update", "time": "x", "fieldsV1": fields}
    raw = _with_metadata(managedFields=[entry, {"manager": "other"}], uid="u-1", selfLink="/x")

    assert redact_secret(raw)["metadata"] == {
        "namespace": "shop",
        "name": "web",
        "uid": "u-1",
        "managedFields": [{"manager": "helm", "fieldsV1": {"f:data": {}}}],
    }


def test_the_original_is_left_as_it_was():
    raw = _with_metadata(annotations=dict(LEAKS))
    before = msgspec.json.encode(raw)

    redact_secret(raw)
    decode_secret(raw)

    assert msgspec.json.encode(raw) == before
