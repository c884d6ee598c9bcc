"""What requests show beside the objects: pods that are behind, headers, challenges."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.cli.process import Done
from tests.lab.clusters import POD, SECRET, Cluster
from tests.lab.envoy import Envoy
from tests.lab.gateway import Lab, codes, evidence, serve_shop, told
from tests.lab.listeners import (
    blackhole,
    plain_listener,
    terminated,
    tls_listener,
    virtual_host,
)
from tests.lab.nginx import Behaviour, needs_nginx
from tests.lab.resources import Resource
from tests.lab.resources import cluster as backend
from tests.lab.sds import sds_secret
from tests.probes.servers import one_answer, saying
from tests.support.clusters import HOST, stored

pytestmark = pytest.mark.envoy

ITSELF = f"https://{HOST}/"
TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
ISSUANCE = f"""
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {{name: letsencrypt}}
spec:
  acme:
    server: https://acme-v02.api.letsencrypt.org/directory
    solvers: [{{http01: {{ingress: {{class: istio}}}}}}]
status: {{conditions: [{{type: Ready, status: "True"}}]}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: shop, namespace: istio-system}}
spec:
  secretName: shop-cert
  dnsNames: [{HOST}]
  issuerRef: {{name: letsencrypt, kind: ClusterIssuer}}
status:
  conditions:
  - {{type: Issuing, status: "True", reason: DoesNotExist, lastTransitionTime: "SINCE"}}
  - {{type: Ready, status: "False", reason: DoesNotExist}}
