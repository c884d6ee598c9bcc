"""`istiodoctor manifests`: what a scheduled scan may do is what its checks need, and no more."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.apiserver import ApiServer, Request
from tests.cli.process import Done, Shell
from tests.lab.envoy import Envoy
from tests.lab.gateway import addressed, serve_shop
from tests.support.clusters import Manifest, healthy, stored

pytestmark = pytest.mark.envoy

POD = "ingress/ingress-7c9d8f6b5d-x2x4q"
ACCOUNT = "system:serviceaccount:istiodoctor:istiodoctor"
WHERE = ("--gateway-namespace", "ingress", "--istio-namespace", "istio-system")
Right = tuple[str, str, str, str]
"""Namespace (empty for all), API group, resource, verb."""


def manifests(run: Shell, *options: str) -> list[Manifest]:
    done = run("manifests", *WHERE, *options)
    assert (done.status, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def rights(documents: list[Manifest]) -> set[Right]:
    """Return every right that the roles among these manifests give."""
    return {
        (document["metadata"].get("namespace", ""), group, resource, verb)
        for document in documents
        if document["kind"] in ("Role", "ClusterRole")
        for rule in document["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def cluster() -> list[Manifest]:
    """Return the healthy cluster with the gateway pods in a namespace of their own."""
    return [_moved(each) for each in deepcopy(healthy(datetime.now(UTC)))]


def _moved(body: Manifest) -> Manifest:
    metadata = body["metadata"]
    if metadata.get("namespace") == "istio-system" and not metadata["name"].startswith("isti"):
        metadata["namespace"] = "ingress"
        for subject in body.get("subjects", ()):
            subject["namespace"] = "ingress"
    return body


def right_of(request: Request) -> Right:
    """Return the right that a request made use of."""
    match request.path.split("/")[1:]:
        case ["api", _, *rest]:
            group = ""
        case [_, group, _, *rest]:
            pass
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource = "/".join((rest[0], *rest[2:]))
    return namespace, group, resource, "get" if len(rest) > 1 else "list"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server with RBAC, the gateway of whose cluster is a real Envoy."""
    objects = cluster()
    with (
        Envoy(tmp_path_factory.mktemp("envoy")) as envoy,
        ApiServer(addressed(objects, {POD: envoy}), rbac=True) as running,
    ):
        serve_shop(envoy, stored(objects))
        envoy.listening()
        running.port_forward(POD, 15000, to=envoy.admin)
        yield running


def scanned(
    run: Shell, server: ApiServer, files: Path, documents: list[Manifest], *options: str
) -> Done:
    """Scan with the rights and the arguments of the manifests, as the CronJob would."""
    server.apply(*documents)
    path = server.kubeconfig(run.folder / "kubeconfig", name=ACCOUNT)
    server.forget_requests()
    (job,) = [each for each in documents if each["kind"] == "CronJob"]
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    trust = ("--trust-anchors", files / "roots.pem")
    return run(*pod["containers"][0]["args"], "--kubeconfig", path, *trust, *options)


def objects_asked_for(server: ApiServer) -> list[Request]:
    """Return the requests for resources, without those by which an API is discovered."""
    return [each for each in server.requests() if len(each.path.split("/")) > 4 or _is_core(each)]


def _is_core(request: Request) -> bool:
    return request.path.startswith("/api/v1/")


@pytest.mark.parametrize(
    "options",
    [(), ("--secret-inventory",), ("--no-logs", "--select", "CERT"), ("--schedule", "0 * * * *")],
    ids=lambda options: " ".join(options) or "plain",
)
def test_kubernetes_takes_every_manifest(run: Shell, options):
    version = kubernetes_validate.latest_version()

    documents = manifests(run, *options)

    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)
    assert [each["kind"] for each in documents][:2] == ["Namespace", "ServiceAccount"]
    assert documents[-1]["kind"] == "CronJob"


@pytest.mark.parametrize("options", [(), ("--select", "CERT,SDS"), ("--no-logs",)])
def test_the_rights_are_enough_and_each_is_used(run: Shell, server: ApiServer, files, options):
    documents = manifests(run, *options)

    done = scanned(run, server, files, documents, "--strict")

    outcomes = {check["outcome"] for check in done.report["checks"]}
    used = {right_of(each) for each in objects_asked_for(server) if each.status in (101, 200)}
    # Since Kubernetes 1.35 a WebSocket needs the right to create, too.
    used |= {(*each[:3], "create") for each in used if each[2] == "pods/portforward"}
    assert (done.status, done.report["verdict"], done.report["problems"]) == (0, "healthy", [])
    assert outcomes <= {"passed", "not-requested"}
    assert used == {each for each in rights(documents) if each[2] not in ("events", "nodes")}


