from collections.abc import Sequence

import pytest

from istiodoctor.mesh.configuration.filter_chain_match import (
    ConnectionOutcome,
    FilterChainIndex,
    connection_outcome,
)
from istiodoctor.mesh.configuration.listener import (
    DownstreamTls,
    FilterChain,
    HttpConnectionManager,
)

HTTP = HttpConnectionManager(route_configuration="http")
TLS = DownstreamTls()


def chain(*names: str, **fields: object) -> FilterChain:
    return FilterChain(server_names=names, **fields)  # type: ignore[arg-type]


EXACT, WILDCARD, WIDER, REST = chain("a.b.com"), chain("*.b.com"), chain("*.com"), chain()
CHAINS = (REST, WIDER, WILDCARD, EXACT)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.b.com", EXACT),
        ("A.B.COM", EXACT),
        ("x.b.com", WILDCARD),
        ("x.y.b.com", WILDCARD),
        ("b.com", WIDER),
        ("com", REST),
        (".b.com", WILDCARD),
        ("x.b.com.", REST),
        ("", REST),
        ("²", REST),
        ("a" * 70_000, REST),
    ],
)
def test_the_most_specific_name_takes_a_connection(name: str, expected: FilterChain):
    assert FilterChainIndex(CHAINS).find(name, is_tls=True) is expected


def test_a_name_that_no_chain_has_is_closed():
    assert FilterChainIndex([EXACT]).find("other.com", is_tls=True) is None


def test_a_plain_connection_has_no_name():
    assert FilterChainIndex(CHAINS).find("a.b.com", is_tls=False) is REST
    assert FilterChainIndex([EXACT]).find("a.b.com", is_tls=False) is None


def test_what_was_chosen_by_name_is_not_chosen_again_by_protocol():
    mutual = chain("a.com", application_protocols=("istio",))

    index = FilterChainIndex([mutual, chain()])

    assert index.find("a.com", is_tls=True, protocols=("h2",)) is None
    assert index.find("a.com", is_tls=True, protocols=("h2", "istio")) is mutual


def test_the_clients_order_of_protocols_decides():
    first, second = (chain("a", application_protocols=(each,)) for each in ("x", "y"))

    index = FilterChainIndex([first, second])

    assert index.find("a", is_tls=True, protocols=("y", "x")) is second


def test_a_transport_of_its_own_goes_before_any():
    any_transport, tls = chain("a"), chain("a", transport_protocol="tls")

    assert FilterChainIndex([any_transport, tls]).find("a", is_tls=True) is tls


@pytest.mark.parametrize(
    ("found", "is_tls", "expected"),
    [
        (None, True, ConnectionOutcome.CLOSED),
        (chain(tls=TLS, http=HTTP), True, ConnectionOutcome.HTTP),
        (chain(tls=TLS, http=HTTP), False, ConnectionOutcome.HANDSHAKE_EXPECTED),
        (chain(tls=TLS), False, ConnectionOutcome.HANDSHAKE_EXPECTED),
        (chain(tls=TLS), True, ConnectionOutcome.PASSED_ON),
        (chain(http=HTTP), False, ConnectionOutcome.HTTP),
        (chain(http=HTTP), True, ConnectionOutcome.HTTP_EXPECTED),
        (chain(passes_tls=True), True, ConnectionOutcome.PASSED_ON),
        (chain(), False, ConnectionOutcome.PASSED_ON),
    ],
)
def test_what_a_client_meets(found: FilterChain | None, is_tls: bool, expected: ConnectionOutcome):
    assert connection_outcome(found, is_tls=is_tls) is expected


def test_many_chains_cost_one_look():
    chains: Sequence[FilterChain] = [chain(f"{number}.a.com") for number in range(20_000)]

    index = FilterChainIndex(chains)

    assert all(
        index.find(f"{number}.a.com", is_tls=True) is each for number, each in enumerate(chains)
    )
