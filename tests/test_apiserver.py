"""The test API server behaves like a real one where the code under test can tell."""

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPSConnection, IncompleteRead
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from tests.apiserver import ApiServer

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
READER = "system:serviceaccount:tools:reader"

Object = dict[str, Any]


def manifest(api_version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> Object:
    labels = rest.pop("labels", {})
    metadata = {"name": name, "labels": labels}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def secret(name: str, namespace: str = "istio-system", **rest: Any) -> Object:
    return manifest("v1", "Secret", name, namespace, **rest)


def pod(name: str, *containers: str) -> Object:
    spec = {"containers": [{"name": container} for container in containers]}
    return manifest("v1", "Pod", name, "istio-system", spec=spec)


class Client:
    """A plain HTTPS client, so that what is on the wire can be asserted."""

    def __init__(self, server: ApiServer, *, token: str | None = None) -> None:
        self._server = server
        self._token = server.token() if token is None else token
        self._context = ssl.create_default_context(cafile=str(server.folder / "ca.crt"))

    def get(self, path: str, *, accept: str = "application/json", **query: object) -> Any:
        status, body = self.send("GET", path, accept=accept, query=query)
        assert status == 200, body
        return json.loads(body)

    def refusal(self, path: str, **query: object) -> tuple[int, str]:
        status, body = self.send("GET", path, query=query)
        return status, json.loads(body)["message"]

    def send(
        self,
        method: str,
        path: str,
        *,
        accept: str = "application/json",
        query: Mapping[str, object] | None = None,
        body: object = None,
        timeout: float = 5,
    ) -> tuple[int, bytes]:
        headers = {"Accept": accept}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = HTTPSConnection(
            "127.0.0.1", self._server.port, context=self._context, timeout=timeout
        )
        try:
            connection.request(
                method, f"{path}?{urlencode(query or {})}", json.dumps(body), headers
            )
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def names(listed: Mapping[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


@pytest.fixture(scope="module")
def shared() -> Iterator[ApiServer]:
    """A server whose objects and rules no test changes."""
    with ApiServer(CLUSTER, now="2025-06-01T12:00:00Z") as server:
        yield server


@pytest.fixture(scope="module")
def client(shared: ApiServer) -> Client:
    return Client(shared)


CLUSTER = [
    *(secret(f"page-{index}", "many") for index in range(7)),
    secret(
        "shop", type="kubernetes.io/tls", stringData={"tls.crt": "PEM"}, labels={"app": "shop"}
    ),
    secret("blog", labels={"app": "blog", "tier": "edge"}),
    secret("bare"),
    manifest(
        "networking.istio.io/v1beta1", "Gateway", "edge", "istio-system", spec={"servers": []}
    ),
    pod("istiod", "discovery"),
    pod("edge", "istio-proxy", "sidecar"),
]


def test_every_page_of_a_list_shows_one_instant() -> None:
    with ApiServer([secret(f"page-{index}") for index in range(5)]) as server:
        client = Client(server)
        path = "/api/v1/namespaces/istio-system/secrets"

        first = client.get(path, limit=2)
        server.delete(secret("page-3"))
        server.apply(secret("page-9"))
        second = client.get(path, limit=2, **{"continue": first["metadata"]["continue"]})
        last = client.get(path, limit=2, **{"continue": second["metadata"]["continue"]})

    assert [names(page) for page in (first, second, last)] == [
        ["page-0", "page-1"],
        ["page-2", "page-3"],
        ["page-4"],
    ]
    assert first["metadata"]["remainingItemCount"] == 3
    assert "continue" not in last["metadata"]


def test_a_compacted_list_cannot_be_continued(tmp_path: Path) -> None:
    with ApiServer([secret(f"page-{index}") for index in range(3)]) as server:
        client = Client(server)
        first = client.get("/api/v1/secrets", limit=2)

        server.compact()
        status, body = client.send(
            "GET", "/api/v1/secrets", query={"continue": first["metadata"]["continue"]}
        )

    assert (status, json.loads(body)["reason"]) == (410, "Expired")


def test_a_list_expires_between_two_pages_as_often_as_told() -> None:
    with ApiServer([secret(f"page-{index}") for index in range(3)]) as server:
        client = Client(server)
        server.fault("expire", "/secrets", times=1)
        token = client.get("/api/v1/secrets", limit=2)["metadata"]["continue"]

        again = {"limit": 2, "continue": token}
        statuses = [client.send("GET", "/api/v1/secrets", query=again)[0] for _ in range(2)]

    assert statuses == [410, 200]


def test_objects_come_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "objects.yaml"
    path.write_text(json.dumps(secret("one")) + "\n---\n---\n" + STAMPED)

    with ApiServer(path) as server:
        client = Client(server)
        found = client.get("/api/v1/secrets")
        stamped = client.get("/api/v1/namespaces/web/secrets/two")

    assert names(found) == ["one", "two"]
    assert stamped["metadata"]["creationTimestamp"] == "2025-02-03T04:05:06Z"


STAMPED = """
apiVersion: v1
kind: Secret
metadata: {name: two, namespace: web, creationTimestamp: 2025-02-03T04:05:06Z}
"""


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"labelSelector": "app=shop"}, ["shop"]),
        ({"labelSelector": "app in (shop, blog),tier"}, ["blog"]),
        ({"labelSelector": "app notin (shop)"}, ["bare", "blog"]),
        ({"labelSelector": "!app"}, ["bare"]),
        ({"labelSelector": "app!=blog", "limit": 1}, ["bare"]),
        ({"fieldSelector": "type=kubernetes.io/tls"}, ["shop"]),
        ({"fieldSelector": "metadata.name=blog"}, ["blog"]),
        ({"fieldSelector": "metadata.name!=blog,type=Opaque"}, ["bare"]),
    ],
)
def test_selectors_select(client: Client, query: dict[str, Any], found: list[str]) -> None:
    listed = client.get("/api/v1/namespaces/istio-system/secrets", **query)

    assert names(listed) == found


