"""Redirects to https:// that go in circles, or to where nobody speaks TLS, and HTTP/1.0."""

import pytest

from tests.lab.client import Got, get, get_over_tls
from tests.lab.clusters import Cluster, issued
from tests.lab.gateway import Lab, access_points, causes, codes, evidence, serve_shop
from tests.lab.listeners import PLAIN_PORT
from tests.lab.nginx import Behaviour, needs_nginx
from tests.lab.resources import cluster as backend
from tests.probes.servers import one_answer, tls
from tests.support.clusters import HOST, stored

pytestmark = pytest.mark.envoy

ITSELF = f"https://{HOST}/"


@pytest.mark.nginx
@needs_nginx
@pytest.mark.parametrize(
    ("trusted_hops", "forwarded_proto"),
    [(0, ""), (0, "$scheme"), (1, ""), (1, "http")],
    ids=["trusting nobody", "not believing it", "told nothing", "told the wrong thing"],
)
def test_a_plain_hop_behind_a_proxy_that_ends_tls_goes_in_circles(
    lab: Lab, address: str, trusted_hops: int, forwarded_proto: str
):
    cluster = Cluster().behind(address).trusting_hops(trusted_hops)
    envoy = lab.envoy()
    serve_shop(envoy, stored(cluster.objects), trusted_hops=trusted_hops)
    how = Behaviour(ends_tls=True, forwarded_proto=forwarded_proto)
    lab.nginx(address, envoy, stored(cluster.objects), how)

    done = lab.scan(cluster, envoy)

    assert get_over_tls((address, 443)) == Got(status=301, location=ITSELF)
    (problem,) = done.report["problems"]
    assert (done.status, done.report["verdict"]) == (1, "broken")
    code = "HTTP002" if trusted_hops else "HTTP001"
    assert (problem["code"], problem["confidence"]) == (code, "observed")
    assert (problem["severity"], problem["hosts"]) == ("critical", [HOST])
    assert "HTTP014" in codes(done)
    assert f"GET {ITSELF} through {address}:443: 301 → {ITSELF}" in evidence(done)


def test_an_application_that_redirects_to_itself_is_told_from_the_gateway(lab: Lab):
    app = one_answer("HTTP/1.1 301 Moved Permanently", f"Location: {ITSELF}")
    cluster, envoy = Cluster(), lab.envoy(backend("app", lab.upstream(app)))
    serve_shop(envoy, stored(cluster.objects), cluster="app")

    done = lab.scan(cluster, envoy)

    assert (done.status, causes(done)) == (1, [("HTTP007", "observed")])
    (problem,) = done.report["problems"]
    assert (problem["severity"], problem["hosts"]) == ("critical", [HOST])


def test_an_application_that_speaks_only_tls_is_answered_for_with_an_error(lab: Lab):
    app = tls(lab.folder, issued("shop.shop.svc.cluster.local"))
    cluster, envoy = Cluster(), lab.envoy(backend("app", lab.upstream(app)))
    serve_shop(envoy, stored(cluster.objects), cluster="app")

    done = lab.scan(cluster, envoy)

    assert (done.status, causes(done)) == (1, [("HTTP015", "observed")])
    (problem,) = done.report["problems"]
    assert (problem["severity"], problem["hosts"]) == ("high", [HOST])


def test_a_redirect_at_a_node_port_leads_to_where_nobody_speaks_tls(lab: Lab, node: str):
    cluster, envoy = Cluster().at_node(node, 30080, 30443), lab.envoy()
    at = ([(node, 30080)], [(node, 30443)])
    serve_shop(envoy, stored(cluster.objects), also_at=at)
    port = f"{HOST}:30080"

    done = lab.scan(cluster, envoy)

    asked = get((node, 30080), port)
    assert asked == Got(status=301, location=f"https://{port}/")
    assert causes(done) == [("HTTP006", "observed")]
    assert evidence(done) == [f"GET http://{port}/ through {node}:30080: 301 → https://{port}/"]


@pytest.mark.nginx
@needs_nginx
def test_a_proxy_that_speaks_http_1_0_is_refused(lab: Lab, address: str):
    cluster, envoy = Cluster().behind(address), lab.envoy()
    serve_shop(envoy, stored(cluster.objects))
    lab.nginx(address, envoy, stored(cluster.objects), Behaviour(http_version="1.0"))
    assert get(access_points(envoy)[PLAIN_PORT]) == Got(status=301, location=ITSELF)
    assert get((address, 80)) == Got(status=426)
    envoy.wait(lambda: any(" 426 DPE low_version " in line for line in envoy.log()))

    done = lab.scan(cluster, envoy)

    first, *_ = done.report["problems"]
    assert (done.status, done.report["verdict"], first["confidence"]) == (1, "broken", "observed")
    assert first["hosts"] == [HOST]
    assert "HTTP013" in codes(done)
    assert f"GET http://{HOST}/ through {address}:80: 426" in evidence(done)
    assert any(" 426 DPE low_version " in each for each in evidence(done))
