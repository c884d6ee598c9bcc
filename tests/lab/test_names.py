"""Names: whom an SNI reaches, who sends none, and connections that are used for two of them."""

import json

import pytest

from tests.lab.client import Got, get_over_tls
from tests.lab.clusters import POD, SECRET, Cluster, issued
from tests.lab.gateway import Lab, access_points, causes, codes, evidence, serve_shop, told
from tests.lab.listeners import (
    TLS_PORT,
    blackhole,
    passed_through,
    plain_listener,
    terminated,
    tls_listener,
    virtual_host,
)
from tests.lab.nginx import Behaviour, needs_nginx
from tests.lab.resources import cluster as backend
from tests.lab.sds import sds_secret
from tests.probes.servers import Answer, one_answer, tls
from tests.support.clusters import HOST, stored

pytestmark = pytest.mark.envoy

NEW = "new.example.com"
TWO = ("a.example.com", "b.example.com")
OK = one_answer("HTTP/1.1 200 OK")


def test_a_name_that_no_gateway_has_is_reset_and_the_trace_says_why(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    serve_shop(envoy, stored(cluster.objects))
    place = access_points(envoy)[TLS_PORT]

    done = lab.trace(cluster, envoy, "https://unknown.example.com/")

    with pytest.raises(ConnectionResetError):
        get_over_tls(place, "unknown.example.com")
    stopped = json.loads(done.stdout)["stoppedAt"]
    assert (done.status, stopped["hop"], stopped["text"]) == (
        1, "filter-chain", "no gateway has a server for unknown.example.com",
    )  # fmt: skip


def test_a_name_that_envoy_was_not_told_of_yet_is_seen_to_be_refused(lab: Lab):
    cluster, envoy = Cluster(issued(HOST, NEW)), lab.envoy()
    for server in cluster.find("Gateway", "web")["spec"]["servers"]:
        server["hosts"].append(NEW)
    cluster.find("VirtualService", "shop")["spec"]["hosts"].append(NEW)
    serve_shop(envoy, stored(cluster.objects))

    done = lab.scan(cluster, envoy)

    first, *_ = done.report["problems"]
    assert (done.status, first["confidence"]) == (1, "observed")
    assert (first["severity"], first["hosts"]) == ("critical", [NEW])
    assert "SNI011" in codes(done)
    reset = f"Pod {POD} port 8443, SNI {NEW}: the connection was closed without a word"
    assert reset in evidence(done)


@pytest.mark.nginx
@needs_nginx
def test_a_proxy_that_sends_no_name_is_answered_by_nobody(lab: Lab, address: str):
    cluster, envoy = Cluster().behind(address), lab.envoy()
    serve_shop(envoy, stored(cluster.objects))
    lab.nginx(address, envoy, stored(cluster.objects), Behaviour(sends_sni=False))
    place = access_points(envoy)[TLS_PORT]
    assert get_over_tls(place) == Got(status=200)
    assert get_over_tls((address, 443)) == Got(status=502)
    envoy.wait(lambda: any(" NR filter_chain_not_found " in line for line in envoy.log()))

    done = lab.scan(cluster, envoy)

    with pytest.raises(ConnectionResetError):
        get_over_tls(place, sni="")
    assert (done.status, told(done)) == (1, [("SNI002", "observed", {"HTTP015", "SNI001"})])
    (problem,) = done.report["problems"]
    assert (problem["severity"], problem["hosts"]) == ("critical", [HOST])
    assert f"GET https://{HOST}/ through {address}:443: 502" in evidence(done)
    assert any(" NR filter_chain_not_found " in each for each in evidence(done))


def test_a_host_that_no_route_is_bound_to_is_answered_with_404(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    cluster.objects.remove(cluster.find("VirtualService", "shop"))
    envoy.secrets.send(SECRET, sds_secret(SECRET, stored(cluster.objects)))
    envoy.listen(
        tls_listener(envoy, terminated(envoy, HOST, SECRET, [blackhole()])),
        plain_listener(envoy, [virtual_host(HOST, redirects=True)]),
    )

    done = lab.scan(cluster, envoy, "--fail-on", "medium")

    assert (done.status, causes(done)) == (1, [("GW019", "observed")])
    assert f"GET https://{HOST}/ through Pod {POD} port 8443: 404" in evidence(done)


def test_one_connection_for_two_servers_ends_at_the_first(lab: Lab):
    wildcard = issued("*.example.com")
    cluster, envoy = Cluster(wildcard), lab.envoy()
    cluster.find("Gateway", "web")["spec"]["servers"] = [
        {
            "port": {"number": 443, "name": f"https-{name[0]}", "protocol": "HTTPS"},
            "hosts": [name],
            "tls": {"mode": "SIMPLE", "credentialName": "shop-cert"},
        }
        for name in TWO
    ]
    cluster.find("VirtualService", "shop")["spec"]["hosts"] = list(TWO)
    del cluster.find("Service", "ingress")["spec"]["ports"][0]
    envoy.secrets.send(SECRET, sds_secret(SECRET, wildcard))
    chains = (terminated(envoy, name, SECRET, [virtual_host(name)]) for name in TWO)
    envoy.listen(tls_listener(envoy, *chains))
    place = access_points(envoy)[TLS_PORT]

    done = lab.scan(cluster, envoy)

    first, second = TWO
    assert get_over_tls(place, second) == Got(status=200)
    assert get_over_tls(place, second, sni=first) == Got(status=404)
    assert (done.status, done.report["verdict"]) == (1, "degraded")
    assert causes(done) == [("SNI003", "observed")]
    (problem,) = done.report["problems"]
    assert (problem["severity"], problem["hosts"]) == ("high", [*TWO])


def passing_through() -> Cluster:
    """Return the cluster with a server that leaves TLS to the application."""
    cluster = Cluster()
    gateway = cluster.find("Gateway", "web")["spec"]["servers"][1]
    gateway.update(
        port={"number": 443, "name": "tls", "protocol": "TLS"}, tls={"mode": "PASSTHROUGH"}
    )
    destination = {"host": "shop.shop.svc.cluster.local", "port": {"number": 8443}}
    rule = {
        "match": [{"port": 443, "sniHosts": [HOST]}],
        "route": [{"destination": destination}],
    }
    cluster.find("VirtualService", "shop")["spec"].update(tls=[rule])
    del cluster.find("VirtualService", "shop")["spec"]["http"]
    ports = [{"name": "tls", "port": 8443, "targetPort": 8443}]
    cluster.find("Service", "shop")["spec"]["ports"] = ports
    container = cluster.find("Pod", "shop-1")["spec"]["containers"][0]
    container["ports"] = [{"containerPort": 8443}]
    cluster.find("EndpointSlice", "shop-1")["ports"] = [{"name": "tls", "port": 8443}]
    cluster.objects.remove(cluster.find("Secret", "shop-cert"))
    return cluster


@pytest.mark.parametrize(
    ("days", "expected"),
    [(80, []), (-1, [("CERT018", "observed")])],
    ids=["valid", "expired"],
)
def test_behind_a_passthrough_server_the_applications_certificate_is_judged(
    lab: Lab, days: int, expected: list[object]
):
    answer = tls(lab.folder, issued(since=90, days=days), then=OK)
    done = scan_passing_through(lab, answer)

    assert (done.status, causes(done)) == (1 if expected else 0, expected)


def test_behind_a_passthrough_server_an_application_without_tls_is_told(lab: Lab):
    done = scan_passing_through(lab, one_answer("HTTP/1.1 400 Bad Request"))

    (problem,) = done.report["problems"]
    assert (done.status, problem["confidence"], problem["severity"]) == (1, "observed", "critical")
    assert "SNI011" in codes(done)
    assert "HTTP/1.1 400 Bad Request" in problem["evidence"][0]["text"]


def scan_passing_through(lab: Lab, answer: Answer):
    envoy = lab.envoy(backend("app", lab.upstream(answer)))
    envoy.listen(
        tls_listener(envoy, passed_through(HOST, "app")),
        plain_listener(envoy, [virtual_host(HOST, redirects=True)]),
    )
    return lab.scan(passing_through(), envoy)
