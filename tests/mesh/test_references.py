import pytest

from istiodoctor.mesh.gateways.credential_references import (
    CredentialReference,
    Form,
    Purpose,
    parse_credential_name,
)
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import Server
from tests.support.objects import Manifest, gateway, mesh_of, server


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop", (Form.KUBERNETES, "", "shop")),
        ("kubernetes://shop", (Form.KUBERNETES, "", "shop")),
        ("edge/shop", (Form.KUBERNETES, "edge", "shop")),
        ("kubernetes://edge/shop", (Form.KUBERNETES, "edge", "shop")),
        ("kubernetes-gateway://edge/shop", (Form.KUBERNETES_GATEWAY, "edge", "shop")),
        ("configmap://edge/shop", (Form.CONFIG_MAP, "edge", "shop")),
        ("builtin://", (Form.BUILTIN, "", "")),
        ("invalid://", (Form.INVALID, "", "")),
        ("sds://shop", (Form.EXTERNAL, "", "shop")),
        ("kubernetes-gateway://shop", (Form.UNPARSABLE, "", "kubernetes-gateway://shop")),
        ("kubernetes-gateway:///shop", (Form.UNPARSABLE, "", "kubernetes-gateway:///shop")),
        ("configmap://shop", (Form.UNPARSABLE, "", "configmap://shop")),
        ("edge/", (Form.UNPARSABLE, "", "edge/")),
        ("/shop", (Form.UNPARSABLE, "", "/shop")),
        ("vault://shop", (Form.UNPARSABLE, "", "vault://shop")),
        ("", (Form.UNPARSABLE, "", "")),
    ],
)
def test_a_credential_name_has_one_of_istiods_forms(text: str, expected: tuple[Form, str, str]):
    assert parse_credential_name(text) == expected


def only_server(tls: Manifest) -> Server:
    (found,) = servers(mesh_of(gateway("web", "shop", server(443, "HTTPS", "a.com", tls=tls))))
    return found


def reference(name: str, path: str, purpose: Purpose = Purpose.SERVER) -> CredentialReference:
    return CredentialReference(
        text=name,
        form=Form.KUBERNETES,
        name=name,
        purpose=purpose,
        path="/spec/servers/0/tls" + path,
    )


NAME = reference("a", "/credentialName")
NAMES = (reference("a", "/credentialNames/0"), reference("b", "/credentialNames/1"))


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        ({"mode": "SIMPLE", "credentialName": "a"}, (NAME,)),
        ({"mode": "SIMPLE", "credentialNames": ["a", "b"]}, NAMES),
        (
            {"mode": "MUTUAL", "credentialName": "a"},
            (NAME, reference("a", "/credentialName", Purpose.CLIENT_CA)),
        ),
        (
            {"mode": "OPTIONAL_MUTUAL", "credentialName": "a"},
            (NAME, reference("a", "/credentialName", Purpose.CLIENT_CA)),
        ),
        (
            {"mode": "MUTUAL", "credentialNames": ["a", "b"]},
            (*NAMES, reference("a", "/credentialNames/0", Purpose.CLIENT_CA)),
        ),
        (
            {"mode": "MUTUAL", "credentialName": "a", "caCertCredentialName": "c"},
            (NAME, reference("c", "/caCertCredentialName", Purpose.CLIENT_CA)),
        ),
        ({"credentialName": "a"}, ()),
        ({"mode": "PASSTHROUGH", "credentialName": "a"}, ()),
        ({"mode": "AUTO_PASSTHROUGH"}, ()),
        ({"mode": "ISTIO_MUTUAL"}, ()),
        ({"mode": "SIMPLE", "serverCertificate": "/a.pem", "privateKey": "/a.key"}, ()),
    ],
)
def test_a_server_asks_for_the_credentials_of_its_mode(
    tls: Manifest, expected: tuple[CredentialReference, ...]
):
    assert only_server(tls).credentials == expected