def test_a_field_nobody_indexes_cannot_be_selected(client: Client) -> None:
    refused = client.refusal("/api/v1/secrets", fieldSelector="data=x")

    assert refused == (400, "field label not supported: data")


def test_an_object_is_served_under_every_version_of_its_group(client: Client) -> None:
    versions = ("v1", "v1beta1", "v1alpha3")

    lists = [client.get(f"/apis/networking.istio.io/{version}/gateways") for version in versions]

    assert [listed["items"][0]["apiVersion"] for listed in lists] == [
        f"networking.istio.io/{version}" for version in versions
    ]


def test_only_custom_list_items_say_what_they_are(client: Client) -> None:
    builtin = client.get("/api/v1/namespaces/istio-system/secrets/shop")
    [item] = client.get("/api/v1/secrets", labelSelector="app=shop")["items"]

    assert builtin == {"apiVersion": "v1", "kind": "Secret", **item}
    assert item["data"] == {"tls.crt": "UEVN"}


def test_metadata_alone_can_be_asked_for(client: Client) -> None:
    listed = client.get("/api/v1/secrets", accept=METADATA_ONLY, labelSelector="app=shop")

    assert listed["kind"] == "PartialObjectMetadataList"
    assert [set(item) for item in listed["items"]] == [{"kind", "apiVersion", "metadata"}]


def test_a_server_without_metadata_lists_sends_whole_secrets_to_who_accepts_them() -> None:
    with ApiServer([secret("shop")], partial_metadata=False) as server:
        client = Client(server)

        status, _ = client.send("GET", "/api/v1/secrets", accept=METADATA_ONLY)
        listed = client.get("/api/v1/secrets", accept=METADATA_ONLY + ",application/json")

    assert (status, listed["kind"]) == (406, "SecretList")


def test_what_is_not_installed_is_missing_everywhere() -> None:
    absent = ["cert-manager.io", "tlsroutes.gateway.networking.k8s.io"]
    with ApiServer(absent=absent, versions={"networking.istio.io": ["v1alpha3"]}) as server:
        client = Client(server)

        groups = {entry["name"]: entry for entry in client.get("/apis")["groups"]}
        missing = [
            client.send("GET", path)
            for path in (
                "/apis/cert-manager.io/v1/certificates",
                "/apis/networking.istio.io/v1/gateways",
                "/apis/gateway.networking.k8s.io/v1/tlsroutes",
            )
        ]

    assert "cert-manager.io" not in groups
    assert groups["networking.istio.io"]["preferredVersion"]["version"] == "v1alpha3"
    assert missing == [(404, b"404 page not found\n")] * 3


