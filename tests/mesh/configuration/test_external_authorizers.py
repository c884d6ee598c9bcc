"""Which external authorizers refuse everything, and what a request through them gets."""

import json
from typing import Any

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.listener import FilterChain, HttpConnectionManager, HttpOptions
from istiodoctor.mesh.configuration.received_request import ReceivedRequest, received
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.policies.external_authorizers import bad_authorizers
from istiodoctor.mesh.policies.request_authorization import authorization
from istiodoctor.mesh.workloads.workloads import Workload, workloads
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread
from tests.support.objects import (
    INGRESS,
    ISTIO,
    Manifest,
    gateway,
    https,
    istiod,
    made,
    pod,
    service,
    snapshot_of,
)

LOGIN = "login.auth.svc.cluster.local"
SERVICE = service("login", "auth", {"name": "http", "port": 8080}, selector={"app": "login"})
EVERYTHING: list[Manifest] = [{}]
NOBODY: list[Manifest] = []
READY = [{"addresses": ["10.2.0.9"], "conditions": {"ready": True}}]
EXTERNAL = made(
    ISTIO,
    "ServiceEntry",
    "login",
    "auth",
    spec={
        "hosts": ["login.example.net"],
        "ports": [{"number": 443, "name": "https", "protocol": "HTTPS"}],
        "resolution": "DNS",
    },
)


def policy(name: str = "login", provider: str = "login", **fields: Any) -> Manifest:
    spec = {
        "selector": {"matchLabels": INGRESS},
        "action": "CUSTOM",
        "provider": {"name": provider},
        "rules": fields.pop("rules", EVERYTHING),
    }
    return made(
        "security.istio.io/v1", "AuthorizationPolicy", name, "istio-system", spec=spec, **fields
    )


def mesh_config(*providers: Manifest) -> Manifest:
    data = {"mesh": json.dumps({"extensionProviders": list(providers)})}
    return made("v1", "ConfigMap", "istio", "istio-system", data=data)


def provider(name: str = "login", host: str = LOGIN, port: int = 8080, **more: Any) -> Manifest:
    return {"name": name, "envoyExtAuthzHttp": {"service": host, "port": port, **more}}


def endpoints(items: list[Manifest]) -> Manifest:
    return made(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "login-1",
        "auth",
        labels={"kubernetes.io/service-name": "login"},
        addressType="IPv4",
        endpoints=items,
        ports=[{"name": "http", "port": 8080}],
    )


def mesh_with(*objects: Manifest, version: str = "1.27.3", **env: str) -> Mesh:
    return Mesh(
        snapshot_of(
            pod(), istiod(version, **env), gateway("web", "shop", https("a.com")), *objects
        )
    )


def of_gateway(mesh: Mesh) -> Workload:
    return next(each for each in workloads(mesh) if each.labels.get("istio") == "ingressgateway")


def faults(*objects: Manifest, **plane: str) -> list[str]:
    mesh = mesh_with(*objects, **plane)
    return [each.fault.value for each in bad_authorizers(mesh, of_gateway(mesh))]


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        ([mesh_config()], ["undefined"]),
        ([], ["undefined"]),
        ([mesh_config({"name": "login", "zipkin": {"service": LOGIN}})], ["undefined"]),
        ([mesh_config(provider("Login")), SERVICE], ["undefined"]),
        ([mesh_config(provider(host="login")), SERVICE], ["no-service"]),
        ([mesh_config(provider())], ["no-service"]),
        ([mesh_config(provider(host=f"other/{LOGIN}")), SERVICE], ["no-service"]),
        ([mesh_config(provider(host=f"auth/{LOGIN}")), SERVICE, endpoints(READY)], []),
        ([mesh_config(provider()), SERVICE, endpoints(READY)], []),
        ([mesh_config(provider()), SERVICE, endpoints(NOBODY)], ["no-endpoint"]),
        ([mesh_config(provider(port=80)), SERVICE, endpoints(READY)], ["no-endpoint"]),
        ([mesh_config(provider(failOpen=True)), SERVICE, endpoints(NOBODY)], []),
        ([mesh_config(provider(failOpen=True))], ["no-service"]),
        ([mesh_config(provider(host="login.example.net", port=443)), EXTERNAL], []),
    ],
)
def test_an_authorizer_refuses_everything_where_nobody_can_be_asked(
    objects: list[Manifest], found: list[str]
):
    assert faults(policy(), *objects) == found


def test_an_authorizer_that_speaks_grpc_is_judged_alike():
    grpc = {"name": "login", "envoyExtAuthzGrpc": {"service": LOGIN, "port": 8080}}

    assert faults(policy(), mesh_config(grpc), SERVICE, endpoints(NOBODY)) == ["no-endpoint"]


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        ([policy(annotations={"istio.io/dry-run": "true"})], []),
        ([policy(rules=[])], []),
        ([], []),
    ],
)
def test_a_policy_that_denies_nothing_is_no_fault(objects: list[Manifest], found: list[str]):
    assert faults(mesh_config(), *objects) == found


def test_several_providers_are_refused_unless_istiod_is_told_to_take_them():
    objects = (
        policy(),
        policy("other", "other"),
        mesh_config(provider(), provider("other")),
        SERVICE,
        endpoints(READY),
    )

    told = {"PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS": "true"}
    assert faults(*objects) == ["several"]
    assert faults(*objects, **told) == []


@pytest.mark.parametrize(("version", "denies_all"), [("1.19.0", True), ("1.20.0", False)])
def test_before_1_20_istiod_denies_every_request(version: str, denies_all: bool):
    mesh = mesh_with(policy(rules=[{"to": [{"operation": {"paths": ["/x"]}}]}]), version=version)

    (found,) = bad_authorizers(mesh, of_gateway(mesh))

    assert (found.denies_all, found.takes_everything) == (denies_all, denies_all)


def test_nothing_is_said_where_the_mesh_configuration_was_not_read():
    whole = snapshot_of(pod(), istiod(), gateway("web", "shop", https("a.com")), policy())
    forbidden = Reading(unread=(Unread(kind=Kind.CONFIG_MAP, message="forbidden"),))
    mesh = Mesh(whole.plus(forbidden))

    assert bad_authorizers(mesh, of_gateway(mesh)) == ()


def test_a_mesh_configuration_of_an_istiod_that_was_not_seen_makes_nothing_certain():
    mesh = Mesh(snapshot_of(pod(), gateway("web", "shop", https("a.com")), policy()))

    (found,) = bad_authorizers(mesh, of_gateway(mesh))

    assert not found.is_certain


@pytest.mark.parametrize(
    ("objects", "verdict"),
    [
        ([mesh_config(provider()), SERVICE, endpoints(NOBODY)], "denied"),
        ([mesh_config(provider(host="login")), SERVICE], "denied"),
        ([mesh_config(provider()), SERVICE, endpoints(READY)], "unknown"),
    ],
)
def test_a_request_gets_what_becomes_of_the_question(objects: list[Manifest], verdict: str):
    mesh = mesh_with(policy(), *objects)
    chain = FilterChain(http=HttpConnectionManager(route_configuration="http"))
    seen = received(Request.of_url("http://a.com/"), HttpOptions(), is_tls=False)
    assert isinstance(seen, ReceivedRequest)

    found = authorization(mesh, of_gateway(mesh), chain, seen, port=8080)

    assert found.verdict.value == verdict
