"""No private key leaves the decoder, whatever is read."""

import base64
import json
from functools import cache
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from istiodoctor.model.credential import Credential, KeyState, PrivateKeyFacts
from istiodoctor.model.decode import Undecodable, decode_object
from istiodoctor.model.secret import StandIn, decode_secret, redact_secret
from istiodoctor.testing.certificates import Authority, Issued, encoded, key_pem, secret

ROOT = Authority("Root")
KINDS = ("ec", "ec384", "rsa", "ed25519")
ISSUED = {kind: Authority("Above", ROOT).issue("a.example.com", key=kind) for kind in KINDS}
WINDOW = 16

KEYS = ("tls.crt", "tls.key", "cert", "key", "ca.crt", "cacert", "crl", "ca.crl", "other")
STAND_INS = ("REDACTED", "${X}", "{{ x }}", "ENC[AES256_GCM,data:x]", "***", "<path:a#b>")


def _forms(issued: Issued) -> list[str | bytes]:
    """What a careless hand makes of a key and its certificate."""
    new, old = key_pem(issued.key), _old(issued)
    body = "".join(new.splitlines()[1:-1])
    return [
        issued.pem,
        issued.chain_pem,
        issued.pem.rstrip() + issued.intermediates_pem,
        new,
        old,
        key_pem(issued.key, password=b"x"),
        issued.chain_pem + new,
        new.rstrip() + issued.chain_pem,
        issued.pem.rstrip() + old,
        new.replace(" PRIVATE KEY", " CERTIFICATE"),
        old.replace("PRIVATE KEY", "SOMETHING"),
        new.replace("\n", " "),
        new.replace("\n", "\\n"),
        "\ufeff" + new,
        new[: len(new) // 2],
        f"-----BEGIN CERTIFICATE-----\n{new}-----END CERTIFICATE-----\n",
        f"{issued.pem}{body}\n{issued.intermediates_pem}",
        f"{body}\n{issued.pem.rstrip()} {body}",
        body,
        base64.b64decode(body),
        encoded(new),
        encoded(issued.pem + new),
        issued.certificate.public_bytes(Encoding.DER),
        issued.certificate.public_bytes(Encoding.DER) + base64.b64decode(body),
        json.dumps({"data": {"tls.key": encoded(new)}}),
    ]


def _old(issued: Issued) -> str:
    form = "pkcs8" if "Ed25519" in type(issued.key).__name__ else "traditional"
    return key_pem(issued.key, form)


@cache
def _private_windows() -> frozenset[str]:
    """Return every 16 characters of a key's lines that its public half does not show as well."""
    private: set[str] = set()
    public: set[str] = set()
    for issued in ISSUED.values():
        for pem in (key_pem(issued.key), _old(issued)):
            start, stop = pem.index("\n") + 1, pem.rindex("\n-----END")
            for line in pem[start:stop].rstrip("=").splitlines():
                private |= _windows(line)
            text = pem
            for _ in range(2):  # base64 of it, and of that again
                text, start, stop = encoded(text), -(-start // 3) * 4, (stop - 2) // 3 * 4
                private |= _windows(text[start:stop])
        known = issued.key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        for shift in range(3):
            public |= _windows(encoded(b"\0" * shift + known))
            once = encoded(b"\0" * shift + issued.pem.encode())
            public |= _windows(issued.pem) | _windows(once)
            for again in range(3):
                public |= _windows(encoded("\0" * again + once))
    return frozenset(private - public)


def _windows(line: str) -> set[str]:
    return {line[at : at + WINDOW] for at in range(len(line) - WINDOW + 1)}


def _leaks(text: str) -> set[str]:
    return _windows(text) & _private_windows()


VALUES = st.sampled_from([form for each in ISSUED.values() for form in _forms(each)])
VALUES |= st.sampled_from(STAND_INS) | st.text(max_size=30) | st.binary(max_size=30)
WRONG = st.one_of(st.none(), st.integers(), st.lists(VALUES.map(str), max_size=1))


def _plain(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


WRITTEN = VALUES.map(encoded) | VALUES.map(_plain) | WRONG
TEXTS = st.dictionaries(st.sampled_from(["a", "b"]), VALUES.map(_plain), max_size=2)


@st.composite
def secrets(draw: st.DrawFn) -> dict[str, Any]:
    names = st.sampled_from(KEYS) | VALUES.map(_plain)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "labels": draw(TEXTS),
            "annotations": draw(TEXTS | VALUES.map(_plain)),
        },
        "type": draw(st.sampled_from(["Opaque", "kubernetes.io/tls"]) | WRONG),
        "data": draw(st.dictionaries(st.sampled_from(KEYS), WRITTEN, max_size=6) | WRITTEN),
        "stringData": draw(st.dictionaries(names, VALUES.map(_plain), max_size=2) | st.none()),
    }


@st.composite
def proper_secrets(draw: st.DrawFn) -> dict[str, Any]:
    names = st.sampled_from(KEYS)
    annotations = draw(TEXTS)
    manager = {"manager": "helm", "fieldsV1": {"f:data": {"f:tls.key": {}}}}
    return {
        "metadata": {
            "name": "web",
            "labels": draw(TEXTS),
            "annotations": annotations,
            "managedFields": draw(st.sampled_from([[], [manager], [{"manager": "other"}]])),
        },
        "type": draw(st.sampled_from(["Opaque", "kubernetes.io/tls"])),
        "data": draw(st.dictionaries(names, VALUES.map(encoded), max_size=8)),
        "stringData": draw(st.dictionaries(names, VALUES.map(_plain), max_size=2)),
    }


def test_the_search_for_leaks_finds_one():
    for issued in ISSUED.values():
        assert _leaks(key_pem(issued.key))
        assert _leaks(encoded(key_pem(issued.key)))
        assert not _leaks(issued.chain_pem + encoded(issued.chain_pem))


@pytest.mark.parametrize("key", ["tls.crt", "tls.key", "ca.crt", "ca.crl", "other"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_form_of_a_key_leaves_the_decoder_wherever_it_stands(kind: str, key: str):
    for form in _forms(ISSUED[kind]):
        pair = {"tls.crt": ISSUED[kind].chain_pem, "tls.key": ISSUED[kind].key_pem}
        raw = secret("shop", "web", {**pair, key: form})
        raw["metadata"]["annotations"] = {"copy": _plain(form), "encoded": encoded(form)}
        raw["metadata"]["labels"] = {"copy": _plain(form)}

        assert not _leaks("\n".join(_everything_that_leaves(raw)))


@pytest.mark.promise("with its certificate where it is decoded and dropped there")
@settings(deadline=None)
@given(secrets() | proper_secrets())
def test_no_part_of_a_private_key_leaves_the_decoder(raw: dict[str, Any]):
    assert not _leaks("\n".join(_everything_that_leaves(raw)))


def _everything_that_leaves(raw: dict[str, Any]) -> list[str]:
    seen = []
    for step in (decode_secret, redact_secret, decode_object):
        try:
            result = step(raw)
        except (msgspec.ValidationError, StandIn, Undecodable) as error:
            seen += [repr(error), str(error), repr(error.__cause__), repr(error.__context__)]
            continue
        seen.append(repr(result))
        if isinstance(result, Credential):
            seen.append(msgspec.json.encode(result).decode())
        if isinstance(result, dict):
            seen.append(json.dumps(result))
            data = result["data"]
            seen += [_decoded(each) for each in data.values()] if isinstance(data, dict) else []
    return seen


def _decoded(value: str) -> str:
    plain = base64.b64decode(value)
    return plain.decode("latin-1") + encoded(plain)


@settings(deadline=None)
@given(proper_secrets())
def test_the_copy_of_a_secret_gives_the_same_credential_without_its_keys(raw: dict[str, Any]):
    redacted = redact_secret(raw)

    assert redact_secret(redacted) == redacted
    try:
        expected = _without_keys(decode_secret(raw))
    except StandIn as stand_in:
        with pytest.raises(StandIn, match=_place(stand_in)):
            decode_secret(redacted)
    else:
        assert decode_secret(redacted) == expected


def _place(stand_in: StandIn) -> str:
    return str(stand_in).partition(" is ")[0]


def _without_keys(credential: Credential) -> Credential:
    unknown = PrivateKeyFacts(state=KeyState.UNKNOWN)
    pairs = tuple(
        each if each.private_key_empty else msgspec.structs.replace(each, private_key=unknown)
        for each in credential.pairs
    )
    return msgspec.structs.replace(credential, pairs=pairs)
