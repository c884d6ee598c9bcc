"""Certificates that clients refuse, and one that never came: objects, Envoy and wire agree."""

import pytest

from tests.lab.client import get_over_tls
from tests.lab.clusters import POD, Cluster, issued
from tests.lab.gateway import Lab, access_points, causes, codes, serve_shop
from tests.lab.listeners import TLS_PORT
from tests.support.certificates import Issued
from tests.support.clusters import HOST, ISSUER

pytestmark = pytest.mark.envoy


def test_a_secret_out_of_reach_is_confirmed_by_the_reset_that_clients_see(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    cluster.find("Secret", "shop-cert")["metadata"]["namespace"] = "shop"
    serve_shop(envoy, None)
    place = access_points(envoy)[TLS_PORT]

    done = lab.scan(cluster, envoy)

    with pytest.raises(ConnectionResetError):
        get_over_tls(place)
    assert done.status == 1
    assert causes(done) == [("CRED001", "observed")]
    (problem,) = done.report["problems"]
    symptoms = {each["code"]: each["evidence"][0]["text"] for each in problem["symptoms"]}
    assert symptoms["SNI011"] == (
        f"Pod {POD} port 8443, SNI {HOST}: the connection was closed without a word"
    )
    assert symptoms["SDS014"] == (
        f"Envoy in Pod {POD}: kubernetes://shop-cert was asked for and has not come"
    )


def without_intermediate() -> Issued:
    whole = issued()
    return Issued(certificate=whole.certificate, key=whole.key, root_pem=ISSUER.pem)


@pytest.mark.parametrize(
    ("served", "code", "symptom", "severity"),
    [
        (issued(since=90, days=-1), "CERT001", "CERT018", "critical"),
        (issued("other.example.com"), "CERT003", "CERT019", "critical"),
        (without_intermediate(), "CERT006", "CERT020", "high"),
    ],
    ids=["expired", "for another host", "without its intermediate"],
)
def test_what_is_wrong_with_a_certificate_is_confirmed_on_the_wire(
    lab: Lab, served: Issued, code: str, symptom: str, severity: str
):
    cluster, envoy = Cluster(served), lab.envoy()
    serve_shop(envoy, served)

    done = lab.scan(cluster, envoy)

    assert (done.status, causes(done)) == (1, [(code, "observed")])
    assert symptom in codes(done)
    (problem,) = done.report["problems"]
    assert (problem["severity"], problem["hosts"]) == (severity, [HOST])
