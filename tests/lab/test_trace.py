"""`trace --probe`: each hop of one request, held against what Envoy and the wire show."""

import json
from typing import Any

import pytest

from tests.cli.process import Done
from tests.lab.clusters import Cluster, issued
from tests.lab.envoy import Envoy
from tests.lab.gateway import SHOP_CLUSTER, Lab, serve_shop
from tests.lab.nginx import Behaviour, needs_nginx
from tests.lab.resources import cluster as backend
from tests.probes.servers import one_answer, tls
from tests.support.clusters import HOST, stored

pytestmark = pytest.mark.envoy

URL = f"https://{HOST}/"


def legs(done: Done) -> list[dict[str, tuple[str, str]]]:
    """Return state and confirmation of each hop that could be looked at, leg by leg."""
    return [
        {
            hop["hop"]: (hop["state"], hop["confirmation"])
            for hop in leg["hops"]
            if hop["confirmation"] != "not-looked-at"
        }
        for leg in json.loads(done.stdout)["legs"]
    ]


def stopped(done: Done) -> tuple[Any, ...]:
    """Return where a request stops: hop, code and confirmation."""
    at = json.loads(done.stdout)["stoppedAt"]
    return at["hop"], at["code"], at["confirmation"]


def answering(lab: Lab) -> Envoy:
    """Return an Envoy with a backend that answers."""
    app = one_answer("HTTP/1.1 200 OK")
    return lab.envoy(backend(SHOP_CLUSTER, lab.upstream(app)))


def test_a_request_is_confirmed_hop_by_hop_and_over_its_redirect(lab: Lab):
    cluster, envoy = Cluster(), answering(lab)
    serve_shop(envoy, stored(cluster.objects), cluster=SHOP_CLUSTER)

    done = lab.trace(cluster, envoy, f"http://{HOST}/", "--probe")

    confirmed = ("ok", "confirmed")
    plain, secured = legs(done)
    assert (done.status, done.stderr) == (0, "")
    assert plain == dict.fromkeys(
        ("workload", "listener", "filter-chain", "virtual-host", "redirect"), confirmed
    )
    assert secured == dict.fromkeys(
        ("workload", "listener", "filter-chain", "certificate", "virtual-host", "route", "backend",
         "endpoints"),
        confirmed,
    )  # fmt: skip


def test_a_request_stops_at_the_certificate_that_never_came(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    cluster.find("Secret", "shop-cert")["metadata"]["namespace"] = "shop"
    serve_shop(envoy, None)

    done = lab.trace(cluster, envoy, URL, "--probe")

    assert (done.status, stopped(done)) == (1, ("certificate", "CRED001", "confirmed"))


def test_a_request_is_answered_with_a_certificate_that_is_not_the_stored_one(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    serve_shop(envoy, issued(since=80, days=10))

    done = lab.trace(cluster, envoy, URL, "--probe")

    (leg,) = legs(done)
    assert (done.status, leg["certificate"]) == (0, ("warning", "contradicted"))
    assert {leg[hop] for hop in leg if hop != "certificate"} == {("ok", "confirmed")}


def test_a_request_stops_where_the_backend_speaks_only_tls(lab: Lab):
    app = tls(lab.folder, issued("shop.shop.svc.cluster.local"))
    cluster, envoy = Cluster(), lab.envoy(backend(SHOP_CLUSTER, lab.upstream(app)))
    serve_shop(envoy, stored(cluster.objects), cluster=SHOP_CLUSTER)

    done = lab.trace(cluster, envoy, URL, "--probe")

    hop, _, confirmation = stopped(done)
    assert (done.status, hop, confirmation) == (1, "backend", "contradicted")


@pytest.mark.nginx
@needs_nginx
def test_a_loop_at_the_load_balancer_is_told_from_the_pods_that_answer(lab: Lab, address: str):
    cluster, envoy = Cluster().behind(address), answering(lab)
    serve_shop(envoy, stored(cluster.objects), cluster=SHOP_CLUSTER)
    lab.nginx(address, envoy, stored(cluster.objects), Behaviour(ends_tls=True))

    done = lab.trace(cluster, envoy, URL, "--probe")

    assert (done.status, stopped(done)) == (1, ("service", "HTTP001", "contradicted"))
    (leg,) = legs(done)
    assert leg["certificate"] == leg["backend"] == ("ok", "confirmed")
