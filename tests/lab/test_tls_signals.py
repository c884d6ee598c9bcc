"""What handshakes and Envoy tell beyond one certificate: names nobody has, versions, proxies."""

from base64 import b64encode
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import pytest

from tests.lab.client import Got, get_over_tls
from tests.lab.clusters import POD, SECRET, Cluster, issued
from tests.lab.envoy import Envoy
from tests.lab.gateway import Lab, Told, access_points, codes, evidence, told
from tests.lab.listeners import TLS_PORT, plain_listener, terminated, tls_listener, virtual_host
from tests.lab.nginx import Behaviour, needs_nginx
from tests.lab.resources import Resource
from tests.lab.sds import AUTHORITY, sds_authority, sds_secret
from tests.support.certificates import Authority, Issued, secret
from tests.support.clusters import HOST, ROOT, Manifest, stored

pytestmark = pytest.mark.envoy

OTHER = "other.example.com"
UNREADABLE = "-----BEGIN CERTIFICATE-----\nMIIBgarbage\n-----END CERTIFICATE-----\n"
WILDCARD = "*.example.com"


def gateway(
    name: str, *hosts: str, created: str = "2025-06-01T00:00:00Z", **tls: object
) -> Manifest:
    """Return a Gateway of one HTTPS server beside those of the healthy cluster."""
    server = {
        "port": {"number": 443, "name": f"https-{name}", "protocol": "HTTPS"},
        "hosts": list(hosts),
        "tls": {"mode": "SIMPLE", "credentialName": f"{name}-cert", **tls},
    }
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": [server]},
    }


def listen(envoy: Envoy, served: Issued, *chains: Resource) -> None:
    """Configure an Envoy with more filter chains beside the one of the healthy cluster."""
    envoy.secrets.send(SECRET, sds_secret(SECRET, served))
    own = terminated(envoy, HOST, SECRET, [virtual_host(HOST)])
    envoy.listen(
        tls_listener(envoy, own, *chains),
        plain_listener(envoy, [virtual_host(HOST, redirects=True)]),
    )


def symptoms(found: Sequence[Told], code: str) -> tuple[str, AbstractSet[str]]:
    """Return confidence and symptoms of a problem."""
    return next((confidence, under) for each, confidence, under in found if each == code)


def test_a_server_that_is_left_out_is_seen_to_be_nowhere(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    cluster.objects.append(gateway("younger", HOST, OTHER, created="2026-01-01T00:00:00Z"))
    listen(envoy, stored(cluster.objects))

    done = lab.scan(cluster, envoy)

    with pytest.raises(ConnectionResetError):
        get_over_tls(access_points(envoy)[TLS_PORT], OTHER)
    assert done.status == 1
    assert symptoms(told(done), "GW002") == ("observed", {"GW022", "SNI012"})


def test_a_host_that_another_server_takes_is_seen_with_its_certificate(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    catching, own = issued("elsewhere.example.com"), issued(OTHER)
    cluster.objects += [
        gateway("wide", WILDCARD, created="2025-01-01T00:00:00Z"),
        gateway("younger", HOST, OTHER, created="2026-01-01T00:00:00Z"),
        catching.secret("istio-system", "wide-cert"),
        own.secret("istio-system", "younger-cert"),
    ]
    envoy.secrets.send("kubernetes://wide-cert", sds_secret("kubernetes://wide-cert", catching))
    listen(envoy, stored(cluster.objects), terminated(envoy, WILDCARD, "kubernetes://wide-cert"))

    done = lab.scan(cluster, envoy)

    assert codes(done) >= {"GW002", "CERT017", "CERT019"}
    (problem,) = (each for each in done.report["problems"] if each["code"] == "GW002")
    assert problem["confidence"] == "observed"


def test_a_host_on_the_connection_of_another_is_seen_to_get_404(lab: Lab):
    wildcard = issued(WILDCARD)
    cluster, envoy = Cluster(wildcard), lab.envoy()
    cluster.objects.append(gateway("blog", OTHER, credentialName="shop-cert"))
    route = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "blog", "namespace": "shop"},
        "spec": {
            "hosts": [OTHER],
            "gateways": ["blog"],
            "http": [{"route": [{"destination": {"host": "shop"}}]}],
        },
    }
    cluster.objects.append(route)
    listen(envoy, wildcard, terminated(envoy, OTHER, SECRET, [virtual_host(OTHER)]))

    done = lab.scan(cluster, envoy)

    place = access_points(envoy)[TLS_PORT]
    assert get_over_tls(place, OTHER) == Got(status=200)
    assert get_over_tls(place, OTHER, sni=HOST) == Got(status=404)
    assert symptoms(told(done), "SNI003") == ("observed", {"SNI014"})


