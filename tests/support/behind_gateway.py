"""A gateway in istio-system and what stands behind it."""

from typing import Any

from istiodoctor.mesh.configuration.cluster import Cluster
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.workloads.workloads import Workload, routers
from istiodoctor.model.snapshot import Reading, Unread
from tests.support.objects import (
    Manifest,
    endpoint,
    endpoint_slice,
    istiod,
    made,
    pod,
    service,
    snapshot_of,
    web_pod,
)

WEB = "web.app1.svc.cluster.local"
PORT = {"name": "http", "port": 80}


def mesh_behind_gateway(*objects: Manifest) -> Mesh:
    """Return a whole cluster with a gateway pod and an istiod."""
    own = (
        [] if any(each["metadata"]["name"].startswith("gateway") for each in objects) else [pod()]
    )
    planes = [] if any("istiod" in each["metadata"]["name"] for each in objects) else [istiod()]
    return Mesh(snapshot_of(*own, *planes, *objects))


def without(mesh: Mesh, *unread: Unread) -> Mesh:
    """Return a mesh of which something was not read."""
    return Mesh(mesh.snapshot.plus(Reading(unread=unread)))


def gateway_workload(mesh: Mesh) -> Workload:
    (found,) = routers(mesh)
    return found


def asked(mesh: Mesh, name: str) -> Cluster:
    """Return a cluster as the gateway gets it."""
    return cluster(mesh, gateway_workload(mesh), name)


def state(mesh: Mesh, name: str) -> tuple[str, str]:
    """Return the state of a cluster and the reason for it."""
    found = asked(mesh, name)
    return found.state.value, found.reason


def web(**fields: Any) -> list[Manifest]:
    """Return Service app1/web with one ready pod."""
    return [
        service("web", "app1", PORT, selector={"app": "web"}, **fields),
        web_pod("web-1", labels={"app": "web", "version": "v1"}),
        endpoint_slice("web", "app1", endpoint("10.0.0.1", "web-1"), http=8080),
    ]


def mesh_config(text: str, name: str = "istio") -> Manifest:
    return made("v1", "ConfigMap", name, "istio-system", data={"mesh": text})