def test_discovery_lists_what_is_served(client: Client) -> None:
    listed = client.get("/apis/acme.cert-manager.io/v1")["resources"]

    assert [(entry["name"], entry["kind"]) for entry in listed] == [
        ("challenges", "Challenge"),
        ("orders", "Order"),
    ]


def test_a_wrong_token_is_unauthorized_and_none_is_anonymous(shared: ApiServer) -> None:
    wrong = Client(shared, token="wrong")
    nobody = Client(shared, token="")

    assert wrong.refusal("/version") == (401, "Unauthorized")
    assert nobody.get("/version")["gitVersion"] == "v1.34.1"
    assert nobody.refusal("/api/v1/pods") == (
        403,
        'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group ""'
        " at the cluster scope",
    )


def test_credentials_can_expire() -> None:
    with ApiServer() as server:
        client = Client(server)

        before, _ = client.send("GET", "/api/v1/pods")
        server.reject("tester")
        after = client.refusal("/api/v1/pods")

    assert (before, after) == (200, (401, "Unauthorized"))


def test_who_may_not_read_one_namespace_may_not_list_all_of_them() -> None:
    with ApiServer([secret("shop"), secret("blog", "web")]) as server:
        server.forbid("secrets", namespace="istio-system")
        client = Client(server)

        refused = client.refusal("/api/v1/namespaces/istio-system/secrets/shop")
        everywhere, _ = client.refusal("/api/v1/secrets")
        elsewhere = client.get("/api/v1/namespaces/web/secrets")

    assert refused == (
        403,
        'secrets "shop" is forbidden: User "tester" cannot get resource "secrets" in API group ""'
        ' in the namespace "istio-system"',
    )
    assert (everywhere, names(elsewhere)) == (403, ["blog"])


def test_rights_are_those_of_the_rbac_objects() -> None:
    with ApiServer(
        [secret("shop"), secret("blog"), pod("edge", "a"), *RIGHTS], rbac=True
    ) as server:
        client = Client(server, token=server.token(READER))
        namespace = "/api/v1/namespaces/istio-system"
        attempts = {
            path: client.send("GET", path)[0]
            for path in (
                "/apis",
                "/api/v1/pods",
                f"{namespace}/pods",
                f"{namespace}/pods/edge/log",
                f"{namespace}/secrets",
                f"{namespace}/secrets/shop",
                f"{namespace}/secrets/blog",
                "/apis/networking.istio.io/v1/gateways",
                "/apis/no.such.group/v1/things",
            )
        }
        own_answer = {name: can_get_secret(client, name) for name in ("shop", "blog")}

    assert list(attempts.values()) == [200, 403, 200, 403, 403, 200, 403, 200, 403]
    assert own_answer == {"shop": True, "blog": False}


def rule(resources: Iterable[str], *, group: str = "", **rest: Any) -> Object:
    return {"apiGroups": [group], "resources": list(resources), "verbs": ["get", "list"], **rest}


def bound(kind: str, name: str, subject: Object, namespace: str = "", **role: Any) -> list[Object]:
    api = "rbac.authorization.k8s.io"
    reference = {"apiGroup": api, "kind": kind, "name": name}
    return [
        manifest(f"{api}/v1", kind, name, namespace, **role),
        manifest(
            f"{api}/v1", f"{kind}Binding", name, namespace, roleRef=reference, subjects=[subject]
        ),
    ]


RIGHTS = [
    *bound(
        "Role",
        "reader",
        {"kind": "ServiceAccount", "name": "reader", "namespace": "tools"},
        "istio-system",
        rules=[rule(["pods"]), rule(["secrets"], resourceNames=["shop"])],
    ),
    *bound(
        "ClusterRole",
        "mesh",
        {"kind": "Group", "name": "system:serviceaccounts:tools"},
        rules=[],
        aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"to": "mesh"}}]},
    ),
    manifest(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "istio",
        labels={"to": "mesh"},
        rules=[rule(["gateways"], group="networking.istio.io")],
    ),
]