def test_a_server_that_speaks_plain_http_on_443_is_seen_to(lab: Lab, address: str):
    cluster, envoy = Cluster().behind(address), lab.envoy()
    server = cluster.find("Gateway", "web")["spec"]["servers"][1]
    server.pop("tls")
    server["port"]["protocol"] = "HTTP"
    host = virtual_host(HOST, redirects=True)
    plain = plain_listener(envoy, [host], also_at=[(address, 80)])
    other = {
        **tls_listener(envoy, also_at=[(address, 443)]),
        "filter_chains": plain["filter_chains"],
        "listener_filters": [],
    }
    envoy.listen(plain, other)

    done = lab.scan(cluster, envoy)

    assert "GW021" in codes(done)
    assert symptoms(told(done), "GW005")[0] == "observed"


def test_an_address_that_leads_to_another_port_is_told_from_pods_that_are_well(
    lab: Lab, address: str
):
    cluster, envoy = Cluster().behind(address), lab.envoy()
    envoy.secrets.send(SECRET, sds_secret(SECRET, stored(cluster.objects)))
    host = virtual_host(HOST, redirects=True)
    envoy.listen(
        tls_listener(envoy, terminated(envoy, HOST, SECRET, [virtual_host(HOST)])),
        plain_listener(envoy, [host], also_at=[(address, 80), (address, 443)]),
    )

    done = lab.scan(cluster, envoy)

    found = {each["code"]: each["severity"] for each in done.report["problems"]}
    assert (done.status, found["SVC015"]) == (1, "critical")


@pytest.mark.parametrize(
    ("least", "suites", "expected"),
    [
        ("TLSV1_2", ["ECDHE-RSA-AES256-GCM-SHA384"], {"GW016", "GW023"}),
        ("TLSV1_3", [], {"GW023"}),
    ],
    ids=["suites for another key", "an older listener"],
)
def test_versions_that_differ_from_the_gateway_are_seen(
    lab: Lab, least: str, suites: list[str], expected: set[str]
):
    cluster, envoy = Cluster(), lab.envoy()
    tls = cluster.find("Gateway", "web")["spec"]["servers"][1]["tls"]
    tls.update(minProtocolVersion=least, **({"cipherSuites": suites} if suites else {}))
    chain = terminated(envoy, HOST, SECRET, [virtual_host(HOST)])
    context = chain["transport_socket"]["typed_config"]["common_tls_context"]
    if suites:
        context["tls_params"] = {
            "cipher_suites": suites,
            "tls_maximum_protocol_version": "TLSv1_3",
        }
    envoy.secrets.send(SECRET, sds_secret(SECRET, stored(cluster.objects)))
    envoy.listen(
        tls_listener(envoy, chain), plain_listener(envoy, [virtual_host(HOST, redirects=True)])
    )

    done = lab.scan(cluster, envoy)

    assert codes(done) == expected


def mutual(authority: Authority) -> Cluster:
    cluster = Cluster()
    cluster.find("Gateway", "web")["spec"]["servers"][1]["tls"]["mode"] = "MUTUAL"
    name = f"shop-cert{AUTHORITY}"
    cluster.objects.append(secret("istio-system", name, {"cacert": authority.pem}))
    return cluster


