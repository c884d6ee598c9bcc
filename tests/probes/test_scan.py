"""`scan --probe` as a process: the test API server leads to a real Envoy."""

from base64 import b64decode
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from tests.apiserver import ApiServer
from tests.cli.process import Done, Shell
from tests.probes.gateways import plain_listener, port_of, tls_listener, virtual_host
from tests.support.certificates import Issued
from tests.support.clusters import HOST, ISSUER, Manifest, anchors, healthy
from tests.support.envoys import Envoy, sds_secret

pytestmark = pytest.mark.envoy

POD = "istio-system/ingress-7c9d8f6b5d-x2x4q"
NAME = "kubernetes://shop-cert"


def cluster(secret: Manifest | None = None) -> list[Manifest]:
    """Return the healthy cluster, reached from inside only, with another Secret if given."""
    objects = deepcopy(healthy(datetime.now(UTC)))
    for each in objects:
        if (each["kind"], each["metadata"]["name"]) == ("Service", "ingress"):
            each["spec"]["type"] = "ClusterIP"
            del each["status"]
    if secret is None:
        return objects
    return [*(each for each in objects if each["kind"] != "Secret"), secret]


def stored(objects: list[Manifest]) -> Issued:
    """Return what a cluster's Secret holds, as something that Envoy can be given."""
    data = next(each for each in objects if each["kind"] == "Secret")["data"]
    leaf, *_ = load_pem_x509_certificates(b64decode(data["tls.crt"]))
    key: Any = load_pem_private_key(b64decode(data["tls.key"]), None)
    return Issued(certificate=leaf, key=key, intermediates_pem=ISSUER.chain_pem)


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoy]:
    with Envoy(tmp_path_factory.mktemp("envoy")) as running:
        yield running


def scan(
    run: Shell,
    envoy: Envoy,
    objects: list[Manifest],
    folder: Path,
    served: Issued | None,
    *options: str,
) -> Done:
    """Scan a cluster whose gateway serves this certificate, or waits for one."""
    envoy.send(NAME, *([sds_secret(NAME, served)] if served else []))
    secured = tls_listener(envoy, {HOST: NAME}, [virtual_host(HOST)])
    plain = plain_listener([virtual_host(HOST, redirects=True)])
    envoy.listen(secured, plain)
    ports = {8443: port_of(secured), 8080: port_of(plain)}
    envoy.wait(
        lambda: all(f":{port}" in envoy.fetch("/listeners").decode() for port in ports.values())
    )
    with ApiServer(objects) as server:
        for inside, outside in {**ports, 15000: envoy.admin[1]}.items():
            server.port_forward(POD, inside, to=("127.0.0.1", outside))
        server.kubeconfig(folder / "kubeconfig")
        anchors(folder / "roots.pem")
        return run(
            "scan", "--kubeconfig", folder / "kubeconfig", "--trust-anchors", folder / "roots.pem",
            "--probe", "--no-logs", "-o", "json", *options,
        )  # fmt: skip


def outcomes(done: Done) -> dict[str, str]:
    return {each["code"]: each["outcome"] for each in done.report["checks"]}


PROBING = {
    "CERT018", "CERT019", "CERT020", "SDS013", "SNI011", "MTLS001", "SVC010", "SVC011",
    "HTTP006", "HTTP007", "HTTP014", "OPS001",
}  # fmt: skip


def test_a_healthy_gateway_is_looked_at_and_nothing_is_said(
    run: Shell, envoy: Envoy, tmp_path: Path
):
    objects = cluster()

    done = scan(run, envoy, objects, tmp_path, stored(objects), "--fail-on", "low")

    assert (done.status, done.stderr) == (0, "")
    assert (done.report["problems"], done.report["unread"]) == ([], [])
    assert {code: outcomes(done)[code] for code in PROBING} == dict.fromkeys(PROBING, "passed")


