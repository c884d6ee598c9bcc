"""A gateway on which nothing is wrong, in whatever way it is reached, is accused of nothing."""

import pytest

from tests.cli.process import Done
from tests.lab.client import Got, get, get_over_tls
from tests.lab.clusters import Cluster, issued
from tests.lab.gateway import Lab, access_points, serve_shop, told
from tests.lab.listeners import PLAIN_PORT, TLS_PORT
from tests.lab.nginx import Behaviour, needs_nginx
from tests.lab.resources import cluster as backend
from tests.probes.servers import one_answer
from tests.support.clusters import HOST, stored

pytestmark = pytest.mark.envoy

PROBING = {
    "CERT018", "CERT019", "CERT020", "SDS013", "SNI011", "MTLS001", "SVC010", "SVC011",
    "CERT021", "GW021", "GW022", "GW023", "MTLS014", "MTLS015", "MTLS016", "SDS015", "SVC014",
    "SVC015", "SNI012", "SNI013", "SNI014", "HTTP006", "HTTP007", "HTTP014",
    "OPS001",
}  # fmt: skip


def assert_silent(done: Done) -> None:
    assert (done.status, done.stderr, told(done)) == (0, "", [])
    assert (done.report["verdict"], done.report["unread"]) == ("healthy", [])
    outcomes = {each["code"]: each["outcome"] for each in done.report["checks"]}
    assert {code: outcomes[code] for code in PROBING} == dict.fromkeys(PROBING, "passed")


def test_a_gateway_is_looked_at_and_nothing_is_said(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    serve_shop(envoy, stored(cluster.objects))
    ports = access_points(envoy)

    done = lab.scan(cluster, envoy, "--fail-on", "low")

    redirected = get(ports[PLAIN_PORT])
    assert redirected == Got(status=301, location=f"https://{HOST}/")
    assert get_over_tls(ports[TLS_PORT]) == Got(status=200)
    assert_silent(done)


def test_an_application_that_answers_is_reached(lab: Lab):
    app = backend("app", lab.upstream(one_answer("HTTP/1.1 200 OK")))
    cluster, envoy = Cluster(), lab.envoy(app)
    serve_shop(envoy, stored(cluster.objects), cluster="app")

    assert_silent(lab.scan(cluster, envoy, "--fail-on", "low"))


def test_a_load_balancer_that_passes_bytes_on_is_the_gateway(lab: Lab, address: str):
    cluster, envoy = Cluster().behind(address), lab.envoy()
    at = ([(address, 80)], [(address, 443)])
    serve_shop(envoy, stored(cluster.objects), also_at=at)

    assert_silent(lab.scan(cluster, envoy, "--fail-on", "low"))


@pytest.mark.nginx
@needs_nginx
@pytest.mark.parametrize("own", [False, True], ids=["the same", "its own"])
def test_a_proxy_that_opens_tls_again_is_none_of_the_gateways_faults(
    lab: Lab, address: str, own: bool
):
    """With the certificate of the gateway, or with one of its own for the same host."""
    cluster, envoy = Cluster().behind(address), lab.envoy()
    served = stored(cluster.objects)
    serve_shop(envoy, served)
    lab.nginx(address, envoy, issued() if own else served)

    done = lab.scan(cluster, envoy, "--fail-on", "low")

    assert get((address, 80)) == Got(status=301, location=f"https://{HOST}/")
    assert get_over_tls((address, 443)) == Got(status=200)
    assert_silent(done)


@pytest.mark.nginx
@needs_nginx
def test_a_proxy_that_ends_tls_and_is_trusted_when_it_says_so_is_right(lab: Lab, address: str):
    cluster, envoy = Cluster().behind(address).trusting_hops(1), lab.envoy()
    serve_shop(envoy, stored(cluster.objects), trusted_hops=1)
    how = Behaviour(ends_tls=True, forwarded_proto="$scheme")
    lab.nginx(address, envoy, stored(cluster.objects), how)

    done = lab.scan(cluster, envoy, "--fail-on", "low")

    assert get((address, 80)) == Got(status=301, location=f"https://{HOST}/")
    assert get_over_tls((address, 443)) == Got(status=200)
    assert_silent(done)