def can_get_secret(client: Client, name: str) -> bool:
    asked = {"verb": "get", "resource": "secrets", "namespace": "istio-system", "name": name}
    status, body = client.send(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        body={"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": asked}},
    )
    assert status == 201
    return bool(json.loads(body)["status"]["allowed"])


def test_faults_strike_where_and_as_often_as_told() -> None:
    with ApiServer([secret("shop")]) as server:
        client = Client(server)
        server.fault("status", "/pods", code=429, retry_after=1, times=2)
        server.fault("status", "/services", code=500, skip=1)
        server.fault("garbage", "/secrets", times=1)
        server.fault("redirect", "/nodes", location="https://elsewhere.example/")

        pods = [client.send("GET", "/api/v1/pods")[0] for _ in range(3)]
        services = [client.send("GET", "/api/v1/services")[0] for _ in range(3)]
        garbage = client.send("GET", "/api/v1/secrets")[1]
        nodes, _ = client.send("GET", "/api/v1/nodes")
        recorded = [(request.path, request.status) for request in server.requests()]

    assert (pods, services, nodes) == ([429, 429, 200], [200, 500, 500], 302)
    assert garbage.startswith(b"<html>")
    assert recorded[:3] == [("/api/v1/pods", status) for status in (429, 429, 200)]


def test_an_answer_can_stay_away_break_off_or_never_end() -> None:
    with ApiServer([secret("shop")]) as server:
        client = Client(server)
        server.fault("hang", "/pods")
        server.fault("cut", "/secrets")
        server.fault("slow", "/services", pieces=4, delay=0.05)
        server.fault("huge", "/nodes", size=3_000_000)

        with pytest.raises(TimeoutError):
            client.send("GET", "/api/v1/pods", timeout=0.2)
        with pytest.raises((IncompleteRead, ssl.SSLEOFError)):
            client.send("GET", "/api/v1/secrets")
        begin = time.monotonic()
        client.get("/api/v1/services")
        waited = time.monotonic() - begin
        _, huge = client.send("GET", "/api/v1/nodes")
        [unanswered] = [request.path for request in server.requests() if not request.status]

    assert unanswered == "/api/v1/pods"
    assert waited > 0.15
    assert len(huge) > 2_900_000


def test_objects_can_change_right_after_a_request() -> None:
    with ApiServer() as server:
        client = Client(server)
        server.after("/secrets", apply=[secret("late")])

        before, after = (names(client.get("/api/v1/secrets")) for _ in range(2))

    assert (before, after) == ([], ["late"])


def log(client: Client, name: str, **query: object) -> list[str]:
    path = f"/api/v1/namespaces/istio-system/pods/{name}/log"
    status, body = client.send("GET", path, query=query)
    assert status == 200, body
    return body.decode().splitlines()


def test_logs_are_bounded_by_time_lines_and_bytes(shared: ApiServer, client: Client) -> None:
    old, new = "2025-06-01T10:00:00.5Z\tinfo\told", "2025-06-01T11:59:00Z\twarn\tnew"
    shared.add_log("istio-system/istiod", "discovery", [old, new, "  at main.go:1"])
    shared.add_log("istio-system/istiod", "discovery", [("2025-06-01T11:59:59Z", "untimed")])

    assert log(client, "istiod", sinceSeconds=3600) == [new, "  at main.go:1", "untimed"]
    assert log(client, "istiod", tailLines=1, timestamps="true") == [
        "2025-06-01T11:59:59.000000000Z untimed"
    ]
    assert log(client, "istiod", limitBytes=len(old) + 4) == [old, new[:3]]


def test_a_container_must_be_named_where_there_are_several(client: Client) -> None:
    path = "/api/v1/namespaces/istio-system/pods/edge/log"

    assert client.refusal(path) == (
        400,
        "a container name must be specified for pod edge, choose one of: [istio-proxy sidecar]",
    )
    assert client.refusal(path, container="x") == (400, "container x is not valid for pod edge")
    assert log(client, "edge", container="sidecar") == []


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A listener that answers one line in capitals and closes."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(connection.recv(100).upper())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[:2]
        thread.join(5)


