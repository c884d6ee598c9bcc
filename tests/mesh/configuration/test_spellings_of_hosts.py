"""Hosts of VirtualServices that differ in capital letters only."""

import pytest

from istiodoctor.mesh.configuration.refused_routes import refused_routes
from istiodoctor.mesh.gateways.listeners import merged_gateway
from istiodoctor.mesh.workloads.workloads import routers
from tests.support.objects import gateway, https, istiod, mesh_of, pod, route, virtual_service


@pytest.mark.parametrize(
    ("version", "other", "is_refused"),
    [
        ("1.21.0", "Blog.test", True),
        ("1.22.0", "Blog.test", False),
        ("1.21.0", "Shop.test", False),
    ],
)
def test_a_host_in_two_spellings_is_two_domains_to_old_releases(
    version: str, other: str, *, is_refused: bool
):
    mesh = mesh_of(
        istiod(version),
        pod(),
        gateway("web", "shop", https("*.test")),
        *(
            virtual_service(name, "shop", host, gateways=["web"], http=[route("a")])
            for name, host in (("one", "blog.test"), ("two", other))
        ),
    )
    (workload,) = routers(mesh)
    (name,) = merged_gateway(mesh, workload).servers_by_route

    refusal = refused_routes(mesh, workload, name)

    assert refusal is None if not is_refused else refusal and refusal.names == ("blog.test",)
