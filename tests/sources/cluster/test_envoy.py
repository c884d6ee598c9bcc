"""What is read of a real Envoy of a gateway, and what a scan makes of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.cluster import ClusterState
from istiodoctor.mesh.configuration.held_by_envoy import (
    held_clusters,
    held_listeners,
    held_route_configuration,
)
from istiodoctor.model.envoy import EnvoySecret, ListenerState, SecretStatus
from istiodoctor.model.kind import CORE, ISTIO_NETWORKING
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading, Snapshot
from istiodoctor.testing.certificates import Issued, key_pem, new_key
from tests.apiserver import ApiServer
from tests.cli.process import Shell
from tests.lab.envoy import Envoy
from tests.lab.listeners import plain_listener, terminated, tls_listener
from tests.lab.resources import cluster
from tests.lab.sds import sds_secret
from tests.sources.cluster.conftest import Open
from tests.sources.cluster.envoys import asked, asked_for_configuration, state
from tests.sources.cluster.objects import pod
from tests.support.clusters import HOST, ISSUER, anchors, healthy
from tests.support.envoy_dumps import noted

OBJECTS = [pod("istio-system/gateway"), pod("istio-system/other")]
INGRESS = "istio-system/ingress-7c9d8f6b5d-x2x4q"
SHOP, LATE = "kubernetes://shop-cert", "kubernetes://late-cert"


def issued(days: int = 60) -> Issued:
    now = datetime.now(UTC)
    return ISSUER.issue(
        HOST, not_before=now - timedelta(days=10), not_after=now + timedelta(days=days)
    )


def serial(of: Issued) -> str:
    digits = f"{of.certificate.serial_number:x}"
    return digits if len(digits) % 2 == 0 else f"0{digits}"


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoy]:
    """An Envoy that serves one host and waits for the certificate of another."""
    made = Envoy(tmp_path_factory.mktemp("envoy"))
    made.secrets.send(SHOP, sds_secret(SHOP, issued()))
    hosts = {HOST: SHOP, "late.example.com": LATE}
    made.listen(tls_listener(made, *(terminated(made, *each) for each in hosts.items())))
    with made:
        made.listening()
        yield made


def secret(reading: Reading, name: str = SHOP) -> EnvoySecret:
    return state(reading).secrets_by_name[name]


@pytest.mark.envoy
def test_a_gateways_envoy_tells_its_secrets_its_listeners_and_itself(
    server: ApiServer, connect: Open, envoy: Envoy
):
    served = issued()
    envoy.secrets.send(SHOP, sds_secret(SHOP, served))
    envoy.wait(lambda: serial(served) in envoy.serials())
    server.port_forward("istio-system/gateway", 15000, to=envoy.admin)

    reading = asked(connect(server))

    found = state(reading)
    (listener,) = found.listeners
    (certificate,) = found.certificates or ()
    assert reading.unread == ()
    assert [(each.name, each.status, each.is_initialized) for each in found.secrets] == [
        (SHOP, SecretStatus.ACTIVE, True),
        (LATE, SecretStatus.WARMING, False),
    ]
    assert secret(reading).bundle.certificates[0].serial == serial(served)
    assert (listener.name, set(listener.states)) == ("0.0.0.0_8443", {ListenerState.ACTIVE})
    assert [(each.server_names, each.secrets) for each in listener.filter_chains] == [
        ((HOST,), (SHOP,)),
        (("late.example.com",), (LATE,)),
    ]
    assert (certificate.serial, certificate.subject_alternative_names) == (serial(served), (HOST,))
    assert (found.lifecycle, found.version.count(".")) == ("LIVE", 2)
    assert found.started is not None


@pytest.mark.envoy
def test_a_gateways_envoy_tells_its_routes_and_clusters(
    server: ApiServer, connect: Open, tmp_path: Path
):
    with Envoy(tmp_path / "routed") as routed:
        place = noted("virtual-service", "shop", "web")
        routes = [
            {"match": {"path": "/old"}, "redirect": {"path_redirect": "/new"}, "metadata": place},
            {"match": {"prefix": "/"}, "route": {"cluster": "web"}, "metadata": place},
        ]
        host = {"name": "shop:80", "domains": ["Shop.example.com"], "routes": routes}
        rds = routed.send_routes({"name": "http.8080", "virtual_hosts": [host]})
        routed.listen(plain_listener(routed, [], rds=rds))
        routed.send_clusters(cluster("web", 80, 81), cluster("empty"))
        routed.listening()
        routed.wait(lambda: b'"empty"' in routed.fetch("/config_dump"))
        server.port_forward("istio-system/gateway", 15000, to=routed.admin)
        source = connect(server)
        readings = [asked(source), asked_for_configuration(source)]

    mesh = Mesh(Snapshot(taken_at=datetime.now(UTC), source="test", readings=readings))
    pod_ref = Ref(CORE, "Pod", "istio-system", "gateway")
    (listener,) = held_listeners(mesh, pod_ref) or ()
    (chain,) = listener.filter_chains
    assert chain.http is not None
    found = held_route_configuration(mesh, pod_ref, chain.http.route_configuration)
    assert found is not None
    (shop,) = found.virtual_hosts
    assert (shop.domains, [each.match.path for each in shop.routes]) == (
        ("shop.example.com",),
        ["/old", "/"],
    )
    assert {each.made_by.ref for each in shop.routes} == {
        Ref(ISTIO_NETWORKING, "VirtualService", "shop", "web")
    }
    clusters = held_clusters(mesh, pod_ref) or {}
    assert {name: (each.state, each.endpoints) for name, each in clusters.items()} == {
        "web": (ClusterState.OK, 2),
        "empty": (ClusterState.NO_ENDPOINT, 0),
    }


@pytest.mark.envoy
def test_what_envoy_waits_for_says_since_when(server: ApiServer, connect: Open, envoy: Envoy):
    server.port_forward("istio-system/gateway", 15000, to=envoy.admin)

    late = secret(asked(connect(server)), LATE)

    assert (late.version_info, late.leaf) == ("uninitialized", None)
    assert late.last_updated is not None
    assert late.last_updated < datetime.now(UTC)


@pytest.mark.envoy
def test_a_renewed_secret_is_seen_and_a_refused_one_leaves_the_old(
    server: ApiServer, connect: Open, envoy: Envoy
):
    server.port_forward("istio-system/gateway", 15000, to=envoy.admin)
    renewed = issued()
    envoy.secrets.send(SHOP, sds_secret(SHOP, renewed))
    envoy.wait(lambda: serial(renewed) in envoy.serials())
    first = state(asked(connect(server)))
    before = envoy.count("sds.*update_rejected")
    refused = issued()
    envoy.secrets.send(SHOP, sds_secret(SHOP, refused, key=key_pem(new_key())))
    envoy.wait(lambda: envoy.count("sds.*update_rejected") > before)

    second = state(asked(connect(server)))

    # The refused one is listed as if it were in use. What is loaded tells.
    assert [each.serial for each in first.certificates or ()] == [serial(renewed)]
    assert second.certificates == first.certificates
    listed = second.secrets_by_name[SHOP]
    assert listed.last_updated == first.secrets_by_name[SHOP].last_updated
    assert listed.bundle.certificates[0].serial == serial(refused)


@pytest.mark.envoy
def test_a_listener_that_was_refused_says_why(
    server: ApiServer, connect: Open, envoy: Envoy, tmp_path: Path
):
    torn = Envoy(tmp_path / "torn")
    torn.listen(tls_listener(torn, *(terminated(torn, HOST, SHOP) for _ in range(2))))
    with torn:
        torn.wait(lambda: b"error_state" in torn.fetch("/config_dump"))
        server.port_forward("istio-system/gateway", 15000, to=torn.admin)
        (listener,) = state(asked(connect(server))).listeners

    assert (set(listener.states), listener.is_open) == ({ListenerState.FAILED}, False)
    assert "has the same matching rules" in listener.error
    assert listener.refused_at is not None


@pytest.mark.envoy
def test_a_scan_shows_that_a_refused_renewal_leaves_the_old_certificate(
    tmp_path: Path, envoy: Envoy
):
    old, new = issued(), issued(80)
    envoy.secrets.send(SHOP, sds_secret(SHOP, old))
    envoy.wait(lambda: serial(old) in envoy.serials())
    before = envoy.count("sds.*update_rejected")
    stored = new.secret("istio-system", "shop-cert")
    stored["data"]["tls.key"] = old.secret("istio-system", "shop-cert")["data"]["tls.key"]
    envoy.secrets.send(SHOP, sds_secret(SHOP, new, key=old.key_pem))
    envoy.wait(lambda: envoy.count("sds.*update_rejected") > before)
    others = [each for each in healthy(datetime.now(UTC)) if each["kind"] != "Secret"]
    with ApiServer([*others, stored]) as server:
        server.port_forward(INGRESS, 15000, to=envoy.admin)
        path = server.kubeconfig(tmp_path / "kubeconfig")
        anchors(tmp_path / "roots.pem")
        done = Shell(folder=tmp_path)(
            "scan", "--kubeconfig", path, "--trust-anchors", tmp_path / "roots.pem", "-o", "json"
        )

    problem, *_ = done.report["problems"]
    stale = next(each for each in problem["symptoms"] if each["code"] == "SDS002")
    assert (done.status, problem["code"], problem["confidence"]) == (1, "CERT008", "observed")
    assert serial(old) in stale["message"]
    assert serial(new) in stale["message"]
    assert {each["kind"] for each in stale["evidence"]} == {"envoy"}
    assert {
        (each["source"], each["serial"], each["fingerprintSha256"], *each["seenAt"])
        for each in done.report["certificates"]
    } == {
        ("stored", serial(new), new.certificate.fingerprint(SHA256()).hex()),
        # Of what it refused Envoy lists the content, of what it serves the serial alone.
        ("envoy", serial(old), None, f"Pod {INGRESS}"),
    }