def test_where_a_load_balancer_may_be_azures_a_node_tells_by_these_rights(run: Shell, files):
    objects = cluster()
    (pod,) = (each for each in objects if each["kind"] == "Pod" and "ingress" in str(each))
    (service,) = (each for each in objects if each["kind"] == "Service" and _is_for(each, pod))
    pod["spec"]["nodeName"] = "worker-1"
    service["spec"]["type"] = "LoadBalancer"
    for port in service["spec"]["ports"]:
        port["appProtocol"] = "https"
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "worker-1"},
        "spec": {"providerID": "azure:///subscriptions/x/virtualMachines/1"},
    }

    with ApiServer([*objects, node], rbac=True) as server:
        done = scanned(run, server, files, manifests(run))

    assert "SVC009" in {each["code"] for each in done.report["problems"]}
    assert [each for each in done.report["unread"] if each["kind"] == "Node"] == []


def _is_for(service: Manifest, pod: Manifest) -> bool:
    selector = service["spec"].get("selector") or {}
    return bool(selector) and selector.items() <= pod["metadata"].get("labels", {}).items()


def test_of_gateways_in_trouble_the_events_are_read_by_these_rights(run: Shell, files):
    pod = next(each for each in cluster() if each["kind"] == "Pod" and "ingress" in str(each))
    pod["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    metadata = pod["metadata"] | {"creationTimestamp": "2026-01-01T00:00:00Z"}
    unready = pod | {"metadata": metadata}
    others = [each for each in cluster() if each["metadata"]["name"] != metadata["name"]]
    about = {"apiVersion": "v1", "kind": "Pod", "namespace": "ingress", "name": metadata["name"]}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "pod.1", "namespace": "ingress"},
        "involvedObject": about,
        "type": "Warning",
        "reason": "FailedScheduling",
        "message": "no node is left",
        "lastTimestamp": "2026-01-01T00:05:00Z",
    }

    with ApiServer([*others, unready, event], rbac=True) as server:
        done = scanned(run, server, files, manifests(run))

    evidence = [each for problem in done.report["problems"] for each in problem["evidence"]]
    assert [each["text"] for each in evidence if each["kind"] == "event"] == [
        f"Pod ingress/{metadata['name']}: FailedScheduling: no node is left"
    ]


def test_what_is_refused_beyond_the_rights_is_a_courtesy(run: Shell, server: ApiServer, files):
    """Which cluster this is: without the right to ask, the report does not say."""
    done = scanned(run, server, files, manifests(run))

    refused = {each.path for each in server.requests() if each.status == 403}
    assert refused <= {"/api/v1/namespaces/kube-system"}
    assert done.report["unread"] == []


def test_fewer_checks_need_fewer_rights(run: Shell):
    every, one = rights(manifests(run)), rights(manifests(run, "--select", "CERT001"))

    assert one < every
    assert ("ingress", "", "secrets", "get") in one
    assert not {right for right in one if right[2] == "pods/log"}


def test_contents_of_secrets_are_granted_by_name_beside_the_gateways_only(run: Shell):
    granted = {right for right in rights(manifests(run)) if right[2] == "secrets"}

    assert granted == {("ingress", "", "secrets", "get")}


def test_the_inventory_of_secrets_costs_a_right_and_says_so(run: Shell):
    done = run("manifests", *WHERE, "--secret-inventory")

    granted = rights(list(yaml.safe_load_all(done.stdout))) - rights(manifests(run))
    assert granted == {("", "", "secrets", "list")}
    assert "contents included" in done.stdout.partition("---")[0]


@pytest.mark.promise("It changes nothing")
def test_nothing_may_be_changed(run: Shell):
    """To forward a port is `create` for Kubernetes, and nothing is made by it."""
    granted = rights(manifests(run, "--secret-inventory"))

    reading = {right for right in granted if right[2] != "pods/portforward"}
    assert {verb for *_, verb in reading} == {"get", "list"}


def test_the_roles_are_bound_to_the_account_of_the_job(run: Shell):
    documents = manifests(run, "-n", "tools")

    subjects = [
        subject
        for each in documents
        if each["kind"].endswith("Binding")
        for subject in each["subjects"]
    ]
    account: dict[str, Any] = {
        "kind": "ServiceAccount",
        "name": "istiodoctor",
        "namespace": "tools",
    }
    assert [each for each in subjects if each != account] == []
    job = documents[-1]
    template = job["spec"]["jobTemplate"]["spec"]
    assert job["metadata"]["namespace"] == "tools"
    assert (template["backoffLimit"], template["template"]["spec"]["restartPolicy"]) == (
        0,
        "Never",
    )
    assert template["template"]["spec"]["serviceAccountName"] == account["name"]


