"""One handshake against real servers: what is seen of good ones and of those that break."""

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import ANY

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from istiodoctor.model.observation import Outcome, TlsObservation, TlsTarget
from istiodoctor.model.x509_facts import facts_of
from istiodoctor.probes.chain import Trust
from istiodoctor.probes.connector import AddressConnector
from istiodoctor.probes.tls import shake_hands
from tests.probes import servers
from tests.probes.servers import HOST, ISSUER, ROOT, access_point, certificate, serving

TRUST = Trust([ROOT.certificate.public_bytes(Encoding.DER)], datetime.now(UTC))


def seen(port: int, sni: str = HOST, timeout: float = 5.0) -> TlsObservation:
    target = TlsTarget(access_point=access_point(port), host=sni, sni=sni)
    connector = AddressConnector(address="127.0.0.1", port=port)
    return shake_hands(target, connector, timeout=timeout, trust=TRUST)


def facts(*certificates):
    return tuple(facts_of(each.public_bytes(Encoding.DER)) for each in certificates)


def test_a_good_server_is_seen_whole(tmp_path: Path):
    issued = certificate()
    with serving(servers.tls(tmp_path, issued)) as port:
        found = seen(port)

    assert found == TlsObservation(
        target=TlsTarget(access_point=access_point(port), host=HOST, sni=HOST),
        outcome=Outcome.HANDSHAKE,
        at=ANY,
        version="TLSv1.3",
        versions=("TLSv1.2", "TLSv1.3"),
        alpn="http/1.1",
        cipher=ANY,
        chain=facts(issued.certificate, ISSUER.certificate),
        verified=True,
        chain_is_trusted=True,
    )


def test_a_server_of_an_older_version_is_told_by_it(tmp_path: Path):
    old = servers.tls(tmp_path, certificate(), newest=ssl.TLSVersion.TLSv1_2)
    with serving(old) as port:
        found = seen(port)

    assert (found.version, found.versions) == ("TLSv1.2", ("TLSv1.2",))


def test_a_server_that_still_takes_obsolete_versions_is_told_by_it(tmp_path: Path):
    lax = servers.tls(tmp_path, certificate(), takes_obsolete=True)
    with serving(lax) as port:
        found = seen(port)

    assert (found.version, found.versions) == ("TLSv1.3", ("TLSv1.1", "TLSv1.2", "TLSv1.3"))


@pytest.mark.parametrize(
    ("names", "days", "leaf_only", "reason", "trusted"),
    [
        ((HOST,), -2, False, "it has expired", True),
        (("www.example.com",), 30, False, f"it is not for {HOST}", True),
        ((HOST,), 30, True, "its chain does not lead to a trusted root", False),
    ],
)
def test_a_certificate_that_clients_refuse_is_taken_and_judged(
    tmp_path: Path, names, days, leaf_only, reason, trusted
):
    issued = certificate(*names, days=days)
    chain = issued.pem if leaf_only else None
    with serving(servers.tls(tmp_path, issued, chain=chain)) as port:
        found = seen(port)

    assert found.outcome is Outcome.HANDSHAKE
    assert found.leaf == facts(issued.certificate)[0]
    assert (found.verified, found.reason, found.chain_is_trusted) == (False, reason, trusted)


@pytest.mark.parametrize(
    ("newest", "alert"),
    [
        (ssl.TLSVersion.TLSv1_3, "certificate required"),
        (ssl.TLSVersion.TLSv1_2, "handshake failure"),
    ],
)
def test_a_server_that_wants_a_client_certificate_is_heard_to_refuse(
    tmp_path: Path, newest, alert
):
    issued = certificate()
    mutual = servers.tls(tmp_path, issued, client_authority=ROOT, newest=newest)
    with serving(mutual) as port:
        found = seen(port)

    assert (found.outcome, found.alert) == (Outcome.ALERT, alert)
    assert found.client_certificate_requested
    assert found.chain == facts(issued.certificate, ISSUER.certificate)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (servers.reset, Outcome.RESET),
        (servers.reset_after_request, Outcome.RESET),
        (lambda connection: None, Outcome.RESET),
        (servers.until_closed, Outcome.TIMED_OUT),
        (servers.half_a_record, Outcome.TIMED_OUT),
        (servers.garbage, Outcome.NOT_TLS),
        (servers.false_records, Outcome.FAILED),
        (servers.saying("HTTP/1.1 400 Bad Request"), Outcome.NOT_TLS),
        (servers.saying("220 mail.example.com ESMTP", after=False), Outcome.NOT_TLS),
    ],
)
def test_whatever_answers_is_an_observation(answer, outcome):
    with serving(answer) as port:
        found = seen(port, timeout=1.0)

    assert found.outcome is outcome, found
    assert (found.chain, found.version, found.verified) == ((), "", None)
    assert len(found.detail) <= 200


