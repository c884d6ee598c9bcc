"""Where a gateway speaks HTTP/2 to backends that are not declared to."""

import pytest

from istiodoctor.mesh.configuration.cluster import ClusterName
from istiodoctor.mesh.configuration.http2_upgrades import http2_upgrade
from istiodoctor.mesh.workloads.workloads import routers
from tests.support.objects import Manifest, destination_rule, made, mesh_of, pod, service

NAME = ClusterName(port=80, subset="", host="shop.shop.svc.cluster.local")
UPGRADE = {"http": {"h2UpgradePolicy": "UPGRADE"}}
OF_MESH = made(
    "v1", "ConfigMap", "istio", "istio-system", data={"mesh": "h2UpgradePolicy: UPGRADE"}
)


def rule(**policy: object) -> Manifest:
    return destination_rule("shop", "shop", "shop", trafficPolicy=policy)


@pytest.mark.parametrize(
    ("port", "others", "expected"),
    [
        ("http", [rule(connectionPool=UPGRADE)], "DestinationRule"),
        ("tcp", [rule(connectionPool=UPGRADE)], "DestinationRule"),
        ("http2", [rule(connectionPool=UPGRADE)], None),
        ("grpc-web", [rule(connectionPool=UPGRADE)], None),
        (
            "http",
            [rule(portLevelSettings=[{"port": {"number": 80}, "connectionPool": UPGRADE}])],
            "DestinationRule",
        ),
        (
            # Settings of the port stand for all of them.
            "http",
            [
                rule(
                    connectionPool=UPGRADE,
                    portLevelSettings=[{"port": {"number": 80}, "tls": {"mode": "DISABLE"}}],
                )
            ],
            None,
        ),
        (
            "http",
            [rule(connectionPool={"http": {**UPGRADE["http"], "useClientProtocol": True}})],
            None,
        ),
        ("http", [OF_MESH], "ConfigMap"),
        ("tcp", [OF_MESH], None),
        (
            "http",
            [OF_MESH, rule(connectionPool={"http": {"h2UpgradePolicy": "DO_NOT_UPGRADE"}})],
            None,
        ),
        ("http", [], None),
    ],
)
def test_what_makes_envoy_speak_http2(port: str, others: list[Manifest], expected: str | None):
    mesh = mesh_of(pod(), service("shop", "shop", {"name": port, "port": 80}), *others)
    (workload,) = routers(mesh)

    place = http2_upgrade(mesh, workload, NAME)

    assert (place.ref.kind if place else None) == expected
