"""Objects of other revisions: what the examples of their check cannot show."""

import pytest

from istiodoctor.mesh.configuration.left_out import Omission
from istiodoctor.mesh.configuration.listeners import left_out_on
from istiodoctor.mesh.workloads.control_planes import revision_of
from istiodoctor.mesh.workloads.workloads import routers
from istiodoctor.registry import discover
from tests.support.objects import (
    INGRESS,
    Manifest,
    gateway,
    https,
    istiod,
    mesh_of,
    pod,
    route,
    virtual_service,
)

CHECK = discover().by_code()["GW026"]


def revised(made: Manifest, revision: str) -> Manifest:
    metadata = made["metadata"]
    labels = {**metadata.get("labels", {}), "istio.io/rev": revision}
    return {**made, "metadata": {**metadata, "labels": labels}}


def control_plane(revision: str, name: str = "istiod") -> Manifest:
    made = istiod(revision=revision)
    return {**made, "metadata": {**made["metadata"], "name": name}}


def web(revision: str = "") -> Manifest:
    made = gateway("web", "shop", https("a.com"))
    return revised(made, revision) if revision else made


def routes(revision: str) -> Manifest:
    return revised(
        virtual_service("shop", "shop", "a.com", gateways=["web"], http=[route("shop")]), revision
    )


def told(*objects: Manifest) -> list[str]:
    return [str(each.objects[0].ref) for each in CHECK.judge(mesh_of(*objects))]


@pytest.mark.parametrize(
    ("planes", "of_pods", "expected"),
    [
        ([control_plane("canary")], "canary", ["Gateway shop/web", "VirtualService shop/shop"]),
        # The pods name a tag, and there is only one istiod that it can stand for.
        ([control_plane("canary")], "prod", ["Gateway shop/web", "VirtualService shop/shop"]),
        ([control_plane("stable")], "stable", []),
        ([control_plane("stable"), control_plane("canary", "next")], "stable", []),
        # Of two istiods it is not known which one the tag stands for.
        ([control_plane("1-26"), control_plane("1-27", "next")], "prod", []),
        # istiod runs elsewhere.
        ([], "canary", []),
    ],
)
def test_what_the_istiod_of_a_gateway_passes_over_is_told(
    planes: list[Manifest], of_pods: str, expected: list[str]
):
    pods = pod(labels={**INGRESS, "istio.io/rev": of_pods})

    assert told(*planes, pods, web("stable"), routes("stable")) == expected


def test_a_route_of_another_revision_is_told_alone():
    pods = pod(labels={**INGRESS, "istio.io/rev": "canary"})

    assert told(control_plane("canary"), pods, web(), routes("stable")) == [
        "VirtualService shop/shop"
    ]


def test_a_server_of_another_revision_is_left_out():
    pods = pod(labels={**INGRESS, "istio.io/rev": "canary"})
    mesh = mesh_of(control_plane("canary"), pods, web("stable"))
    (workload,) = routers(mesh)

    assert revision_of(mesh, workload) == "canary"
    assert [each.omission for each in left_out_on(mesh, workload, 443)] == [
        Omission.OTHER_REVISION
    ]
