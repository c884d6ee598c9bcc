"""A renewed certificate: taken in, refused by Envoy, taken in by one of two pods only."""

from collections.abc import Iterator

import pytest

from istiodoctor.testing.certificates import Issued
from tests.lab.clusters import OTHER_POD, POD, SECRET, Cluster, issued
from tests.lab.envoy import Envoy
from tests.lab.gateway import Lab, causes, codes, serve_shop
from tests.lab.sds import sds_secret
from tests.lab.sds_server import GrpcSecrets
from tests.support.clusters import HOST, stored

pytestmark = pytest.mark.envoy

REFUSED = (
    "gRPC config for type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret "
    "rejected: Failed to load private key from <inline>, Cause: error:0b000074:"
    "X.509 certificate routines:OPENSSL_internal:KEY_VALUES_MISMATCH"
)


@pytest.fixture
def over_grpc() -> Iterator[GrpcSecrets]:
    with GrpcSecrets() as running:
        yield running


def serial(of: Issued) -> str:
    """Return a serial as Envoy writes it, in whole bytes."""
    digits = f"{of.certificate.serial_number:x}"
    return digits if len(digits) % 2 == 0 else f"0{digits}"


def with_key_of(certificate: Issued, key: Issued) -> Issued:
    """Return a certificate with the key of another."""
    return Issued(
        certificate=certificate.certificate,
        key=key.key,
        intermediates_pem=certificate.intermediates_pem,
    )


def refuse(envoy: Envoy, old: Issued, torn: Issued) -> None:
    """Let an Envoy take one certificate in, and refuse what comes after it."""
    serve_shop(envoy, old)
    envoy.listening()
    envoy.secrets.send(SECRET, sds_secret(SECRET, torn))
    envoy.wait(lambda: envoy.count("sds.*update_rejected") == 1)
    assert serial(old) in envoy.serials()


def test_a_renewed_certificate_that_is_served_is_all_right(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    old, new = issued(since=80, days=10), stored(cluster.objects)
    serve_shop(envoy, old)
    envoy.listening()
    envoy.wait(lambda: serial(old) in envoy.serials())
    envoy.secrets.send(SECRET, sds_secret(SECRET, new))
    envoy.wait(lambda: serial(new) in envoy.serials())

    done = lab.scan(cluster, envoy, "--fail-on", "low")

    assert (done.status, causes(done), done.report["verdict"]) == (0, [], "healthy")


def test_where_envoy_refuses_a_torn_pair_the_old_certificate_is_seen_to_be_served(lab: Lab):
    old, torn = issued(since=60, days=30), with_key_of(issued(), issued())
    cluster, envoy = Cluster(torn), lab.envoy()
    refuse(envoy, old, torn)

    done = lab.scan(cluster, envoy)

    assert (done.status, causes(done)) == (1, [("CERT008", "observed")])
    assert codes(done) >= {"SDS002", "SDS013"}
    (problem,) = done.report["problems"]
    wire, state, _ = (each["text"] for each in problem["evidence"])
    assert f"serial {serial(old)}" in wire
    assert f"has serial {serial(torn)}, which is not in use; serial {serial(old)} is" in state
    # Clients still get an answer: it is down at the next restart, not now.
    assert (problem["severity"], problem["hosts"]) == ("high", [HOST])


def test_the_refusal_is_found_in_the_log_in_istios_words(lab: Lab, over_grpc: GrpcSecrets):
    old, torn = issued(since=60, days=30), with_key_of(issued(), issued())
    cluster, envoy = Cluster(torn), lab.envoy(secrets=over_grpc)
    refuse(envoy, old, torn)

    done = lab.scan(cluster, envoy)

    assert causes(done) == [("CERT008", "observed")]
    symptoms = {each["code"]: each for each in done.report["problems"][0]["symptoms"]}
    assert {"kind": "log", "text": REFUSED}.items() <= symptoms["SDS003"]["evidence"][0].items()


def test_a_refusal_outlives_the_mending_of_the_secret(lab: Lab, over_grpc: GrpcSecrets):
    old, new = issued(since=60, days=30), issued()
    cluster, envoy = Cluster(new), lab.envoy(secrets=over_grpc)
    refuse(envoy, old, with_key_of(issued(), issued()))

    done = lab.scan(cluster, envoy)

    assert (done.status, causes(done)) == (1, [("SDS003", "observed")])
    assert codes(done) >= {"SDS002", "SDS013"}


def test_what_is_served_in_place_of_a_renewed_certificate_is_seen_without_envoys_word(lab: Lab):
    cluster, envoy = Cluster(), lab.envoy()
    old = issued(since=80, days=10)
    serve_shop(envoy, old)

    done = lab.scan(cluster, envoy, "--no-envoy", "--no-logs")

    assert (done.status, causes(done)) == (1, [("SDS013", "observed")])
    (problem,) = done.report["problems"]
    assert [each["kind"] for each in problem["evidence"]] == ["tls"]
    assert serial(old) in problem["message"]


def test_of_two_pods_the_stale_one_is_named(lab: Lab):
    cluster = Cluster().with_two_pods()
    fresh, stale = lab.envoy(), lab.envoy()
    old = issued(since=60, days=30)
    serve_shop(fresh, stored(cluster.objects))
    serve_shop(stale, old)

    done = lab.scan(cluster, {POD: fresh, OTHER_POD: stale})

    assert (done.status, causes(done)) == (1, [("SDS002", "observed")])
    assert "SDS013" in codes(done)
    (problem,) = done.report["problems"]
    assert [each["text"] for each in problem["evidence"]] == [
        f"Envoy in Pod {OTHER_POD}: {SECRET} has serial {serial(old)}"
    ]
    assert "in 1 of 2 pods of Deployment istio-system/ingress" in problem["message"]
