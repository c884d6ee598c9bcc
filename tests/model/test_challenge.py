"""What is kept of a Challenge."""

from istiodoctor.model.certmanager import Challenge
from istiodoctor.model.decode import decode_object

WRITTEN = {
    "apiVersion": "acme.cert-manager.io/v1",
    "kind": "Challenge",
    "metadata": {"name": "shop-1", "namespace": "shop"},
    "spec": {
        "type": "HTTP-01",
        "dnsName": "shop.example.com",
        "token": "the-token",
        "key": "the-token.the-thumbprint",
    },
}


def test_probes_may_know_the_token_which_no_document_keeps_and_nobody_the_key():
    found = decode_object(WRITTEN)

    assert found
    assert isinstance(found.resource, Challenge)
    assert found.resource.spec.token == "the-token"
    assert b"the-token" not in found.document.json
    assert "thumbprint" not in f"{found.resource}{found.document}"