def test_an_expired_certificate_without_its_intermediate_is_confirmed_on_the_wire(
    run: Shell, envoy: Envoy, tmp_path: Path
):
    now = datetime.now(UTC)
    issued = ISSUER.issue(
        HOST, not_before=now - timedelta(days=90), not_after=now - timedelta(days=1)
    )
    lone = Issued(certificate=issued.certificate, key=issued.key, root_pem=ISSUER.pem)
    secret = lone.secret("istio-system", "shop-cert", with_authority=True)

    done = scan(run, envoy, cluster(secret), tmp_path, lone)

    problems = {each["code"]: each for each in done.report["problems"]}
    assert done.status == 1
    assert {"CERT001", "CERT006"} <= problems.keys()
    for code, symptom in (("CERT001", "CERT018"), ("CERT006", "CERT020")):
        assert symptom in [each["code"] for each in problems[code]["symptoms"]]
        assert problems[code]["confidence"] == "observed"


def test_a_renewed_certificate_that_the_gateway_did_not_take_is_seen(
    run: Shell, envoy: Envoy, tmp_path: Path
):
    now = datetime.now(UTC)
    old = ISSUER.issue(
        HOST, not_before=now - timedelta(days=80), not_after=now + timedelta(days=10)
    )

    done = scan(run, envoy, cluster(), tmp_path, old, "--select", "SDS013,CERT001")

    (problem,) = done.report["problems"]
    assert (problem["code"], problem["confidence"]) == ("SDS013", "observed")
    assert problem["objects"][0]["name"] == "shop-cert"
    assert [each["kind"] for each in problem["evidence"]] == ["tls"]


def test_a_secret_out_of_reach_is_confirmed_by_the_reset_that_clients_see(
    run: Shell, tmp_path: Path
):
    objects = cluster()
    secret = next(each for each in objects if each["kind"] == "Secret")
    secret["metadata"]["namespace"] = "shop"

    with Envoy(tmp_path / "envoy") as waiting:
        done = scan(run, waiting, objects, tmp_path, None)

    (problem,) = done.report["problems"]
    symptoms = {each["code"]: each for each in problem["symptoms"]}
    assert (problem["code"], problem["confidence"]) == ("CRED001", "observed")
    assert symptoms["SNI011"]["evidence"][0]["text"] == (
        f"Pod {POD} port 8443, SNI {HOST}: the connection was closed without a word"
    )


def test_who_may_not_forward_ports_has_not_looked(run: Shell, tmp_path: Path):
    with ApiServer(cluster()) as server:
        server.forbid("pods/portforward")
        server.kubeconfig(tmp_path / "kubeconfig")
        done = run("scan", "--kubeconfig", tmp_path / "kubeconfig", "--probe", "-o", "json",
                   "--select", "SNI011,HTTP014", "--strict")  # fmt: skip

    assert done.status == 4
    assert outcomes(done) == {"SNI011": "skipped", "HTTP014": "skipped"}
    assert {each["reason"] for each in done.report["unread"]} == {"forbidden"}


def test_a_pod_that_does_not_listen_is_said_to_refuse(run: Shell, tmp_path: Path):
    with ApiServer(cluster()) as server:
        server.kubeconfig(tmp_path / "kubeconfig")
        done = run("scan", "--kubeconfig", tmp_path / "kubeconfig", "--probe", "-o", "json",
                   "--select", "SNI011")  # fmt: skip

    (problem,) = done.report["problems"]
    assert (problem["code"], problem["hosts"]) == ("SNI011", [HOST])
    assert "refused" in problem["message"]


def test_without_being_asked_nothing_is_probed(run: Shell, tmp_path: Path):
    with ApiServer(cluster()) as server:
        server.kubeconfig(tmp_path / "kubeconfig")
        done = run("scan", "--kubeconfig", tmp_path / "kubeconfig", "-o", "json",
                   "--select", "SNI011,CERT001")  # fmt: skip
        asked = [each.path for each in server.requests()]

    assert outcomes(done) == {"SNI011": "not-requested", "CERT001": "passed"}
    assert not [path for path in asked if path.endswith("/portforward")]


def test_files_cannot_be_probed(run: Shell, files: Path):
    done = run("scan", "-f", files / "healthy.yaml", "--probe")

    assert (done.status, done.stdout) == (2, "")
    assert done.complaint.endswith(
        "--probe looks at a running cluster, which files and the demo are not"
    )
