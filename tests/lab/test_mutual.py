"""MUTUAL servers: they ask clients for a certificate, and let in those who have one."""

import ssl
from pathlib import Path

import pytest

from tests.lab.client import Got, get_over_tls
from tests.lab.clusters import SECRET, Cluster, issued
from tests.lab.envoy import Envoy
from tests.lab.gateway import Lab, access_points, causes, codes
from tests.lab.listeners import TLS_PORT, plain_listener, terminated, tls_listener, virtual_host
from tests.lab.sds import AUTHORITY, sds_authority, sds_secret
from tests.support.certificates import secret
from tests.support.clusters import HOST, ROOT, stored

pytestmark = pytest.mark.envoy


def mutual() -> Cluster:
    cluster = Cluster()
    cluster.find("Gateway", "web")["spec"]["servers"][1]["tls"]["mode"] = "MUTUAL"
    return cluster


def serve_mutual(envoy: Envoy, cluster: Cluster) -> None:
    name = SECRET
    envoy.secrets.send(name, sds_secret(name, stored(cluster.objects)))
    chain = terminated(envoy, HOST, name, [virtual_host(HOST)], mutual=True)
    envoy.listen(
        tls_listener(envoy, chain), plain_listener(envoy, [virtual_host(HOST, redirects=True)])
    )


def test_who_has_a_certificate_is_let_in_and_the_scan_says_that_one_is_needed(
    lab: Lab, tmp_path: Path
):
    cluster, envoy = mutual(), lab.envoy()
    cluster.objects.append(secret("istio-system", f"shop-cert{AUTHORITY}", {"cacert": ROOT.pem}))
    envoy.secrets.send(SECRET + AUTHORITY, sds_authority(SECRET + AUTHORITY, ROOT))
    serve_mutual(envoy, cluster)
    place = access_points(envoy)[TLS_PORT]

    done = lab.scan(cluster, envoy, "--fail-on", "low")

    client = issued("client.example.com")
    assert get_over_tls(place, own=client, folder=tmp_path) == Got(status=200)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        get_over_tls(place)
    assert (done.status, causes(done)) == (0, [("MTLS001", "observed")])
    (problem,) = done.report["problems"]
    assert (problem["severity"], problem["hosts"]) == ("info", [HOST])


def test_without_an_authority_for_clients_nobody_is_let_in(lab: Lab, tmp_path: Path):
    cluster, envoy = mutual(), lab.envoy()
    serve_mutual(envoy, cluster)
    place = access_points(envoy)[TLS_PORT]

    done = lab.scan(cluster, envoy)

    with pytest.raises(ConnectionResetError):
        get_over_tls(place, own=issued("client.example.com"), folder=tmp_path)
    first, *_ = done.report["problems"]
    assert (done.status, first["code"], first["confidence"]) == (1, "MTLS002", "observed")
    assert "SNI011" in codes(done)
