"""The addresses of listeners that Envoy refuses, held against the real one."""

from collections.abc import Iterator, Mapping

import pytest

from istiodoctor.mesh.configuration.listener import FilterChain, Listener
from istiodoctor.mesh.configuration.listener_addresses import address_fault, shared_addresses
from tests.lab.configured import chain, listener, tcp
from tests.lab.envoy import Envoy
from tests.lab.refused import refused_listeners
from tests.lab.resources import Resource

pytestmark = pytest.mark.envoy

ADDRESSES: Mapping[str, tuple[str, str]] = {
    "everything twice": ("0.0.0.0", "0.0.0.0"),
    "everything of each kind": ("0.0.0.0", "::"),
    "everything and one": ("0.0.0.0", "127.0.0.1"),
    "everything, spelt in two ways": ("::", "0:0::0"),
    "everything, spelt out": ("::", "0000:0000:0000:0000:0000:0000:0000:0000"),
    "one, spelt in two ways": ("::1", "0::1"),
    "zeros before a number": ("127.0.0.1", "127.0.0.01"),
    "an address of IPv4 as one of IPv6": ("127.0.0.1", "::ffff:127.0.0.1"),
    "names": ("localhost", "example.com"),
    "spaces": (" 127.0.0.1", "127.0.0.1 "),
    "parts of an address": ("127.1", "0"),
    "brackets": ("[::]", "[::1]"),
    "a port, a wildcard": ("127.0.0.1:80", "*"),
}
"""The addresses of two listeners of one port."""


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What one Envoy says of each listener that it refuses."""
    with Envoy(tmp_path_factory.mktemp("envoy")) as envoy:
        return refused_listeners(envoy, list(_sent()))


def _sent() -> Iterator[Resource]:
    for port, (name, pair) in enumerate(ADDRESSES.items(), start=20_000):
        for number, bind in enumerate(pair):
            yield listener(f"{name} {number}", port, [chain(FilterChain(), tcp())], host=bind)


@pytest.mark.parametrize("name", ADDRESSES)
def test_addresses_are_refused_as_envoy_refuses_them(refused: Mapping[str, str], name: str):
    both = [
        Listener(port=1, bind=each, filter_chains=(FilterChain(),)) for each in ADDRESSES[name]
    ]

    later = {fault.chain for fault in shared_addresses(both)}
    found = [address_fault(each) or each.filter_chains[0] in later for each in both]
    assert [bool(each) for each in found] == [f"{name} {i}" in refused for i in (0, 1)], refused
