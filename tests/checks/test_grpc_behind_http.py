"""gRPC behind a port that says HTTP, by the names of containers' ports."""

import pytest

from istiodoctor.finding import Severity
from istiodoctor.registry import discover
from tests.support.objects import (
    Manifest,
    gateway,
    https,
    made,
    mesh_of,
    pod,
    route,
    service,
    virtual_service,
)

CHECK = discover().by_code()["DR008"]


def backend(**port: object) -> Manifest:
    containers = [{"name": "app", "image": "app", "ports": [port]}]
    return made(
        "v1", "Pod", "shop-0", "shop", labels={"app": "shop"}, spec={"containers": containers}
    )


@pytest.mark.parametrize(
    ("container", "declared", "expected"),
    [
        ({"name": "grpc", "containerPort": 8080}, {"name": "http"}, [Severity.MEDIUM]),
        ({"name": "grpc-api", "containerPort": 8080}, {"name": "web"}, [Severity.MEDIUM]),
        ({"name": "grpc", "containerPort": 9090}, {"name": "http"}, []),
        ({"name": "grpc", "containerPort": 8080}, {"name": "grpc"}, []),
        ({"name": "grpc", "containerPort": 8080}, {"name": "x", "appProtocol": "http2"}, []),
        ({"name": "http", "containerPort": 8080}, {"name": "http"}, []),
    ],
)
def test_a_container_that_calls_its_port_grpc_contradicts_http(
    container: Manifest, declared: Manifest, expected: list[Severity]
):
    port = {"port": 80, "targetPort": 8080, **declared}
    mesh = mesh_of(
        pod(),
        gateway("web", "shop", https("a.com")),
        virtual_service(
            "shop", "shop", "a.com", gateways=["web"], http=[route("shop", port={"number": 80})]
        ),
        service("shop", "shop", port, selector={"app": "shop"}),
        backend(**container),
    )

    assert [each.severity for each in CHECK.judge(mesh)] == expected
