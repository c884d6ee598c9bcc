"""What the reader says of a value is what a real Envoy does with it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from istiodoctor.model.certificates import read_bundle
from istiodoctor.model.credential import KeyState
from istiodoctor.model.private_key import read_private_key
from istiodoctor.testing.certificates import encoded
from tests.model import test_certificates, test_private_key

pytestmark = pytest.mark.envoy

TYPES = "type.googleapis.com/envoy.extensions"
ENVOY = Path(sys.executable).with_name("envoy")


@pytest.mark.parametrize(
    "shape", sorted(test_certificates.SHAPES.keys() - {"only a key", "too large"})
)
def test_envoy_refuses_the_chains_that_are_malformed(shape: str, tmp_path: Path):
    chain = test_certificates.SHAPES[shape][0].encode()

    accepted = _accepts(tmp_path, chain, test_certificates.ISSUED.key_pem.encode())

    assert accepted is not read_bundle(chain).is_malformed


@pytest.mark.parametrize("name", test_certificates.ODD)
def test_envoy_takes_the_odd_certificates_that_are_not_malformed(name: str, tmp_path: Path):
    chain = test_certificates.pem_of(test_certificates.ODD[name][0])

    accepted = _accepts(tmp_path, chain, test_certificates.ISSUED.key_pem.encode())

    assert accepted is not read_bundle(chain).is_malformed


@pytest.mark.parametrize(
    "shape", sorted(test_private_key.STATES.keys() - {"nothing", "too large"})
)
def test_envoy_takes_the_keys_that_are_usable(shape: str, tmp_path: Path):
    key = test_private_key.STATES[shape][0].encode()

    accepted = _accepts(tmp_path, test_private_key.ISSUED.pem.encode(), key)

    assert accepted is (read_private_key(key).state is KeyState.USABLE)


def _accepts(folder: Path, chain: bytes, key: bytes) -> bool:
    bootstrap = folder / "envoy.json"
    bootstrap.write_text(json.dumps(_bootstrap(encoded(chain), encoded(key))))
    command: list[str | Path] = [
        ENVOY,
        "--mode",
        "validate",
        "--disable-hot-restart",
        "-c",
        bootstrap,
    ]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = answer.stdout + answer.stderr
    assert (" OK" in said) is not ("Failed to load" in said or "KEY_VALUES_MISMATCH" in said), said
    return answer.returncode == 0


def _bootstrap(chain: str, key: str) -> dict[str, Any]:
    certificate = {"certificate_chain": {"inline_bytes": chain}}
    certificate |= {"private_key": {"inline_bytes": key}}
    tls = {
        "@type": f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": [certificate]},
    }
    proxy = {
        "@type": f"{TYPES}.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "none",
        "cluster": "none",
    }
    filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]
    socket = {"name": "envoy.transport_sockets.tls", "typed_config": tls}
    listener = {
        "name": "https",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": filters, "transport_socket": socket}],
    }
    cluster = {"name": "none", "type": "STATIC", "load_assignment": {"cluster_name": "none"}}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
