"""Matching, held against the real Envoy: random configurations and requests, by seed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

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
    HttpOptions,
)
from istiodoctor.mesh.configuration.received_request import (
    ReceivedRequest,
    received_message,
)
from istiodoctor.mesh.configuration.redirects_sent import (
    https_redirect,
    requires_redirect,
    sent_redirect,
)
from istiodoctor.mesh.configuration.request_line import EarlyAnswer, RequestMessage
from istiodoctor.mesh.configuration.route import (
    DirectResponse,
    Redirect,
    Route,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)
from istiodoctor.mesh.configuration.route_match import takes
from istiodoctor.mesh.configuration.virtual_host_match import DomainIndex, matched_host
from istiodoctor.model.ref import Place, Ref
from tests.lab.clusters import issued
from tests.lab.configured import chain, http, listener, route_configuration
from tests.lab.envoy import Envoy
from tests.lab.random_requests import (
    DOMAINS,
    HOSTS,
    random_headers,
    random_match,
    random_message,
    random_redirect,
    random_target,
)
from tests.lab.resources import Address, Resource, typed
from tests.lab.sds import FileSecrets, Secrets, sds_secret
from tests.lab.wire import CLOSED, Answered, ask

pytestmark = pytest.mark.envoy

PORT, SECRET = 8080, "cert"
SEEDS = (1, 2)
OBJECT = Ref(group="networking.istio.io", kind="VirtualService", namespace="shop", name="web")
OPTIONS = (
    HttpOptions(),
    HttpOptions(merges_slashes=True, unescapes_slashes=True, accepts_http10=True, trusted_hops=1),
    HttpOptions(normalizes_path=False),
    HttpOptions(merges_slashes=True, redirects_escaped_slashes=True, rejects_underscores=True),
    HttpOptions(rejects_escaped_slashes=True, drops_underscores=True),
)


@contextmanager
def running(
    folder: Path, *listeners: Sequence[Resource], secrets: Secrets | None = None
) -> Iterator[list[Address]]:
    """Run an Envoy with these filter chains, and yield where each listener is."""
    with Envoy(folder, secrets=secrets) as envoy:
        sent = [
            listener(str(index), PORT + index, chains, host=envoy.address, inspects_tls=True)
            for index, chains in enumerate(listeners)
        ]
        envoy.listen(*sent)
        places = envoy.listening()
        yield [places[str(index)] for index in range(len(listeners))]


def ending_tls(secrets: Secrets) -> Resource:
    """Return a transport socket that ends TLS."""
    context = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [secrets.config(SECRET)],
    }
    return typed(
        "transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context=context,
    )


def everything(*, requires_tls: bool = False) -> RouteConfiguration:
    """Return routes that take whatever comes."""
    host = VirtualHost(
        name="any", domains=("*",), routes=(answering(200),), require_tls=requires_tls
    )
    return RouteConfiguration(name="http", virtual_hosts=(host,))


def answering(status: int) -> Route:
    action, match = DirectResponse(status=status), RouteMatch(path="")
    return Route(match=match, action=action, made_by=Place(OBJECT, ""), owner=OBJECT)


def plain(routes: RouteConfiguration, options: HttpOptions, *, echoes: bool = False) -> Resource:
    return chain(FilterChain(), http(route_configuration(routes), options, echoes=echoes))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_request_is_received_as_envoy_receives_it(tmp_path: Path, seed: int):
    random = Random(seed)
    chains = [[plain(everything(), each, echoes=True)] for each in OPTIONS]
    with running(tmp_path, *chains) as places:
        for _ in range(300):
            index = random.randrange(len(OPTIONS))
            message = random_message(random)

            answered = ask(places[index], message)

            received = received_message(message, OPTIONS[index], is_tls=False)
            assert _told(answered) == _expected(received), message


def _expected(received: ReceivedRequest | EarlyAnswer) -> tuple[object, ...]:
    if isinstance(received, EarlyAnswer):
        return received.status, received.location
    if received.forwarded_proto == "":
        return 404, ""
    if received.refused_upgrade:
        return 403, ""
    said = (received.path, received.authority, received.scheme, received.forwarded_proto)
    return (200, "", *said)


def _told(answered: Answered) -> tuple[object, ...]:
    headers = answered.headers
    said = [headers.get(f"x-{each}", "") for each in ("path", "authority", "scheme", "proto")]
    found = (answered.status, headers.get("location", ""))
    return (*found, *said) if answered.status == 200 else found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_host_takes_the_virtual_host_that_it_takes_in_envoy(tmp_path: Path, seed: int):
    random = Random(seed)
    given = [random.sample(DOMAINS, random.randint(1, 10)) for _ in range(20)]
    statuses = [dict(zip(domains, range(201, 300), strict=False)) for domains in given]
    chains = [
        [plain(_hosts(each, ignores_port=index % 3 > 0), HttpOptions())]
        for index, each in enumerate(statuses)
    ]
    with running(tmp_path, *chains) as places:
        for index, found in enumerate(statuses):
            for host in random.sample(HOSTS, 15):
                answered = ask(places[index], RequestMessage(host=host))

                name = matched_host(host, ignores_port=index % 3 > 0)
                assert (DomainIndex(found.items()).find(name) or 404) == answered.status, (
                    host,
                    found,
                )


def _hosts(statuses: Mapping[str, int], *, ignores_port: bool) -> RouteConfiguration:
    hosts = tuple(
        VirtualHost(name=f"host-{status}", domains=(domain,), routes=(answering(status),))
        for domain, status in statuses.items()
    )
    return RouteConfiguration(name="http", virtual_hosts=hosts, ignores_port=ignores_port)


@pytest.mark.parametrize("seed", SEEDS)
def test_routes_take_and_redirect_as_in_envoy(tmp_path: Path, seed: int):
    random = Random(seed)
    options = HttpOptions(trusted_hops=1)
    pairs = [(random_match(random), random_redirect(random)) for _ in range(100)]
    hosts = tuple(
        VirtualHost(name=f"{index}", domains=(f"t{index}.com",), routes=(_redirecting(*pair),))
        for index, pair in enumerate(pairs)
    )
    routes = RouteConfiguration(name="http", virtual_hosts=hosts)
    with running(tmp_path, [plain(routes, options)]) as (place,):
        for _ in range(500):
            index = random.randrange(len(pairs))
            host = random.choice(("t{}.com", "T{}.com:80", "t{}.com:443", "t{}.com:"))
            message = RequestMessage(
                method=random.choice(("GET", "POST")),
                target=random_target(random),
                host=host.format(index),
                headers=random_headers(random),
            )

            answered = ask(place, message)

            received = received_message(message, options, is_tls=False)
            assert isinstance(received, ReceivedRequest)
            expected = _redirected(*pairs[index], received)
            found = (answered.status, answered.headers.get("location", ""))
            assert expected in (found, None), (pairs[index], message)


def _redirecting(match: RouteMatch, redirect: Redirect) -> Route:
    return Route(match=match, action=redirect, made_by=Place(OBJECT, ""), owner=OBJECT)


def _redirected(
    match: RouteMatch, redirect: Redirect, received: ReceivedRequest
) -> tuple[int, str] | None:
    """Return status and Location; None where they are not known."""
    taken = takes(match, received)
    if taken is None:
        return None
    sent = sent_redirect(redirect, match, received)
    assert sent is not None
    is_taken = taken and received.forwarded_proto != ""
    return (sent.status, sent.location) if is_taken else (404, "")


@pytest.mark.parametrize("proto", [None, "https", "http", "HTTPS", ""])
@pytest.mark.parametrize("host", ["a.com", "A.com:8080", "a.com:80", "", "[::1]:80"])
def test_plain_requests_are_sent_to_https_as_envoy_sends_them(
    required_tls: Address, host: str, proto: str | None
):
    headers = () if proto is None else (("x-forwarded-proto", proto),)
    message = RequestMessage(target="/a//b?c=%64", host=host, headers=headers)

    answered = ask(required_tls, message)

    received = received_message(message, HttpOptions(trusted_hops=1), is_tls=False)
    assert isinstance(received, ReceivedRequest)
    expected: tuple[int, str] = (200, "")
    if received.forwarded_proto == "":
        expected = (404, "")
    elif requires_redirect(received):
        sent = https_redirect(received)
        expected = (sent.status, sent.location)
    assert (answered.status, answered.headers.get("location", "")) == expected


@pytest.fixture(scope="module")
def required_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    routes = everything(requires_tls=True)
    chains = [plain(routes, HttpOptions(trusted_hops=1))]
    with running(tmp_path_factory.mktemp("envoy"), chains) as (place,):
        yield place


NAMES = ("a.com", "*.a.com", "*.com", "x.a.com", "*.x.a.com", "A.org", "*.org", "b", "")
SERVER_NAMES = ("a.com", "x.a.com", "y.x.a.com", "A.Org", "z.org", "b", "c", "com", "*.a.com", "")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_connection_takes_the_filter_chain_that_it_takes_in_envoy(tmp_path: Path, seed: int):
    random = Random(seed)
    secrets = FileSecrets(tmp_path)
    secrets.send(SECRET, sds_secret(SECRET, issued("a.com")))
    socket = ending_tls(secrets)
    listeners = [list(_random_chains(random)) for _ in range(12)]
    sent = [
        [_identified(each, status, socket) for status, each in enumerate(chains, start=201)]
        for chains in listeners
    ]
    with running(tmp_path, *sent, secrets=secrets) as places:
        for index, chains in enumerate(listeners):
            for _ in range(10):
                is_tls = random.random() < 0.8
                name = random.choice(SERVER_NAMES) if is_tls else ""
                protocols = random.choice(((), (), ("http/1.1",), ("x", "http/1.1")))

                answered = ask(
                    places[index],
                    RequestMessage(host="a.com"),
                    sni=name if is_tls else None,
                    protocols=protocols,
                )

                found = FilterChainIndex(chains).find(name, is_tls=is_tls, protocols=protocols)
                outcome = connection_outcome(found, is_tls=is_tls)
                assert _met(answered, chains) == (
                    found if outcome is ConnectionOutcome.HTTP else None
                ), (name, chains)


def _random_chains(random: Random) -> Iterator[FilterChain]:
    """Yield chains none of which has the match of another."""
    manager = HttpConnectionManager(route_configuration="http")
    for name in random.sample(NAMES, random.randint(1, 6)):
        tls = DownstreamTls() if name or random.random() < 0.5 else None
        protocols = random.choice(((), (), ("x",), ("http/1.1", "h2")))
        yield FilterChain(
            server_names=(name,) if name else (),
            application_protocols=protocols if name else (),
            transport_protocol=random.choice(("", "", "tls", "raw_buffer")),
            tls=tls,
            http=manager,
        )


def _identified(found: FilterChain, status: int, socket: Resource) -> Resource:
    """Return a chain that answers with a status of its own."""
    host = VirtualHost(name="any", domains=("*",), routes=(answering(status),))
    routes = RouteConfiguration(name="http", virtual_hosts=(host,))
    return chain(found, http(route_configuration(routes)), socket=socket if found.tls else None)


def _met(answered: Answered, chains: Sequence[FilterChain]) -> FilterChain | None:
    if answered == CLOSED or answered.status < 201 or answered.status == 400:
        return None
    return chains[answered.status - 201]