INSTALLATIONS = ((), ("-n", "ops"), ("-n", "ops", "--name", "certificates", "--select", "CERT"))


def test_a_second_installation_takes_nothing_from_the_first(run: Shell):
    applied = [manifests(run, *options) for options in INSTALLATIONS]

    names = [{_key(each) for each in one if each["kind"] != "Namespace"} for one in applied]
    assert [a & b for a in names for b in names if a is not b] == [set()] * 6
    for one in applied:
        (account,) = [each["metadata"] for each in one if each["kind"] == "ServiceAccount"]
        for each in one:
            if each["kind"].endswith("Binding"):
                subject = each["subjects"][0]
                assert (subject["namespace"], subject["name"]) == (
                    account["namespace"],
                    account["name"],
                )
                assert each["roleRef"]["name"] == each["metadata"]["name"]


def _key(body: Manifest) -> tuple[str, str, str]:
    metadata = body["metadata"]
    return body["kind"], metadata.get("namespace", ""), metadata["name"]


def test_the_first_installation_may_read_as_before_when_a_second_was_applied(run: Shell, files):
    first, second = manifests(run), manifests(run, "-n", "ops", "--select", "CERT001")

    with ApiServer(cluster(), rbac=True) as server:
        server.apply(*first)
        server.apply(*second)
        path = server.kubeconfig(run.folder / "kubeconfig", name=ACCOUNT)
        done = run("scan", "--no-envoy", "--kubeconfig", path, "-o", "json")

    assert [each for each in done.report["unread"] if each["reason"] == "forbidden"] == []


def test_secrets_that_grants_lend_are_in_the_rules_and_all_namespaces_are_named(run: Shell):
    options = ("--gateway-namespace", "edge", "--secret-namespace", "vault")
    done = run("manifests", *WHERE, *options)

    added = rights(list(yaml.safe_load_all(done.stdout))) - rights(manifests(run))
    assert {right for right in added if right[2] == "secrets"} == {
        ("edge", "", "secrets", "get"),
        ("vault", "", "secrets", "get"),
    }
    assert {right[2] for right in added if right[0] == "vault"} == {"secrets", "configmaps"}
    note = done.stdout.partition("---")[0]
    assert "these namespaces: ingress, edge, vault." in note
    assert "--secret-namespace" in note
    assert "--gateway-namespace" in note


@pytest.mark.parametrize(
    ("options", "ending"),
    [((), ["--exit-zero"]), (("--fail-job-on", "high"), ["--fail-on", "high"])],
)
def test_what_a_scan_finds_fails_a_job_only_where_that_was_asked_for(run: Shell, options, ending):
    documents = manifests(run, *options)

    template = documents[-1]["spec"]["jobTemplate"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert container["args"] == ["scan", "--output", "json", *ending]
    done = run(*container["args"], "--demo")
    assert (done.status, done.report["verdict"]) == (1 if options else 0, "broken")


def test_the_output_says_where_reports_go_and_that_the_image_is_a_stand_in(run: Shell):
    note = run("manifests", "-n", "ops").stdout.partition("---")[0]
    named = run("manifests", "-n", "ops", "--image", "registry.example.com/doctor:1").stdout

    assert "kubectl logs -n ops --tail=-1 -l app.kubernetes.io/instance=istiodoctor" in note
    assert "istiodoctor:latest is a stand-in" in note
    assert "stand-in" not in named
    assert "image: registry.example.com/doctor:1" in named


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ("--name a:b", "--name takes the name of one installation"),
        (f"--name {'x' * 53}", "--name takes at most 52 characters"),
        ("--fail-job-on urgent", "--fail-job-on takes one of critical, high, medium, low"),
        ("--secret-namespace shop/web", "--secret-namespace takes the name of one namespace"),
        ("--select NOPE001", "no check is called NOPE001"),
        ("--gateway-namespace shop/web", "--gateway-namespace takes the name of one namespace"),
        ("-n Tools", "--namespace takes the name of one namespace"),
    ],
)
def test_names_that_cannot_be_are_refused(run: Shell, options, word):
    done = run("manifests", *options.split())

    assert (done.status, done.stdout) == (2, "")
    assert word in done.complaint
