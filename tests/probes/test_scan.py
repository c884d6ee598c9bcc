"""`scan --probe` as a process where nothing can be looked at; what it sees is for the lab."""

from pathlib import Path

import pytest

from tests.apiserver import ApiServer
from tests.cli.process import Done, Shell
from tests.lab.clusters import Cluster
from tests.support.clusters import HOST


def outcomes(done: Done) -> dict[str, str]:
    return {each["code"]: each["outcome"] for each in done.report["checks"]}


def test_who_may_not_forward_ports_has_not_looked(run: Shell, tmp_path: Path):
    with ApiServer(Cluster().objects) as server:
        server.forbid("pods/portforward")
        server.kubeconfig(tmp_path / "kubeconfig")
        done = run("scan", "--kubeconfig", tmp_path / "kubeconfig", "--probe", "-o", "json",
                   "--select", "SNI011,HTTP014", "--strict")  # fmt: skip

    assert done.status == 4
    assert outcomes(done) == {"SNI011": "skipped", "HTTP014": "skipped"}
    assert {each["reason"] for each in done.report["unread"]} == {"forbidden"}


def test_a_pod_that_does_not_listen_is_said_to_refuse(run: Shell, tmp_path: Path):
    with ApiServer(Cluster().objects) as server:
        server.kubeconfig(tmp_path / "kubeconfig")
        done = run("scan", "--kubeconfig", tmp_path / "kubeconfig", "--probe", "-o", "json",
                   "--select", "SNI011")  # fmt: skip

    (problem,) = done.report["problems"]
    assert (problem["code"], problem["hosts"]) == ("SNI011", [HOST])
    assert "refused" in problem["message"]


@pytest.mark.promise("With `--probe` also the wire")
def test_without_being_asked_nothing_is_probed(run: Shell, tmp_path: Path):
    with ApiServer(Cluster().objects) as server:
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
