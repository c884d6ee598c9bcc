"""What the mesh's and a pod's configuration make of requests before they are routed."""

from dataclasses import replace
from typing import Any

import pytest

from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.mesh.configuration.mesh_options import http_options
from tests.support.behind_gateway import gateway_workload, mesh_behind_gateway, mesh_config
from tests.support.objects import istiod, pod

EDGE = "defaultConfig: {connectionSettings: {profile: EDGE}}"
OF_EDGE = {
    "merges_slashes": True,
    "redirects_escaped_slashes": True,
    "rejects_underscores": True,
}


@pytest.mark.parametrize(
    ("config", "changed"),
    [
        ("{}", {}),
        (EDGE, OF_EDGE),
        (
            "defaultConfig: {connectionSettings: {profile: EDGE, httpMergeSlashes: false,"
            " httpPathWithEscapedSlashesAction: KEEP_UNCHANGED,"
            " httpHeadersWithUnderscoresAction: HEADERS_WITH_UNDERSCORES_DROP_HEADER}}",
            {"drops_underscores": True},
        ),
        (
            "pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}\n"
            "defaultConfig: {connectionSettings: {httpPathWithEscapedSlashesAction:"
            " REJECT_REQUEST}}",
            {"merges_slashes": True, "rejects_escaped_slashes": True},
        ),
    ],
)
def test_connection_settings_go_before_those_of_the_mesh(config: str, changed: dict[str, Any]):
    mesh = mesh_behind_gateway(istiod("1.31.0"), mesh_config(config))

    assert http_options(mesh, gateway_workload(mesh)) == replace(HttpOptions(), **changed)


def test_a_pod_has_its_own_settings_and_else_those_of_the_mesh():
    settings = (
        "connectionSettings: {httpHeadersWithUnderscoresAction: HEADERS_WITH_UNDERSCORES_ALLOW}"
    )
    own = pod(annotations={"proxy.istio.io/config": settings})
    mesh = mesh_behind_gateway(istiod("1.31.0"), own, mesh_config(EDGE))

    assert http_options(mesh, gateway_workload(mesh)) == HttpOptions()


def test_an_older_istiod_knows_no_connection_settings():
    mesh = mesh_behind_gateway(istiod("1.30.4"), mesh_config(EDGE))

    assert http_options(mesh, gateway_workload(mesh)) == HttpOptions()
