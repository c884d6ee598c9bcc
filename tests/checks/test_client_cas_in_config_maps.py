"""Client CAs in ConfigMaps: what the examples of their check cannot show."""

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.targets.wanted import wanted
from istiodoctor.mesh.workloads.config_maps import config_map_fault
from istiodoctor.model.kind import Kind
from istiodoctor.registry import discover
from istiodoctor.testing.words import pem
from tests.support.objects import Manifest, api_gateway, listener, made, mesh_of, pod, secret

CHECK = discover().by_code()["MTLS002"]
CLIENT_CA = {"group": "", "kind": "ConfigMap", "name": "client-ca"}


def web(**tls: object) -> Manifest:
    """Return a Gateway with two TLS listeners, and what its `spec.tls` says."""
    listeners = [
        listener(name, port, "HTTPS", hostname=host, tls={"certificateRefs": [{"name": "cert"}]})
        for name, port, host in (("a", 443, "a.example.com"), ("b", 8443, "b.example.com"))
    ]
    made_of = api_gateway("web", "shop", *listeners)
    return {**made_of, "spec": {**made_of["spec"], **tls}}


def config_map(**data: str) -> Manifest:
    return made("v1", "ConfigMap", "client-ca", "shop", data=data)


def mesh(*objects: Manifest) -> Mesh:
    pods = pod("web-istio-0", "shop", labels={"gateway.networking.k8s.io/gateway-name": "web"})
    return mesh_of(pods, secret("cert", "shop"), *objects)


def frontend(port: int = 0) -> dict[str, object]:
    validation = {"validation": {"caCertificateRefs": [CLIENT_CA]}}
    if port:
        return {"frontend": {"default": {}, "perPort": [{"port": port, "tls": validation}]}}
    return {"frontend": {"default": validation}}


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"ca.crt": pem("authority Clients")}, ""),
        ({"cacert": pem("authority Clients"), "ca.crt": "text"}, ""),
        ({"cacert": "", "ca.crt": pem("authority Clients")}, ""),
        ({"ca.pem": pem("authority Clients")}, "has no cacert and no ca.crt with a value"),
        ({"ca.crt": ""}, "has no cacert and no ca.crt with a value"),
        ({"ca.crt": "no certificate"}, "holds no certificate"),
        ({"ca.crt": "${CLIENT_CA}"}, None),
    ],
)
def test_a_client_ca_is_a_certificate_in_one_of_two_keys(data: dict[str, str], fault: str | None):
    assert config_map_fault(mesh(config_map(**data)), "shop", "client-ca") == fault


def test_what_controllers_publish_is_never_missing():
    assert config_map_fault(mesh(), "shop", "istio-ca-root-cert") is None
    assert config_map_fault(mesh(), "shop", "client-ca") == "does not exist"


@pytest.mark.parametrize(
    ("tls", "hosts"),
    [
        (frontend(), {"a.example.com", "b.example.com"}),
        (frontend(443), {"a.example.com"}),
        (frontend(8443), {"b.example.com"}),
        ({}, set()),
    ],
)
def test_a_gateway_says_for_all_ports_or_for_one_which_ca_checks_clients(
    tls: dict[str, object], hosts: set[str]
):
    found = list(CHECK.judge(mesh(web(tls=tls))))

    assert {host for each in found for host in each.hosts} == hosts


def test_a_config_map_that_a_listener_names_is_read_by_name():
    reads = wanted(mesh(web(tls=frontend())), frozenset({Kind.CONFIG_MAP})).again

    assert (Kind.CONFIG_MAP, "shop", "client-ca") in reads
