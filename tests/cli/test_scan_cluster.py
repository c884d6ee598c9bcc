"""`scan` of clusters: what can keep it from reading them, and what it says then."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests.apiserver import ApiServer
from tests.cli.process import COMMAND, Done, Shell, environment
from tests.support.clusters import HOST, broken, healthy, without

ISTIO = ("networking.istio.io", "security.istio.io", "gateway.networking.k8s.io")
TOKEN = "0123456789abcdef-this-is-a-secret"


@pytest.fixture(scope="module")
def running() -> Iterator[ApiServer]:
    with ApiServer(healthy(datetime.now(UTC))) as server:
        yield server


@pytest.fixture
def server(running: ApiServer) -> ApiServer:
    running.recover()
    running.permit_all()
    running.forget_requests()
    return running


@pytest.fixture(scope="module")
def other() -> Iterator[ApiServer]:
    """A second cluster, which is broken."""
    with ApiServer(broken(datetime.now(UTC))) as server:
        yield server


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    return tmp_path / "kubeconfig"


@pytest.fixture
def scan(run: Shell, kubeconfig: Path, files: Path) -> Callable[..., Done]:
    """Scan without Envoys: there is none in these clusters."""

    def scanned(*options: object) -> Done:
        cluster = ("--kubeconfig", kubeconfig, "--trust-anchors", files / "roots.pem")
        return run("scan", "--no-envoy", *cluster, *options)

    return scanned


def closed_port() -> str:
    """Return a URL at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"https://127.0.0.1:{listener.getsockname()[1]}"


def test_a_healthy_cluster_is_said_to_be_healthy(server: ApiServer, kubeconfig: Path, scan):
    server.kubeconfig(kubeconfig)

    done = scan("-o", "json", "--strict", "--fail-on", "low")

    report = done.report
    assert (done.status, done.stderr) == (0, "")
    assert (report["verdict"], report["problems"], report["unread"]) == ("healthy", [], [])
    assert {check["outcome"] for check in report["checks"]} <= {"passed", "not-requested"}
    assert report["scan"]["cluster"]["server"] == server.url


def test_a_broken_cluster_has_its_secret_in_the_wrong_namespace(
    other: ApiServer, kubeconfig: Path, scan
):
    other.kubeconfig(kubeconfig)

    done = scan()

    assert (done.status, done.stderr) == (1, "")
    assert "CRED001" in done.stdout


def test_without_a_kubeconfig_there_is_nothing_to_scan(run: Shell):
    done = run("scan", "-o", "json", "--exit-zero")

    assert (done.status, done.report["error"]["kind"]) == (3, "no-kubeconfig")
    assert done.complaint == (
        "istiodoctor: no kubeconfig at ~/.kube/config;"
        " name one with --kubeconfig, or read files with -f"
    )


def test_a_named_kubeconfig_that_is_not_there_leaves_nothing_to_scan(run: Shell):
    done = run("scan", "--kubeconfig", "none", "-o", "json")

    assert (done.status, done.report["error"]["kind"]) == (3, "no-kubeconfig")
    assert done.complaint == (
        "istiodoctor: there is no kubeconfig file none; name another with --kubeconfig"
    )


def test_nor_is_there_where_the_named_one_is_missing(run: Shell):
    done = run("scan", "-o", "json", "--kubeconfig", "none")

    assert (done.status, done.report["error"]["kind"]) == (3, "no-kubeconfig")
    assert done.complaint == (
        "istiodoctor: there is no kubeconfig file none; name another with --kubeconfig"
    )


def test_a_closed_port_is_unreachable(server: ApiServer, kubeconfig: Path, scan):
    server.kubeconfig(kubeconfig, url=closed_port(), token=TOKEN)

    done = scan("-o", "json")

    assert (done.status, done.report["error"]["kind"]) == (3, "unreachable")
    assert done.complaint.startswith("istiodoctor: cannot reach https://127.0.0.1:")
    assert "Connection refused" in done.complaint
    assert TOKEN not in done.stdout + done.stderr


def test_a_refused_token_is_unauthorized_and_is_not_shown(
    server: ApiServer, kubeconfig: Path, scan
):
    server.kubeconfig(kubeconfig, token=TOKEN)

    done = scan("-o", "json")

    assert (done.status, done.report["error"]["kind"]) == (3, "unauthorized")
    assert "does not accept the credentials" in done.complaint
    assert TOKEN not in done.stdout + done.stderr


def test_who_may_read_nothing_has_scanned_nothing(server: ApiServer, kubeconfig: Path, scan):
    server.kubeconfig(kubeconfig)
    server.forbid()

    done = scan("-o", "json")

    assert (done.status, done.report["error"]["kind"]) == (3, "unauthorized")
    assert "permits nothing to be read" in done.complaint


def test_a_cluster_without_istio_is_not_scanned(kubeconfig: Path, scan):
    with ApiServer(absent=ISTIO) as server:
        server.kubeconfig(kubeconfig)
        done = scan("-o", "json")

    assert (done.status, done.report["error"]["kind"]) == (3, "no-istio")
    assert done.complaint.startswith("istiodoctor: there is no Istio in the cluster at")


