import base64

import pytest

from istiodoctor.model.stand_in import style_of
from istiodoctor.testing.certificates import Authority

ISSUED = Authority("Root").issue("a.example.com")


@pytest.mark.parametrize(
    ("value", "style"),
    [
        ("ENC[AES256_GCM,data:abc,iv:x=,tag:y==,type:str]", "encrypted by SOPS"),
        ("<path:secret/data/web#crt>", "a placeholder of argocd-vault-plugin"),
        ("<path:secret/data/web#crt | base64encode>", "a placeholder of argocd-vault-plugin"),
        ("${TLS_CRT}", "a variable that is still to be filled in"),
        ("$TLS_CRT", "a variable that is still to be filled in"),
        ("$(TLS_CRT)", "a variable that is still to be filled in"),
        (
            "-----BEGIN CERTIFICATE-----\n${CRT}\n-----END",
            "a variable that is still to be filled in",
        ),
        ("{{ .Values.crt | b64enc }}", "a template expression"),
        ("{% crt %}", "a template expression"),
        ("ref+vault://secret/web#/crt", "a reference to a secret store"),
        ("op://web/tls/crt", "a reference to a secret store"),
        ("vault:secret/data/web#crt", "a reference to a secret store"),
        ("REDACTED", "redacted"),
        ("[redacted]", "redacted"),
        ("<redacted>", "redacted"),
        ("***REDACTED***", "redacted"),
        ("***HIDDEN***", "redacted"),
        ("***", "redacted"),
        ("*** (before)", "redacted"),
        ("++++++++", "redacted"),
        ("xxxx", "redacted"),
        ("1704 bytes", "redacted"),
        ("<base64 of the certificate>", "a placeholder"),
        (f"{ISSUED.pem}${{MORE}}\n", "a variable that is still to be filled in"),
        ("LS0tLS1CRUdJTiBD...", "abbreviated"),
        ("-----BEGIN CERTIFICATE-----\nMIIC...\n-----END CERTIFICATE-----\n", "abbreviated"),
    ],
)
def test_a_stand_in_is_known_by_its_style(value: str, style: str):
    assert style_of(value) == style


@pytest.mark.parametrize(
    "value",
    [
        "",
        "\n",
        "hello",
        "-",
        "istiodoctor: not-pem",
        ISSUED.pem,
        ISSUED.chain_pem * 40,
        ISSUED.key_pem,
        f"# made for <shop> [staging] *.example.com {{x}} $5\n{ISSUED.pem}",
        base64.b64encode(ISSUED.pem.encode()).decode(),
        "\ufeff" + ISSUED.pem,
    ],
)
def test_a_real_value_is_no_stand_in(value: str):
    assert style_of(value) == ""


def test_a_long_value_without_an_end_is_soon_given_up():
    assert style_of("{{" * 500_000) == ""