@contextmanager
def tunnel(server: ApiServer, port: int) -> Iterator[Any]:
    import websocket

    pod_path = "/api/v1/namespaces/istio-system/pods/edge/portforward"
    connection = websocket.create_connection(
        f"{server.url.replace('https', 'wss')}{pod_path}?ports={port}",
        timeout=5,
        sslopt={"ca_certs": str(server.folder / "ca.crt")},
        header=[f"Authorization: Bearer {server.token()}"],
        subprotocols=["v4.channel.k8s.io"],
    )
    yield connection
    connection.shutdown()


def test_a_port_is_forwarded_to_a_listener(shared: ApiServer, echo: tuple[str, int]) -> None:
    shared.port_forward("istio-system/edge", 15000, to=echo)

    with tunnel(shared, 15000) as connection:
        connection.send_binary(b"\x00certs")
        frames = [connection.recv() for _ in range(4)]

    number = (15000).to_bytes(2, "little")
    assert frames == [b"\x00" + number, b"\x01" + number, b"\x00CERTS", ""]


def test_a_refused_port_says_so(shared: ApiServer) -> None:
    with tunnel(shared, 15021) as connection:
        *_, error = [connection.recv() for _ in range(3)]

    assert error[:1] == b"\x01"
    assert error.endswith(b"127.0.0.1:15021: connect: connection refused")


def test_a_tunnel_needs_the_right_to_create_it() -> None:
    import websocket

    with ApiServer([pod("edge", "istio-proxy")]) as server:
        server.forbid("pods/portforward", verb="create")

        with (
            pytest.raises(websocket.WebSocketBadStatusException) as refused,
            tunnel(server, 15000),
        ):
            pass

    assert refused.value.status_code == 403


@contextmanager
def connected(configuration: Any) -> Iterator[Any]:
    from kubernetes import client

    with client.ApiClient(configuration) as api:
        yield api
        api.rest_client.pool_manager.clear()  # its close leaves the connections open


@pytest.mark.parametrize("user", ["token", "client-certificate", "exec"])
def test_the_kubernetes_client_reads_with_every_kind_of_credential(
    shared: ApiServer, tmp_path: Path, user: Any
) -> None:
    from kubernetes import client, config

    path = shared.kubeconfig(tmp_path / "config", user=user, name=f"{user}-person")
    configuration = client.Configuration()
    config.load_kube_config(str(path), client_configuration=configuration)
    with connected(configuration) as api:
        found = client.CoreV1Api(api).list_namespaced_secret("many", limit=3)

    assert [item.to_dict()["metadata"]["name"] for item in found.items] == [
        "page-0",
        "page-1",
        "page-2",
    ]
    assert shared.requests()[-1].user == f"{user}-person"


@pytest.mark.parametrize(("plugin", "status"), [("fails", 1), ("hangs", 0)])
def test_a_credential_plugin_can_fail_or_hang_while_the_server_lasts(
    tmp_path: Path, plugin: Any, status: int
) -> None:
    with ApiServer() as server:
        path = server.kubeconfig(tmp_path / "config", user="exec", plugin=plugin)
        program = yaml.safe_load(path.read_text())["users"][0]["user"]["exec"]["command"]
        running = subprocess.Popen(program, stderr=subprocess.DEVNULL)

        if plugin == "hangs":
            with pytest.raises(subprocess.TimeoutExpired):
                running.wait(0.3)

    assert running.wait(5) == status


def test_a_pod_reads_with_its_service_account(shared: ApiServer, tmp_path: Path) -> None:
    from kubernetes import client
    from kubernetes.config.incluster_config import InClusterConfigLoader

    environment = shared.in_cluster(tmp_path, service_account="tools/reader")
    configuration = client.Configuration()
    InClusterConfigLoader(
        token_filename=str(tmp_path / "token"),
        cert_filename=str(tmp_path / "ca.crt"),
        environ=environment,
    ).load_and_set(configuration)
    with connected(configuration) as api:
        client.VersionApi(api).get_code()

    assert shared.requests()[-1].user == READER


def test_nothing_is_left_behind_when_a_server_ends() -> None:
    with ApiServer() as server:
        folder, identifier = server.folder, server.process_identifier

    assert not folder.exists()
    assert not Path(f"/proc/{identifier}").exists()