def serve_mutual(envoy: Envoy, cluster: Cluster, authority: Resource) -> None:
    name = SECRET + AUTHORITY
    envoy.secrets.send(SECRET, sds_secret(SECRET, stored(cluster.objects)))
    envoy.secrets.send(name, authority)
    chain = terminated(envoy, HOST, SECRET, [virtual_host(HOST)], mutual=True)
    envoy.listen(
        tls_listener(envoy, chain), plain_listener(envoy, [virtual_host(HOST, redirects=True)])
    )


def test_an_authority_that_envoy_has_not_taken_is_told(lab: Lab):
    cluster, envoy = mutual(ROOT), lab.envoy()
    former = Authority("Former Clients")
    serve_mutual(envoy, cluster, sds_authority(SECRET + AUTHORITY, former))

    done = lab.scan(cluster, envoy)

    found = {each["code"]: each["severity"] for each in done.report["problems"]}
    assert (done.status, found) == (1, {"MTLS001": "info", "MTLS015": "high"})
    assert symptoms(told(done), "MTLS015") == ("observed", {"MTLS016"})
    assert f"Pod {POD} port 8443, SNI {HOST}: asks for certificates of CN=Former Clients" in (
        evidence(done)
    )


def test_an_authority_that_envoy_cannot_load_is_no_fault_of_the_certificate_beside_it(lab: Lab):
    cluster, envoy = mutual(ROOT), lab.envoy()
    stored_one = cluster.find("Secret", f"shop-cert{AUTHORITY}")
    stored_one["data"]["cacert"] = b64encode(UNREADABLE.encode()).decode()
    broken = dict(sds_authority(SECRET + AUTHORITY, ROOT))
    broken["validation_context"] = {"trusted_ca": {"inline_string": UNREADABLE}}
    serve_mutual(envoy, cluster, broken)

    done = lab.scan(cluster, envoy)

    assert (done.status, told(done)) == (1, [("MTLS013", "observed", {"MTLS015", "SNI011"})])


@pytest.mark.nginx
@needs_nginx
def test_a_proxy_that_ends_tls_before_a_mutual_server_asks_no_client(lab: Lab, address: str):
    cluster, envoy = mutual(ROOT).behind(address), lab.envoy()
    serve_mutual(envoy, cluster, sds_authority(SECRET + AUTHORITY, ROOT))
    lab.nginx(address, envoy, issued())

    done = lab.scan(cluster, envoy)

    assert "MTLS014" in codes(done)


@pytest.mark.nginx
@needs_nginx
def test_a_proxy_with_a_certificate_of_its_own_that_sends_no_name_is_suspected(
    lab: Lab, address: str
):
    cluster, envoy = Cluster().behind(address), lab.envoy()
    listen(envoy, stored(cluster.objects))
    lab.nginx(address, envoy, issued(), Behaviour(sends_sni=False))

    done = lab.scan(cluster, envoy, "--no-logs")

    assert get_over_tls((address, 443)) == Got(status=502)
    assert "SNI002" in codes(done)


@pytest.mark.nginx
@needs_nginx
def test_a_proxy_that_is_known_to_send_no_name_is_seen_to_fail(lab: Lab, address: str):
    cluster, envoy = Cluster().behind(address), lab.envoy()
    listen(envoy, stored(cluster.objects))
    lab.nginx(address, envoy, issued(), Behaviour(sends_sni=False))
    known = lab.folder / "known.toml"
    known.write_text(
        f'[[front_proxy]]\nhosts = ["{HOST}"]\nterminates_tls = true\nsends_sni = false\n'
    )

    done = lab.scan(cluster, envoy, "--no-logs", "--config", str(known))

    confidence, under = symptoms(told(done), "SNI002")
    assert confidence == "observed"
    assert "SNI013" in under
