"""Where probes never go, and what they do when there is too much to look at."""

from datetime import UTC, datetime

import pytest

from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.observation import (
    AccessPoint,
    HttpTarget,
    Outcome,
    ProbeTargets,
    TlsTarget,
    UrlAccessPoint,
    Via,
)
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Unread, UnreadReason
from istiodoctor.probes import Probing, look
from istiodoctor.probes.connector import (
    AddressConnector,
    NotPermittedError,
    connect_to,
    is_permitted,
)
from istiodoctor.thread_pool import THREADS
from tests.probes import servers
from tests.probes.servers import GATEWAY, HOST, access_point, certificate, serving

POD = Ref(CORE, "Pod", "istio-system", "ingress-1")


@pytest.mark.promise("never to link-local or metadata addresses")
@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fd00:ec2::23",
        "fd20:ce::254",
        "::ffff:100.100.100.200",
        "::ffff:a9fe:a9fe",
        "::a9fe:a9fe",
        "64:ff9b::6464:64c8",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:5::a9fe:aa17",
        "64:ff9b:1:a9fe:a9:fe00::",
        "64:ff9b:1:7a9:fe:a9fe::",
        "64:ff9b:1:7:a9:fea9:fe00:0",
        "100.100.100.200",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "no address",
        "",
    ],
)
def test_addresses_where_machines_keep_their_secrets_are_never_connected_to(address: str):
    assert not is_permitted(address)
    with pytest.raises(NotPermittedError):
        connect_to((address,), 80, 1.0)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "203.0.113.10",
        "10.0.0.1",
        "2001:db8::1",
        "64:ff9b::cb00:710a",
        "64:ff9b:1::cb00:710a",
    ],
)
def test_addresses_of_gateways_are(address: str):
    assert is_permitted(address)


@pytest.mark.parametrize("port", [22, 2375, 2379, 6443, 8001, 10250])
@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_daemons_of_this_machine_are_never_connected_to(address: str, port: int):
    with pytest.raises(NotPermittedError):
        connect_to((address,), port, 1.0)


@pytest.mark.parametrize("port", [80, 443, 31443])
def test_tunnels_to_a_gateway_on_this_machine_are(port: int):
    found: OSError | None = None
    try:
        connect_to(("127.0.0.1",), port, 1.0).close()
    except OSError as error:  # nobody listens there
        found = error

    assert not isinstance(found, NotPermittedError)


def test_the_first_address_that_answers_is_taken():
    with serving(servers.until_closed) as port:
        connect_to(("169.254.169.254", "127.0.0.1"), port, 5.0).close()


def test_a_name_that_no_resolver_takes_is_an_os_error():
    with pytest.raises(OSError, match=r"."):
        AddressConnector(address="x" * 64 + ".example.com", port=443).connect(1.0)


def metadata_access_point() -> AccessPoint:
    return AccessPoint(
        via=Via.SERVICE_ADDRESS, port=80, gateway=GATEWAY, address="169.254.169.254"
    )


def test_a_load_balancer_with_a_metadata_address_is_not_looked_at():
    access_point = metadata_access_point()
    access_points = (UrlAccessPoint(scheme="http", port=80, access_point=access_point),)
    targets = ProbeTargets(
        tls=(TlsTarget(access_point=access_point, host=HOST, sni=HOST),),
        http=(HttpTarget(url=f"http://{HOST}/", access_points=access_points, host=HOST),),
        hosts=(HOST,),
    )

    found = look(targets, None, Probing(seconds=10))

    assert found.tls_observations[0].outcome is Outcome.NOT_PERMITTED
    assert found.http_observations[0].outcome is Outcome.NOT_PERMITTED
    assert {(each.kind, each.message) for each in found.unread} == {
        (kind, "169.254.169.254 is never connected to")
        for kind in (Kind.TLS_PROBE, Kind.HTTP_PROBE)
    }


def test_a_source_that_lends_nothing_leaves_pods_unread():
    access_point = AccessPoint(via=Via.PORT_FORWARD, port=8443, gateway=GATEWAY, pod=POD)
    targets = ProbeTargets(tls=(TlsTarget(access_point=access_point, host=HOST, sni=HOST),))

    found = look(targets, object(), Probing(seconds=10))

    assert found.unread == (
        Unread(
            kind=Kind.TLS_PROBE,
            namespace="istio-system",
            name="ingress-1",
            reason=UnreadReason.FORBIDDEN,
            message="this source lends no connections to pods",
        ),
    )


def test_one_that_stalls_does_not_keep_the_others_from_being_seen(tmp_path):
    good = servers.tls(tmp_path, certificate())
    with serving(servers.until_closed) as silent, serving(good) as speaking:
        ports = [*[silent] * (THREADS - 1), *[speaking] * 3]
        targets = ProbeTargets(
            tls=tuple(
                TlsTarget(access_point=access_point(port), host=HOST, sni=HOST) for port in ports
            )
        )
        found = look(targets, None, Probing(seconds=20, seconds_each=2))

    outcomes = [each.outcome for each in found.tls_observations]
    assert outcomes == [
        *[Outcome.TIMED_OUT] * (THREADS - 1),
        *[Outcome.HANDSHAKE] * 3,
    ]
    assert found.unread == ()


def test_what_the_time_did_not_suffice_for_is_unread():
    with serving(servers.until_closed) as silent:
        access_points = [access_point(silent) for _ in range(4 * THREADS)]
        targets = ProbeTargets(
            tls=tuple(TlsTarget(access_point=each, sni=HOST) for each in access_points)
        )
        found = look(targets, None, Probing(seconds=1, seconds_each=0.9))

    seen, missed = found.tls_observations, found.unread
    assert {each.outcome for each in seen} <= {Outcome.TIMED_OUT}
    assert [(each.reason, each.message) for each in missed] == [
        (UnreadReason.TIMED_OUT, "the time for probes was over")
    ]


def test_an_observation_says_when_it_was_made():
    before = datetime.now(UTC)
    with serving(servers.reset) as port:
        found = look(
            ProbeTargets(tls=(TlsTarget(access_point=access_point(port)),)),
            None,
            Probing(seconds=5),
        )

    assert before <= found.tls_observations[0].at <= datetime.now(UTC)
