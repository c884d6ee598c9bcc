"""The mesh configuration as istiod's ConfigMap holds it."""

import pytest

from istiodoctor.model.meshconfig import (
    EVERYWHERE,
    ExtensionProvider,
    MeshConfig,
    ProviderService,
    decode_mesh_config,
    mesh_config_fault,
)

WRITTEN = """
rootNamespace: config
trustDomain: corp.example
ingressClass: nginx
defaultServiceExportTo: ['.']
defaultVirtualServiceExportTo: [app1, istio-system]
defaultDestinationRuleExportTo: []
pathNormalization: {normalization: MERGE_SLASHES}
defaultConfig: {gatewayTopology: {numTrustedProxies: 2}}
extensionProviders:
- name: authorizer
  envoyExtAuthzHttp: {service: authorizer.app1.svc.cluster.local, port: 8000}
- name: metrics
  prometheus: {}
accessLogFile: /dev/stdout
"""


def test_what_requests_depend_on_is_read():
    found = decode_mesh_config(WRITTEN)

    assert found is not None
    assert found.configuration_namespace == "config"
    assert found.ingress_class == "nginx"
    assert found.service_exports == {"."}
    assert found.virtual_service_exports == {"app1", "istio-system"}
    assert found.destination_rule_exports == EVERYWHERE
    assert found.path_normalization.normalization == "MERGE_SLASHES"
    assert found.default_config.gateway_topology is not None
    assert found.default_config.gateway_topology.num_trusted_proxies == 2
    service = ProviderService(service="authorizer.app1.svc.cluster.local", port=8000)
    assert found.extension_providers == (
        ExtensionProvider(name="authorizer", envoy_ext_authz_http=service),
        ExtensionProvider(name="metrics"),
    )
    assert [each.authorizer for each in found.extension_providers] == [service, None]


@pytest.mark.parametrize("text", ["", "{}", "rootNamespace: null\ndiscoverySelectors:\n", "null"])
def test_what_is_not_written_has_istiods_defaults(text: str):
    assert decode_mesh_config(text) == MeshConfig()
    assert MeshConfig().configuration_namespace == "istio-system"
    assert MeshConfig().service_exports == EVERYWHERE


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "it is no YAML"),
        ("\x00", "it is no YAML"),
        ("[" * 10_000, "it is no YAML"),
        ("a: &a [*a]", "it is no YAML"),
        ("- one", "Expected `object`, got `array`"),
        ("text", "Expected `object`, got `str`"),
        ("rootNamespace: 5", "Expected `str`, got `int` - at `$.rootNamespace`"),
        ("1: 2", "Expected `str` - at `key` in `$`"),
        ("defaultServiceExportTo: '*'", None),
    ],
)
def test_what_does_not_parse_has_a_reason(text: str, fault: str | None):
    assert decode_mesh_config(text) is None
    assert mesh_config_fault(text) == fault if fault else mesh_config_fault(text)


def test_what_parses_has_no_fault():
    assert mesh_config_fault(WRITTEN) == ""
