"""The mesh configuration of istiod's ConfigMap, and a pod's annotation of the same shape."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
import ryaml

from istiodoctor.model.kubernetes import LabelSelector
from istiodoctor.model.metadata import Fields

C = TypeVar("C", bound=Fields)


class GatewayTopology(Fields, frozen=True, kw_only=True):
    """`ProxyConfig.gatewayTopology`."""

    num_trusted_proxies: int = 0
    proxy_protocol: Mapping[str, object] | None = None
    forward_client_cert_details: str | int = ""


class HeaderSwitch(Fields, frozen=True, kw_only=True):
    """A header, or a group of them, that can be turned off."""

    disabled: bool | None = None


class ProxyHeaders(Fields, frozen=True, kw_only=True):
    """`ProxyConfig.proxyHeaders`, as far as answers tell who gave them."""

    envoy_debug_headers: HeaderSwitch | None = None


class ProxyConfig(Fields, frozen=True, kw_only=True):
    """`ProxyConfig`, as far as a gateway's HTTPS depends on it."""

    gateway_topology: GatewayTopology | None = None
    proxy_headers: ProxyHeaders | None = None


class MeshConfig(Fields, frozen=True, kw_only=True):
    """`MeshConfig`, as far as a gateway's HTTPS depends on it."""

    default_config: ProxyConfig = ProxyConfig()
    ingress_controller_mode: str = ""
    ingress_class: str = "istio"
    ingress_service: str = ""
    ingress_selector: str = ""
    discovery_selectors: tuple[LabelSelector, ...] = ()
    root_namespace: str = ""
    trust_domain: str = ""


def decode_mesh_config(text: str) -> MeshConfig | None:
    """Return the configuration in a ConfigMap's `mesh` key, or None when it does not parse."""
    return _decode(text, MeshConfig)


def decode_proxy_config(text: str) -> ProxyConfig | None:
    """Return a `proxy.istio.io/config` annotation's content, or None when it does not parse."""
    return _decode(text, ProxyConfig)


def _decode(text: str, of: type[C]) -> C | None:
    try:
        return msgspec.convert(ryaml.loads(text) or {}, of)
    except (msgspec.ValidationError, ryaml.InvalidYamlError, RecursionError):
        return None