def test_a_server_that_says_nothing_costs_no_more_than_the_timeout(
    server: ApiServer, kubeconfig: Path, scan
):
    server.kubeconfig(kubeconfig)
    server.fault("hang", ".*")

    done = scan("-o", "json", "--timeout", "2s")

    assert (done.status, done.report["error"]["kind"]) == (3, "timed-out")


def test_one_forbidden_kind_leaves_the_scan_incomplete(server: ApiServer, kubeconfig: Path, scan):
    server.kubeconfig(kubeconfig)
    server.forbid("virtualservices")

    done = scan("-o", "json", "--strict")

    (unread,) = done.report["unread"]
    assert (done.status, done.report["verdict"], done.stderr) == (4, "incomplete", "")
    assert (unread["kind"], unread["reason"]) == ("VirtualService", "forbidden")


def test_several_contexts_are_several_reports_in_one(
    server: ApiServer, other: ApiServer, kubeconfig: Path, scan
):
    server.kubeconfig(kubeconfig, context="blue")
    other.kubeconfig(kubeconfig, context="green")
    server.kubeconfig(kubeconfig, context="grey", url=closed_port())

    done = scan("--context", "blue", "--context", "green", "--context", "grey", "-o", "json")

    blue, green, grey = done.report["reports"]
    assert (done.status, done.report["schemaVersion"]) == (1, "1")
    assert [each["verdict"] for each in (blue, green, grey)] == ["healthy", "broken", "incomplete"]
    assert [each["error"] and each["error"]["kind"] for each in (blue, green, grey)] == [
        None,
        None,
        "unreachable",
    ]
    assert done.complaint.startswith("istiodoctor: cannot reach https://127.0.0.1:")


def test_with_several_contexts_one_that_can_be_read_is_enough(
    server: ApiServer, kubeconfig: Path, scan
):
    server.kubeconfig(kubeconfig, context="blue")
    server.kubeconfig(kubeconfig, context="grey", url=closed_port())

    assert scan("--all-contexts").status == 0
    assert scan("--all-contexts", "--strict").status == 4
    assert scan("--context", "grey").status == 3


def test_of_all_contexts_one_that_leads_nowhere_costs_the_others_nothing(
    server: ApiServer, kubeconfig: Path, scan
):
    server.kubeconfig(kubeconfig, context="blue")
    config = yaml.safe_load(kubeconfig.read_text())
    config["contexts"].append({"name": "grey", "context": {"cluster": "none", "user": "none"}})
    kubeconfig.write_text(yaml.safe_dump(config))

    every = scan("--all-contexts", "-o", "json")
    named = scan("--context", "grey")

    assert [each["verdict"] for each in every.report["reports"]] == ["healthy", "incomplete"]
    assert (every.status, named.status) == (0, 2)
    assert every.complaint == named.complaint


def test_a_context_that_is_not_there_is_said_before_any_is_scanned(
    server: ApiServer, kubeconfig: Path, scan
):
    server.kubeconfig(kubeconfig, context="blue")

    done = scan("--context", "blue", "--context", "bleu")

    assert (done.status, done.stdout, server.requests()) == (2, "", [])
    assert done.complaint == "istiodoctor: there is no context bleu; there are: blue"


def test_only_the_namespaces_that_were_named_are_asked_about(
    server: ApiServer, kubeconfig: Path, scan
):
    server.kubeconfig(kubeconfig)

    scan("-n", "shop", "--only-namespaces", "--no-logs")

    objects = [each.path for each in server.requests() if "namespaces" in each.path]
    assert {path.split("/namespaces/")[1].split("/")[0] for path in objects} == {
        "shop",
        "kube-system",  # which cluster this is, as far as it says so
    }


def test_logs_that_are_not_wanted_are_not_read(server: ApiServer, kubeconfig: Path, scan):
    server.kubeconfig(kubeconfig)
    pod = "istio-system/istiod-6d5f8c7b9d-abcde"

    scan("--no-logs")
    without = [each.path for each in server.requests() if each.path.endswith("/log")]
    server.forget_requests()
    scan()
    read = [each.path for each in server.requests() if each.path.endswith("/log")]

    namespace, name = pod.split("/")
    assert without == []
    assert f"/api/v1/namespaces/{namespace}/pods/{name}/log" in read


@pytest.mark.promise("It calls none of istiod's debug endpoints and changes nothing")
def test_a_scan_only_gets_and_asks_istiod_for_nothing(server: ApiServer, kubeconfig: Path, scan):
    server.kubeconfig(kubeconfig)

    scan()

    asked = server.requests()
    assert {each.method for each in asked} == {"GET"}
    forwarded = [each.path for each in asked if "portforward" in each.path]
    assert [path for path in forwarded if "istiod" in path] == []
    assert [each.path for each in asked if "/debug" in each.path] == []


