"""Gateways that do as they are told, in ways that look like faults."""

import pytest

from istiodoctor.testing.certificates import Issued
from tests.lab.clusters import SECRET, Cluster, issued
from tests.lab.envoy import Envoy
from tests.lab.gateway import Lab, serve_shop, told
from tests.lab.listeners import plain_listener, terminated, tls_listener, virtual_host
from tests.lab.resources import Resource
from tests.lab.resources import cluster as backend
from tests.lab.sds import sds_secret
from tests.probes.servers import one_answer
from tests.support.clusters import HOST, stored

pytestmark = pytest.mark.envoy

REDIRECTING = virtual_host(HOST, redirects=True)
SERVING = virtual_host(HOST, cluster="app")


def started(lab: Lab, *lines: str) -> Envoy:
    """Return an Envoy before an application that says this."""
    answer = one_answer(*(lines or ("HTTP/1.1 200 OK",)))
    return lab.envoy(backend("app", lab.upstream(answer)))


def listen(
    envoy: Envoy, served: Issued, over_tls: Resource, plainly: Resource, *, host: str = HOST
) -> None:
    envoy.secrets.send(SECRET, sds_secret(SECRET, served))
    secured = tls_listener(envoy, terminated(envoy, host, SECRET, [over_tls]))
    envoy.listen(secured, plain_listener(envoy, [plainly]))


@pytest.mark.parametrize(
    "lines",
    [
        ("HTTP/1.1 404 Not Found",),
        ("HTTP/1.1 403 Forbidden",),
        ("HTTP/1.1 503 Service Unavailable",),
        ("HTTP/1.1 426 Upgrade Required", "Upgrade: websocket"),
        ("HTTP/1.1 301 Moved Permanently", "Location: https://sso.other.test/"),
        ("HTTP/1.1 200 OK", "Strict-Transport-Security: max-age=31536000; includeSubDomains"),
    ],
    ids=lambda lines: lines[0][9:12],
)
def test_what_an_application_answers_is_its_own_affair(lab: Lab, lines: tuple[str, ...]):
    cluster, envoy = Cluster(), started(lab, *lines)
    serve_shop(envoy, stored(cluster.objects), cluster="app")

    assert told(lab.scan(cluster, envoy)) == []


def test_routes_for_some_paths_leave_the_others_unanswered(lab: Lab):
    cluster, envoy = Cluster(), started(lab)
    only = [{"uri": {"prefix": "/api"}}]
    cluster.change("VirtualService", "shop", lambda spec: spec["http"][0].update(match=only))
    routed = {**SERVING, "routes": [{**SERVING["routes"][0], "match": {"prefix": "/api"}}]}
    listen(envoy, stored(cluster.objects), routed, REDIRECTING)

    assert told(lab.scan(cluster, envoy)) == []


def test_a_route_may_redirect_in_place_of_the_server(lab: Lab):
    cluster, envoy = Cluster(), started(lab)
    rule = {"match": [{"port": 80}], "redirect": {"scheme": "https", "redirectCode": 301}}
    cluster.change("VirtualService", "shop", lambda spec: spec["http"].insert(0, rule))
    cluster.change("Gateway", "web", lambda spec: spec["servers"][0].pop("tls"))
    listen(envoy, stored(cluster.objects), SERVING, virtual_host(HOST, to_itself=True))

    assert told(lab.scan(cluster, envoy)) == []


def test_a_wildcard_stands_for_the_hosts_of_routes(lab: Lab):
    served = issued("*.example.com")
    cluster, envoy = Cluster(served), started(lab)
    for server in cluster.find("Gateway", "web")["spec"]["servers"]:
        server["hosts"] = ["*.example.com"]
    # istiod redirects the server's host as well as the one of the routes.
    redirecting = {**REDIRECTING, "domains": [*REDIRECTING["domains"], "*.example.com"]}
    listen(envoy, served, SERVING, redirecting, host="*.example.com")

    assert told(lab.scan(cluster, envoy)) == []
