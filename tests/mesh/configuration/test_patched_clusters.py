"""Clusters that EnvoyFilters name, where istiod sends some alone."""

import pytest

from istiodoctor.mesh.configuration.patched_clusters import absent_clusters_of_patches
from istiodoctor.mesh.workloads.workloads import routers
from tests.support.objects import (
    ISTIO,
    Manifest,
    gateway,
    https,
    istiod,
    made,
    mesh_of,
    pod,
    route,
    service,
    virtual_service,
)

AUTHORIZER = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
FILTERED = {"PILOT_FILTER_GATEWAY_CLUSTER_CONFIG": "true"}
LOGIN = "login.auth.svc.cluster.local"
TO_LOGIN = virtual_service("login", "auth", "b.com", gateways=["x"], http=[route(LOGIN)])
REFERENCED = {"envoyfilter.istio.io/referenced-services": f"other.test, {LOGIN}"}
CONFIG = f"""
extensionProviders:
- name: login
  envoyExtAuthzHttp: {{service: auth/{LOGIN}, port: 8080}}
"""
OF_MESH = made("v1", "ConfigMap", "istio", "istio-system", data={"mesh": CONFIG})


def patch(cluster: str, annotations: dict[str, str] | None = None, **config: object) -> Manifest:
    told = {"@type": AUTHORIZER, "http_service": {"server_uri": {"cluster": cluster}}, **config}
    value = {"name": "login", "typed_config": told}
    spec = {
        "configPatches": [
            {
                "applyTo": "HTTP_FILTER",
                "match": {"context": "GATEWAY"},
                "patch": {"operation": "INSERT_FIRST", "value": value},
            }
        ]
    }
    return made(
        ISTIO, "EnvoyFilter", "login", "istio-system", spec=spec, annotations=annotations or {}
    )


@pytest.mark.parametrize(
    ("env", "others", "expected"),
    [
        (FILTERED, [patch(f"outbound|8080||{LOGIN}")], [(True, True)]),
        ({}, [patch(f"outbound|8080||{LOGIN}")], []),
        ({}, [patch(f"outbound|9090||{LOGIN}")], [(True, False)]),
        ({}, [patch("outbound|8080||gone.auth.svc.cluster.local")], [(True, False)]),
        (FILTERED, [patch(f"outbound|8080||{LOGIN}", failure_mode_allow=True)], [(False, True)]),
        (FILTERED, [patch(f"outbound|8080||{LOGIN}"), TO_LOGIN], []),
        (FILTERED, [patch(f"outbound|8080||{LOGIN}"), OF_MESH], []),
        (FILTERED, [patch(f"outbound|8080||{LOGIN}", REFERENCED)], []),
        (FILTERED, [patch("a-cluster-of-its-own")], []),
    ],
)
def test_a_cluster_that_nothing_names_is_not_sent(
    env: dict[str, str], others: list[Manifest], expected: list[tuple[bool, bool]]
):
    mesh = mesh_of(
        istiod("1.27.3", **env),
        pod(),
        gateway("web", "shop", https("a.com")),
        service("login", "auth", {"name": "http", "port": 8080}),
        *others,
    )
    (workload,) = routers(mesh)

    found = absent_clusters_of_patches(mesh, workload)

    assert [(each.denies, each.is_filtered) for each in found] == expected