def test_no_list_of_secrets_in_the_log_of_requests_holds_contents(
    server: ApiServer, kubeconfig: Path, scan
):
    server.kubeconfig(kubeconfig)

    scan()
    scan("--secret-inventory")

    listed = [each for each in server.requests() if each.path.endswith("/secrets")]
    assert {each.path for each in listed} <= {"/api/v1/secrets"}
    assert {each.accept for each in listed} == {
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    }


def test_an_interrupted_scan_ends_at_once_with_130(
    server: ApiServer, kubeconfig: Path, run: Shell
):
    server.kubeconfig(kubeconfig)
    server.fault("hang", "virtualservices")
    with subprocess.Popen(
        [*COMMAND, "scan", "--kubeconfig", str(kubeconfig)],
        cwd=run.folder,
        env=environment(run.folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not any("virtualservices" in each.path for each in server.requests()):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)

    assert (process.returncode, stdout, stderr) == (130, "", "istiodoctor: interrupted\n")


@pytest.mark.promise("It reaches no report, log or file")
def test_no_key_or_token_is_in_any_output(other: ApiServer, kubeconfig: Path, scan):
    other.kubeconfig(kubeconfig, token=other.token())
    token = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]

    done = scan("-o", "json")

    secret = next(each for each in broken(datetime.now(UTC)) if each["kind"] == "Secret")
    assert json.loads(done.stdout)["problems"]
    assert token not in done.stdout
    assert secret["data"]["tls.key"][:40] not in done.stdout
    assert "PRIVATE KEY" not in done.stdout


# What may not be read, or is not asked for


def hosts(report) -> dict[str, tuple[str, list[str]]]:
    """Return the verdict of each host, and what is not well on its path."""
    return {
        each["host"]: (
            each["verdict"],
            [hop["text"] for hop in each["path"] if hop["state"] != "ok"],
        )
        for each in report["hosts"]
    }


def outcome(report, code: str) -> str:
    return next(str(each["outcome"]) for each in report["checks"] if each["code"] == code)


def test_the_route_of_a_host_is_unknown_where_routes_are_forbidden(
    server: ApiServer, kubeconfig: Path, scan
):
    server.kubeconfig(kubeconfig)
    server.forbid("virtualservices")

    report = scan("-o", "json").report

    unknown = "VirtualServices could not be read: what is answered is not known"
    assert report["verdict"] == "incomplete"
    assert hosts(report) == {HOST: ("incomplete", [unknown])}


def test_lists_of_single_namespaces_are_no_knowledge_of_the_others(
    server: ApiServer, kubeconfig: Path, scan
):
    server.kubeconfig(kubeconfig)
    server.forbid("virtualservices", namespace="")

    report = scan("-o", "json").report

    assert (report["verdict"], report["unread"], outcome(report, "GW019")) == (
        "incomplete",
        [],
        "skipped",
    )
    (outside,) = report["outside"]
    assert (outside["kind"], outside["namespace"], outside["reason"]) == (
        "VirtualService",
        "*",
        "forbidden",
    )


def test_a_look_at_some_namespaces_is_never_healthy(server: ApiServer, kubeconfig: Path, scan):
    server.kubeconfig(kubeconfig)

    part = scan("-n", "shop", "--only-namespaces", "-o", "json", "--no-logs")
    both = scan("-n", "shop", "-n", "istio-system", "--only-namespaces", "-o", "json", "--no-logs")

    assert (part.report["verdict"], part.status) == ("incomplete", 0)
    assert {verdict for verdict, _ in hosts(part.report).values()} <= {"incomplete"}
    assert (both.status, both.report["verdict"]) == (0, "incomplete")
    assert {verdict for verdict, _ in hosts(both.report).values()} == {"incomplete"}
    assert "could not look: not asked for in other namespaces: " in both.complaint


def test_a_service_that_is_not_in_a_namespace_that_was_read_is_suspected_missing(
    kubeconfig: Path, scan
):
    """Only a ServiceEntry of a namespace that was left out could make it."""
    objects = without(healthy(datetime.now(UTC)), "Service", "shop")
    with ApiServer(objects) as server:
        server.kubeconfig(kubeconfig)
        options = ("-n", "shop", "-n", "istio-system", "--only-namespaces", "--no-logs")
        report = scan(*options, "-o", "json").report

    (problem,) = [each for each in report["problems"] if each["code"] == "VS009"]
    assert (problem["severity"], problem["confidence"]) == ("critical", "suspected")
    assert "no such Service exists, and not every ServiceEntry was read" in problem["message"]


@pytest.mark.parametrize("command", [("scan",), ("trace", "https://shop.example.com/")])
def test_credentials_that_are_refused_in_the_middle_are_said(
    run: Shell, server: ApiServer, kubeconfig: Path, command
):
    server.kubeconfig(kubeconfig)
    server.fault("status", "/(virtualservices|destinationrules)", code=401, reason="Unauthorized")

    done = run(*command, "--no-envoy", "--kubeconfig", kubeconfig, "-o", "json")
    strict = run(*command, "--no-envoy", "--kubeconfig", kubeconfig, "--strict")

    assert "the credentials were refused in the middle of the scan" in done.stderr
    assert json.loads(done.stdout)["verdict"] != "healthy"
    assert strict.status == 4