def test_plain_text_on_a_tls_port_is_quoted():
    with serving(servers.saying("HTTP/1.1 400 Bad Request", "Server: nginx")) as port:
        assert seen(port).detail == "HTTP/1.1 400 Bad Request"


def test_nobody_listening_is_a_refusal():
    with serving(servers.reset) as port:
        pass

    assert seen(port).outcome is Outcome.REFUSED


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example.com", "\x00", "a b"])
def test_a_name_that_cannot_be_sent_is_an_observation(tmp_path: Path, name: str):
    with serving(servers.tls(tmp_path, certificate())) as port:
        found = seen(port, sni=name)

    assert found.verified is not True
    assert found.outcome in (Outcome.FAILED, Outcome.HANDSHAKE)


def after_the_client_answers(connection: socket.socket) -> None:
    connection.recv(65536)
    servers.reset(connection)


@pytest.mark.parametrize(
    ("then", "share", "outcome"),
    [
        (servers.until_closed, 0.02, Outcome.TIMED_OUT),
        (servers.until_closed, 0.5, Outcome.TIMED_OUT),
        (servers.reset, 0.02, Outcome.RESET),
        (servers.reset, 0.5, Outcome.RESET),
        (lambda connection: None, 0.02, Outcome.RESET),
        (lambda connection: None, 0.5, Outcome.RESET),
    ],
)
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_handshake_that_breaks_off_amid_the_servers_words_shows_nothing_of_it(
    tmp_path: Path, newest, then, share, outcome
):
    broken = servers.handshaking(tmp_path, certificate(), then, share=share, newest=newest)
    with serving(broken) as port:
        found = seen(port, timeout=1.0)

    assert (found.outcome, found.alert, found.verified) == (outcome, "", None)
    assert len(found.detail) <= 200


def test_a_reset_after_the_servers_hello_leaves_the_certificate_that_was_seen(tmp_path: Path):
    issued = certificate()
    broken = servers.handshaking(
        tmp_path, issued, after_the_client_answers, newest=ssl.TLSVersion.TLSv1_2
    )
    with serving(broken) as port:
        found = seen(port)

    assert (found.outcome, found.versions) == (Outcome.RESET, ())
    assert found.chain == facts(issued.certificate, ISSUER.certificate)


def test_a_server_that_never_says_the_last_word_leaves_what_it_showed(tmp_path: Path):
    issued = certificate()
    stalling = servers.handshaking(
        tmp_path, issued, servers.until_closed, newest=ssl.TLSVersion.TLSv1_2
    )
    with serving(stalling) as port:
        found = seen(port, timeout=1.0)

    assert found.outcome is Outcome.TIMED_OUT
    assert found.leaf == facts(issued.certificate)[0]


def test_a_reset_after_the_handshake_is_none_of_it(tmp_path: Path):
    issued = certificate()
    agreed = servers.tls(tmp_path, issued, then=servers.reset)
    with serving(agreed) as port:
        found = seen(port)

    assert found.outcome is Outcome.HANDSHAKE
    assert found.leaf == facts(issued.certificate)[0]


@pytest.mark.parametrize("answer", [servers.endless_records, servers.endless_alerts])
def test_tls_without_end_is_given_up(answer):
    with serving(answer) as port:
        found = seen(port)

    assert found.outcome in (Outcome.FAILED, Outcome.ALERT), found
    assert (found.chain, found.version) == ((), "")
