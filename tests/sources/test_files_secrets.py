import msgspec
import pytest

from istiodoctor.model.credential import KeyState
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import UNKNOWN_NAMESPACE
from istiodoctor.model.snapshot import Unread, UnreadReason
from istiodoctor.testing.certificates import Authority
from tests.sources.files_support import ALL, opened, places, read, service, write


def test_a_secret_becomes_facts_and_its_key_goes_no_further(tmp_path):
    issued = Authority("Test CA").issue("shop.example.com")
    secret = issued.secret("shop", "tls")
    file = write(tmp_path / "a.yaml", msgspec.json.encode(secret))

    reading = read(file)

    (credential,) = reading.credentials
    assert credential.pair is not None
    assert credential.pair.key_matches_leaf is True
    assert reading.secret_names == {("shop", "tls")}
    assert secret["data"]["tls.key"] not in repr(reading)
    assert issued.key_pem not in repr(reading)


def test_a_malformed_secret_says_nothing_of_its_values(tmp_path):
    private = "PRIVATE-VALUE"
    text = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\nstringData:\n  k: {private}\n"
    write(tmp_path / "a.yaml", text + f"   {private}: [{private}\n")
    write(tmp_path / "b.yaml", text + f"  ? {private}\n  : {private}\n  {private}: 1\n")
    write(tmp_path / "c.json", text + f'{{"kind": "Secret", "data": {{"k": "{private}}}}}')
    write(tmp_path / "d.yaml", service("d"))

    reading = read(tmp_path)

    assert [str(each.kind) for each in reading.unread] == ["secrets", "secrets", "secrets"]
    values = [each.message for each in reading.unread if f": {private}" in each.message]
    assert values == []
    assert f"k: {private}" not in repr(reading)


def test_secrets_are_left_alone_when_nobody_asks_for_them(tmp_path):
    secret = Authority("Test CA").issue("shop.example.com").secret("shop", "tls")
    write(tmp_path / "a.yaml", msgspec.json.encode(secret))
    write(tmp_path / "b.yaml", SEALED)

    reading = opened(tmp_path).collect(ALL - {Kind.SECRET})

    assert (reading.credentials, reading.secret_names, reading.unread) == ((), frozenset(), ())


SEALED = """\
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata:
  name: sealed
  namespace: shop
spec:
  template:
    metadata:
      name: tls
"""
EXTERNAL = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: external
spec:
  target:
    name: tls
    template:
      data:
        tls.crt: "{{ .crt }}"
"""
ENCRYPTED = """\
apiVersion: v1
kind: Secret
metadata:
  name: tls
  namespace: shop
type: kubernetes.io/tls
stringData:
  tls.crt: ENC[AES256_GCM,data:abc,type:str]
  tls.key: ENC[AES256_GCM,data:abc,type:str]
"""


@pytest.mark.parametrize(
    ("text", "namespace", "reason"),
    [
        (SEALED, "shop", "its content comes from the SealedSecret shop/sealed"),
        (EXTERNAL, "", "its content comes from the ExternalSecret external"),
        (ENCRYPTED, "shop", "tls.crt is encrypted by SOPS"),
    ],
    ids=["SealedSecret", "ExternalSecret", "SOPS"],
)
def test_what_stands_for_a_secret_exists_and_is_unread(tmp_path, text, namespace, reason):
    file = write(tmp_path / "a.yaml", text)

    reading = read(file)

    assert reading.secret_names == {(namespace or UNKNOWN_NAMESPACE, "tls")}
    assert reading.credentials == ()
    assert reading.unread == (
        Unread(
            kind=Kind.SECRET,
            namespace=namespace,
            name="tls",
            reason=UnreadReason.REDACTED,
            message=reason,
            file=str(file),
            line=1,
        ),
    )


def test_an_external_secret_that_only_adds_to_another_proves_nothing(tmp_path):
    merge = EXTERNAL.replace("  target:\n", "  target:\n    creationPolicy: Merge\n")
    none = EXTERNAL.replace("  target:\n", "  target:\n    creationPolicy: None\n")

    merged = read(write(tmp_path / "a.yaml", merge))
    nothing = read(write(tmp_path / "b.yaml", none))

    assert (merged.secret_names, len(merged.unread)) == (frozenset(), 1)
    assert (nothing.secret_names, len(nothing.unread)) == (frozenset(), 0)


def test_the_secret_itself_counts_more_than_what_stands_for_it(tmp_path):
    secret = Authority("Test CA").issue("shop.example.com").secret("shop", "tls")
    write(tmp_path / "a.yaml", msgspec.json.encode(secret))
    write(tmp_path / "b.yaml", SEALED)

    reading = read(tmp_path)

    assert [each.ref.path for each in reading.credentials] == ["shop/tls"]
    assert reading.unread == ()


def test_recorded_facts_complete_a_redacted_secret(tmp_path):
    issued = Authority("Test CA").issue("shop.example.com")
    original = read(
        write(tmp_path / "original.json", msgspec.json.encode(issued.secret("shop", "tls")))
    )
    recorded = {
        "takenAt": "2026-05-01T10:00:00Z",
        "credentialFacts": list(original.credentials),
    }
    write(tmp_path / "snapshot" / "snapshot.json", msgspec.json.encode(recorded))
    (document,) = original.documents.values()
    write(tmp_path / "snapshot" / "objects.yaml", document.json)

    without = read(tmp_path / "snapshot" / "objects.yaml")
    with_facts = read(tmp_path / "snapshot")

    (redacted,) = without.credentials
    assert redacted.pair is not None
    assert redacted.pair.private_key.state is KeyState.UNKNOWN
    assert with_facts.credentials == original.credentials
    assert places(with_facts) == {"Secret shop/tls": "objects.yaml:1"}
