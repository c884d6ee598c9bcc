"""What probes see of a real Envoy that is configured as Istio configures a gateway."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from istiodoctor.model.observation import (
    HttpObservation,
    HttpTarget,
    Outcome,
    TlsObservation,
    TlsTarget,
    UrlAccessPoint,
)
from istiodoctor.model.x509_facts import facts_of
from istiodoctor.probes.chain import Trust
from istiodoctor.probes.connector import AddressConnector
from istiodoctor.probes.http import request
from istiodoctor.probes.tls import shake_hands
from tests.lab.envoy import Envoy
from tests.lab.listeners import (
    passed_through,
    plain_listener,
    terminated,
    tls_listener,
    virtual_host,
)
from tests.lab.resources import address, cluster
from tests.lab.sds import AUTHORITY, sds_authority, sds_secret
from tests.probes import servers
from tests.probes.servers import ROOT, access_point, certificate, serving

pytestmark = pytest.mark.envoy

SHOP, OTHER, LOOP, APP = (f"{name}.example.com" for name in ("shop", "other", "loop", "app"))
MUTUAL, THROUGH = "mutual.example.com", "through.example.com"
ISSUED = {name: certificate(name) for name in (SHOP, MUTUAL, THROUGH)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    ports: Mapping[str, int]

    def handshake(self, name: str, listener: str = "tls") -> TlsObservation:
        port = self.ports[listener]
        return shake_hands(
            TlsTarget(access_point=access_point(port), host=name, sni=name),
            AddressConnector(address="127.0.0.1", port=port),
            timeout=10,
            trust=Trust([ROOT.certificate.public_bytes(Encoding.DER)], datetime.now(UTC)),
        )

    def get(self, url: str, listener: str = "plain", **fields: Any) -> HttpObservation:
        access_points = (
            UrlAccessPoint(
                scheme="http", port=80, access_point=access_point(self.ports[listener])
            ),
            UrlAccessPoint(
                scheme="http", port=30080, access_point=access_point(self.ports[listener])
            ),
            UrlAccessPoint(scheme="https", port=443, access_point=access_point(self.ports["tls"])),
        )
        return request(
            HttpTarget(url=url, access_points=access_points, host=SHOP, **fields),
            lambda each: AddressConnector(address=each.address, port=each.port),
            lambda host: host.endswith(".example.com"),
            timeout=10,
        )


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder: Path = tmp_path_factory.mktemp("envoy")
    own = servers.tls(folder, ISSUED[THROUGH])
    app = servers.saying(
        "HTTP/1.1 307 Temporary Redirect", f"Location: https://{APP}/", "Content-Length: 0"
    )
    with serving(own) as secured, serving(app) as plain:
        clusters = [cluster("through", secured), cluster("app", plain)]
        with Envoy(folder / "envoy", clusters) as envoy:
            yield Lab(ports=_configured(envoy))


def _configured(envoy: Envoy) -> Mapping[str, int]:
    name = "kubernetes://shop-cert"
    envoy.secrets.send(name, sds_secret(name, ISSUED[SHOP]))
    envoy.secrets.send(name + AUTHORITY, sds_authority(name + AUTHORITY, ROOT))
    hosts = [
        virtual_host(SHOP, redirects=True),
        virtual_host(LOOP, to_itself=True),
        virtual_host(APP, cluster="app"),
    ]
    secrets = {SHOP: name, OTHER: "kubernetes://other-cert", LOOP: name, APP: name}
    secured = [virtual_host(SHOP), *hosts[1:]]
    made = {
        "tls": tls_listener(
            envoy,
            *(terminated(envoy, host, secret, secured) for host, secret in secrets.items()),
            passed_through(THROUGH, "through"),
        ),
        "mutual": tls_listener(envoy, terminated(envoy, MUTUAL, name, hosts[:1], mutual=True)),
        "plain": plain_listener(envoy, hosts),
        "behind one proxy": plain_listener(envoy, hosts, trusted_hops=1),
    }
    anywhere = {"address": address(0)}
    envoy.listen(*({**each, **anywhere, "name": key} for key, each in made.items()))
    return {key: port for key, (_, port) in envoy.listening().items()}


def test_a_host_gets_its_certificate_by_its_name(lab: Lab):
    found = lab.handshake(SHOP)

    assert (found.outcome, found.alpn, found.verified) == (Outcome.HANDSHAKE, "h2", True)
    assert found.versions == ("TLSv1.2", "TLSv1.3")
    assert found.leaf == facts_of(ISSUED[SHOP].certificate.public_bytes(Encoding.DER))


@pytest.mark.parametrize("name", [OTHER, "unknown.example.com", ""])
def test_without_secret_server_or_name_the_connection_is_reset(lab: Lab, name: str):
    found = lab.handshake(name)

    assert (found.outcome, found.chain, found.alert) == (Outcome.RESET, (), "")


def test_behind_a_passthrough_server_the_backend_presents_its_own(lab: Lab):
    found = lab.handshake(THROUGH)

    assert (found.outcome, found.alpn) == (Outcome.HANDSHAKE, "http/1.1")
    assert found.leaf == facts_of(ISSUED[THROUGH].certificate.public_bytes(Encoding.DER))


def test_a_mutual_server_says_that_it_requires_a_certificate(lab: Lab):
    found = lab.handshake(MUTUAL, "mutual")

    assert (found.outcome, found.alert) == (Outcome.ALERT, "certificate required")
    assert found.client_certificate_requested
    assert found.leaf is not None


def test_plain_http_is_not_tls(lab: Lab):
    found = lab.handshake(SHOP, "plain")

    assert found.outcome in (Outcome.NOT_TLS, Outcome.RESET)


def test_a_redirect_leads_to_https_and_ends_there(lab: Lab):
    found = lab.get(f"http://{SHOP}/")

    assert [(step.status, step.location) for step in found.steps] == [
        (301, f"https://{SHOP}/"),
        (200, ""),
    ]
    assert (found.outcome, found.last.from_upstream) == (Outcome.ANSWERED, False)
    assert {step.server for step in found.steps} == {"istio-envoy"}


@pytest.mark.parametrize(
    ("listener", "proto", "status"),
    [
        ("plain", "https", 301),
        ("plain", "http", 301),
        ("behind one proxy", "https", 200),
        ("behind one proxy", "http", 301),
        ("behind one proxy", "", 301),
    ],
)
def test_what_a_proxy_says_counts_only_where_it_is_trusted(
    lab: Lab, listener: str, proto: str, status: int
):
    found = lab.get(f"http://{SHOP}/", listener, forwarded_proto=proto)

    assert found.steps[0].status == status


def test_a_redirect_keeps_the_port_that_was_asked(lab: Lab):
    found = lab.get(f"http://{SHOP}:30080/")

    assert (found.outcome, found.last.location) == (Outcome.LEFT, f"https://{SHOP}:30080/")


def test_a_route_that_redirects_https_to_itself_is_a_loop_of_the_gateway(lab: Lab):
    found = lab.get(f"http://{LOOP}/")

    assert (found.outcome, found.last.from_upstream) == (Outcome.LOOP, False)
    assert [step.url for step in found.steps] == [f"http://{LOOP}/", f"https://{LOOP}/"]


def test_an_application_that_redirects_to_itself_is_told_from_the_gateway(lab: Lab):
    found = lab.get(f"https://{APP}/")

    assert (found.outcome, found.last.from_upstream) == (Outcome.LOOP, True)


def test_http_1_0_is_refused_as_istio_does(lab: Lab):
    found = lab.get(f"http://{SHOP}/", http_version="1.0")

    assert (found.outcome, found.last.status) == (Outcome.ANSWERED, 426)
