"""TLS settings that Envoy refuses, or shakes no hand with, held against the real one."""

import ssl
from collections.abc import Mapping, Sequence
from socket import create_connection
from typing import Any

import pytest

from istiodoctor.mesh.configuration.listener import FilterChain
from istiodoctor.mesh.configuration.tls_faults import (
    CURVES,
    VERSIONS,
    curve_fault,
    pin_faults,
    version_fault,
)
from istiodoctor.mesh.gateways.cipher_suites import KNOWN_CIPHERS, refused_suites
from istiodoctor.mesh.gateways.servers import istio_servers
from istiodoctor.model.decode import decode_object
from istiodoctor.model.istio import IstioGateway, ServerTls
from istiodoctor.testing.certificates import Authority
from tests.lab.configured import chain, http, listener, tcp
from tests.lab.envoy import PATIENCE, Envoy
from tests.lab.refused import refused_listeners
from tests.lab.resources import Address, Resource, typed
from tests.support.objects import gateway, server

pytestmark = pytest.mark.envoy

RSA, EC = "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"
SUITES: Sequence[tuple[str, ...]] = (
    *((each,) for each in sorted(KNOWN_CIPHERS)),
    ("",), ("", EC), ("ALL",), ("-ALL",), ("!ALL",), ("-FOO",), ("!FOO",), ("+FOO",),
    (f"+{EC}",), (EC, f"+{EC}"), (EC, f"-{EC}"), (EC, f"!{RSA}"), (EC, "-FOO"), ("ALL", "-ALL"),
    ("ALL", f"-{EC}"), (f"[{EC}|{RSA}]",), (f"[{EC}|FOO]",), (EC, EC), (EC, "@STRENGTH"),
    (EC, "!SHA"), (EC, "+HIGH"),
)  # fmt: skip
LISTS_OF_CURVES: Sequence[tuple[str, ...]] = (
    *((each,) for each in CURVES),
    *((each,) for each in ("P-224", "foo", "p-256", "P256", "secp256r1", "SECP256R1", "X448")),
    *((each,) for each in ("X25519Kyber768Draft00", "MLKEM768", "P-192", "secp256k1", "MLKEM512")),
    ("P-256", "P-384"), ("P-256", "P-256"), ("P-256", "prime256v1"), ("P-256", "foo"), ("",),
)  # fmt: skip
PINS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "a digest": {"verifyCertificateHash": ["a" * 64]},
    "a digest in capitals": {"verifyCertificateHash": ["A" * 64]},
    "a digest with colons": {"verifyCertificateHash": [":".join(["ab"] * 32)]},
    "too short a digest": {"verifyCertificateHash": ["a" * 63]},
    "too long a digest": {"verifyCertificateHash": ["a" * 70]},
    "no digest": {"verifyCertificateHash": ["z" * 64]},
    "one of two": {"verifyCertificateHash": ["a" * 64, ""]},
    "a key": {"verifyCertificateSpki": ["NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A="]},
    "a key with its kind": {
        "verifyCertificateSpki": ["sha256/NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A="]
    },
    "a key without padding": {"verifyCertificateSpki": ["A" * 44]},
    "a short key": {"verifyCertificateSpki": ["abc"]},
    "no key": {"verifyCertificateSpki": ["!" * 44]},
}
CASES: Mapping[str, bool] = {
    **{f"suites {each}": bool(refused_suites(each)) for each in SUITES},
    **{f"curves {each}": curve_fault(each) is not None for each in LISTS_OF_CURVES},
}
EMPTY = {"name": "none"}
CERTIFICATE = Authority("root").issue("a.example.com")


def socket(parameters: Mapping[str, Any], validation: Mapping[str, Any] | None = None) -> Resource:
    """Return how TLS ends with a certificate that is there: all is refused with the listener."""
    certificate = {
        "certificate_chain": {"inline_string": CERTIFICATE.chain_pem},
        "private_key": {"inline_string": CERTIFICATE.key_pem},
    }
    return typed(
        "transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "tls_certificates": [certificate],
            "tls_params": parameters,
            **({"validation_context": validation} if validation else {}),
        },
        require_client_certificate=bool(validation),
    )


def validation(pins: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    return {
        "trusted_ca": {"inline_string": CERTIFICATE.root_pem},
        "verify_certificate_hash": pins.get("verifyCertificateHash", []),
        "verify_certificate_spki": pins.get("verifyCertificateSpki", []),
    }


def sockets() -> Mapping[str, Resource]:
    return {
        **{f"suites {each}": socket({"cipher_suites": each}) for each in SUITES},
        **{f"curves {each}": socket({"ecdh_curves": each}) for each in LISTS_OF_CURVES},
        **{f"pins {name}": socket({}, validation(each)) for name, each in PINS.items()},
    }


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What one Envoy says of each case that it refuses."""
    with Envoy(tmp_path_factory.mktemp("envoy")) as envoy:
        sent = [
            listener(name, port, [chain(FilterChain(), tcp(), socket=each)], host=envoy.address)
            for port, (name, each) in enumerate(sockets().items(), start=20_000)
        ]
        return refused_listeners(envoy, sent)


@pytest.mark.parametrize("name", CASES)
def test_suites_and_curves_are_refused_as_envoy_refuses_them(
    refused: Mapping[str, str], name: str
):
    assert CASES[name] == (name in refused), refused.get(name)


@pytest.mark.parametrize("name", PINS)
def test_pins_are_refused_as_envoy_refuses_them(refused: Mapping[str, str], name: str):
    tls = {"mode": "MUTUAL", "credentialName": "cert", **PINS[name]}
    decoded = decode_object(gateway("web", "shop", server(443, "HTTPS", "a.example.com", tls=tls)))
    assert decoded is not None
    assert isinstance(decoded.resource, IstioGateway)
    (only,) = istio_servers(decoded.resource)

    assert bool(list(pin_faults(only))) == (f"pins {name}" in refused), refused


def test_handshakes_fail_where_no_version_is_left(tmp_path_factory: pytest.TempPathFactory):
    ranges = [(oldest, newest) for oldest in ("", *VERSIONS) for newest in ("", *VERSIONS)]
    with Envoy(tmp_path_factory.mktemp("envoy")) as envoy:
        chains = [chain(FilterChain(), http(EMPTY), socket=_of(*each)) for each in ranges]
        envoy.listen(
            *(
                listener(str(port), port, [each], host=envoy.address)
                for port, each in enumerate(chains, start=20_000)
            )
        )
        envoy.listening()
        succeeded = [
            _shakes_hands((envoy.address, port)) for port in range(20_000, 20_000 + len(ranges))
        ]

    expected = [
        version_fault(ServerTls(min_protocol_version=oldest, max_protocol_version=newest)) is None
        for oldest, newest in ranges
    ]
    assert succeeded == expected


def _of(oldest: str, newest: str) -> Resource:
    names = {each: each.replace("TLSV", "TLSv") for each in VERSIONS}
    limits = {"tls_minimum_protocol_version": oldest, "tls_maximum_protocol_version": newest}
    suites = ["ECDHE-ECDSA-AES128-SHA", EC]
    return socket(
        {"cipher_suites": suites, **{key: names[each] for key, each in limits.items() if each}}
    )


def _shakes_hands(address: Address) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        with (
            create_connection(address, timeout=PATIENCE) as connection,
            context.wrap_socket(connection, server_hostname="a.example.com") as agreed,
        ):
            return agreed.version() is not None
    except OSError:
        return False
