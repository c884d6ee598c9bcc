"""Services that other clusters of the mesh may have: nothing certain is said of them."""

import pytest

from istiodoctor.finding import Confidence
from istiodoctor.mesh import Mesh
from istiodoctor.registry import discover
from tests.support.behind_gateway import WEB, mesh_behind_gateway, state, web
from tests.support.objects import (
    Manifest,
    endpoint,
    endpoint_slice,
    gateway,
    https,
    istiod,
    route,
    virtual_service,
)

CHECKS = discover().by_code()
HOST = "shop.example.com"
NOT_READY = endpoint_slice("web", "app1", endpoint("10.0.0.1", "web-1", ready=False), http=80)


def to(host: str) -> list[Manifest]:
    return [
        gateway("web", "app1", https(HOST)),
        virtual_service("shop", "app1", HOST, gateways=["web"], http=[route(host)]),
    ]


def confidences(code: str, mesh: Mesh) -> list[Confidence]:
    return [each.confidence for each in CHECKS[code].run(mesh)]


SEVERAL = [istiod(CLUSTER_ID="east")]
NETWORK = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "istio-system", "labels": {"topology.istio.io/network": "east"}},
}


@pytest.mark.parametrize("sign", [SEVERAL, [NETWORK]])
def test_what_other_clusters_may_have_is_only_suspected_to_be_missing(
    sign: list[Manifest],
) -> None:
    without_endpoints = mesh_behind_gateway(*web()[:2], NOT_READY, *sign, *to("web"))
    without_service = mesh_behind_gateway(*sign, *to("gone"))

    assert confidences("VS017", without_endpoints) == [Confidence.SUSPECTED]
    assert confidences("VS009", without_service) == [Confidence.SUSPECTED]
    assert state(without_endpoints, f"outbound|80||{WEB}")[0] == "unknown"
    assert state(without_service, "outbound|443||gone.app1.svc.cluster.local")[0] == "unknown"


def test_a_mesh_of_one_cluster_has_no_others() -> None:
    mesh = mesh_behind_gateway(istiod(CLUSTER_ID="Kubernetes"), *to("gone"))

    assert confidences("VS009", mesh) == [Confidence.CERTAIN]


def test_ready_endpoints_are_enough_whatever_other_clusters_have() -> None:
    mesh = mesh_behind_gateway(*web(), *SEVERAL, *to("web"))

    assert state(mesh, f"outbound|80||{WEB}") == ("ok", "")