---
apiVersion: acme.cert-manager.io/v1
kind: Challenge
metadata: {{name: shop-1-2, namespace: istio-system}}
spec: {{type: HTTP-01, dnsName: {HOST}, token: {TOKEN}, key: {TOKEN}.thumbprint}}
status: {{state: pending, processing: true, presented: true}}
"""


def first(done: Done) -> dict[str, Any]:
    problem: dict[str, Any] = done.report["problems"][0]
    return problem


def test_a_pod_that_the_routes_have_not_reached_is_behind(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    envoy.secrets.send(SECRET, sds_secret(SECRET, stored(cluster.objects)))
    envoy.listen(
        tls_listener(envoy, terminated(envoy, HOST, SECRET, [blackhole()])),
        plain_listener(envoy, [virtual_host(HOST, redirects=True)]),
    )

    done = lab.scan(cluster, envoy)

    assert (done.status, told(done)) == (1, [("HTTP018", "observed", frozenset())])
    assert (first(done)["severity"], first(done)["hosts"]) == ("high", [HOST])
    assert evidence(done) == [f"GET {ITSELF} through Pod {POD} port 8443: 404"]


def test_a_pod_that_does_not_redirect_yet_is_behind(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    envoy.secrets.send(SECRET, sds_secret(SECRET, stored(cluster.objects)))
    envoy.listen(
        tls_listener(envoy, terminated(envoy, HOST, SECRET, [virtual_host(HOST)])),
        plain_listener(envoy, [virtual_host(HOST)]),
    )

    done = lab.scan(cluster, envoy)

    assert (done.status, told(done)) == (1, [("HTTP018", "observed", frozenset())])
    assert "as if there were no httpsRedirect" in first(done)["message"]


@pytest.mark.parametrize(("configured", "in_force"), [(1, 0), (0, 1)])
def test_a_change_of_trust_that_pods_have_not_started_with_is_seen(
    lab: Lab, configured: int, in_force: int
):
    cluster, envoy = Cluster().trusting_hops(configured), lab.envoy()
    serve_shop(envoy, stored(cluster.objects), trusted_hops=in_force)

    done = lab.scan(cluster, envoy)

    assert (done.status, told(done)) == (1, [("HTTP020", "observed", frozenset())])


def test_a_trust_that_is_in_force_is_nothing_to_speak_of(lab: Lab):
    cluster, envoy = Cluster().trusting_hops(1), lab.envoy()
    serve_shop(envoy, stored(cluster.objects), trusted_hops=1)

    done = lab.scan(cluster, envoy, "--fail-on", "low")

    assert (done.status, told(done)) == (0, [])


def test_an_application_that_leads_back_to_http_is_told_from_the_redirect(lab: Lab):
    app = one_answer("HTTP/1.1 302 Found", f"Location: http://{HOST}/")
    cluster, envoy = Cluster(), lab.envoy(backend("app", lab.upstream(app)))
    serve_shop(envoy, stored(cluster.objects), cluster="app")

    done = lab.scan(cluster, envoy)

    assert (done.status, told(done)) == (1, [("HTTP019", "observed", frozenset({"HTTP009"}))])
    assert first(done)["severity"] == "critical"


def waiting(cluster: Cluster) -> Cluster:
    """Let the cluster wait for its first certificate."""
    since = datetime.now(UTC) - timedelta(hours=1)
    text = ISSUANCE.replace("SINCE", f"{since:%FT%TZ}")
    cluster.objects.remove(cluster.find("Secret", "shop-cert"))
    cluster.objects += yaml.safe_load_all(text)
    return cluster


def without_secret(envoy: Envoy, *hosts: Resource) -> None:
    envoy.secrets.send(SECRET)
    chain = terminated(envoy, HOST, SECRET, [virtual_host(HOST)])
    envoy.listen(tls_listener(envoy, chain), plain_listener(envoy, list(hosts)))


def test_a_challenge_is_seen_to_be_redirected_away(lab: Lab):
    cluster, envoy = waiting(Cluster()), lab.envoy()
    without_secret(envoy, virtual_host(HOST, redirects=True))

    done = lab.scan(cluster, envoy)

    problem = next(each for each in done.report["problems"] if each["code"] == "CM005")
    assert (done.status, problem["confidence"]) == (1, "observed")
    assert "CM019" in [each["code"] for each in problem["symptoms"]]
    assert problem["evidence"][0]["text"].startswith(
        f"GET http://{HOST}/.well-known/acme-challenge/…"
    )
    assert TOKEN not in done.stdout


def test_a_challenge_that_is_answered_is_left_alone(lab: Lab):
    answer = f"{TOKEN}.thumbprint"
    solver = saying(
        "HTTP/1.1 200 OK", f"Content-Length: {len(answer)}", "Connection: close", "", answer
    )
    cluster, envoy = waiting(Cluster()), lab.envoy(backend("solver", lab.upstream(solver)))
    without_secret(envoy, virtual_host(HOST, cluster="solver"))
    del cluster.find("Gateway", "web")["spec"]["servers"][1]["tls"]

    done = lab.scan(cluster, envoy, "--select", "CM005,CM019")

    assert told(done) == []
    assert {each["outcome"] for each in done.report["checks"]} == {"passed"}
    assert answer not in done.stdout


@pytest.mark.nginx
@needs_nginx
def test_a_proxy_that_ends_tls_is_named_where_the_objects_do_not_tell(lab: Lab, address: str):
    cluster, envoy = Cluster().behind(address), lab.envoy()
    serve_shop(envoy, stored(cluster.objects))
    lab.nginx(address, envoy, stored(cluster.objects), Behaviour(ends_tls=True))

    done = lab.scan(cluster, envoy)

    problem = first(done)
    assert (problem["code"], problem["confidence"]) == ("HTTP001", "observed")
    assert f"what ends TLS at {address}:443" in problem["message"]
    assert problem["fixes"][0]["title"].startswith("Remove httpsRedirect from")


@pytest.mark.nginx
@needs_nginx
def test_a_proxy_that_speaks_http_1_0_is_seen_from_outside(lab: Lab, address: str):
    cluster, envoy = Cluster().behind(address), lab.envoy()
    serve_shop(envoy, stored(cluster.objects))
    how = Behaviour(ends_tls=True, http_version="1.0")
    lab.nginx(address, envoy, stored(cluster.objects), how)

    done = lab.scan(cluster, envoy, "--no-logs")

    assert done.status == 1
    assert "HTTP016" in codes(done)
