"""The mesh configuration of istiod's ConfigMap, and a pod's annotation of the same shape."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
import ryaml

from istiodoctor.model.kubernetes import LabelSelector
from istiodoctor.model.metadata import Fields
from istiodoctor.model.nulls import without_nulls

C = TypeVar("C", bound=Fields)

DEFAULT_ROOT_NAMESPACE = "istio-system"
EVERYWHERE = frozenset({"*"})


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


class ConnectionSettings(Fields, frozen=True, kw_only=True):
    """`ProxyConfig.connectionSettings`, as far as they change what becomes of a request."""

    profile: str = ""
    """`EDGE` for the settings that Envoy's project advises at the edge of a network."""
    http_merge_slashes: bool | None = None
    http_path_with_escaped_slashes_action: str = ""
    http_headers_with_underscores_action: str = ""


class ProxyConfig(Fields, frozen=True, kw_only=True):
    """`ProxyConfig`, as far as a gateway's HTTPS depends on it."""

    gateway_topology: GatewayTopology | None = None
    proxy_headers: ProxyHeaders | None = None
    connection_settings: ConnectionSettings | None = None
    discovery_address: str = ""
    """The istiod that is asked: `istiod.istio-system.svc:15012`."""


class PathNormalization(Fields, frozen=True, kw_only=True):
    """`MeshConfig.pathNormalization`: what becomes of a path before it is matched."""

    normalization: str = ""
    """`DEFAULT`, `NONE`, `BASE`, `MERGE_SLASHES` or `DECODE_AND_MERGE_SLASHES`."""


class ProviderService(Fields, frozen=True, kw_only=True):
    """The service behind an extension provider, and what becomes of requests without it."""

    service: str = ""
    """Its full name, with `NAMESPACE/` before it where several namespaces have the name."""
    port: int = 0
    fail_open: bool = False
    """Whether requests pass where it does not answer."""
    status_on_error: str = ""
    """What they get then; 403 where it says nothing."""


class ExtensionProvider(Fields, frozen=True, kw_only=True):
    """One entry of `MeshConfig.extensionProviders`, as far as it names a service."""

    name: str = ""
    envoy_ext_authz_http: ProviderService | None = None
    envoy_ext_authz_grpc: ProviderService | None = None
    zipkin: ProviderService | None = None
    datadog: ProviderService | None = None
    skywalking: ProviderService | None = None
    opentelemetry: ProviderService | None = None
    envoy_http_als: ProviderService | None = None
    envoy_tcp_als: ProviderService | None = None
    envoy_otel_als: ProviderService | None = None

    @property
    def service(self) -> str:
        """The service that it leads to, whatever it is for; a namespace may stand before it."""
        every = (
            self.authorizer,
            self.zipkin,
            self.datadog,
            self.skywalking,
            self.opentelemetry,
            self.envoy_http_als,
            self.envoy_tcp_als,
            self.envoy_otel_als,
        )
        return next((each.service for each in every if each), "")

    @property
    def authorizer(self) -> ProviderService | None:
        """The external authorizer, where it is one."""
        return self.envoy_ext_authz_http or self.envoy_ext_authz_grpc


class ServiceEntryVisibility(Fields, frozen=True, kw_only=True):
    """`MeshConfig.serviceEntryVisibility`: limits to what ServiceEntries may be exported to."""

    apply_to_sidecars: bool = False


class MeshConfig(Fields, frozen=True, kw_only=True):
    """`MeshConfig`, as far as a gateway's HTTPS depends on it.

    The defaults are istiod's own (`DefaultMeshConfig`, pkg/config/mesh/mesh.go:66), in force
    where there is no ConfigMap too.
    """

    default_config: ProxyConfig = ProxyConfig()
    ingress_controller_mode: str = ""
    ingress_class: str = "istio"
    ingress_service: str = ""
    ingress_selector: str = ""
    discovery_selectors: tuple[LabelSelector, ...] = ()
    root_namespace: str = ""
    default_service_export_to: tuple[str, ...] = ()
    default_virtual_service_export_to: tuple[str, ...] = ()
    default_destination_rule_export_to: tuple[str, ...] = ()
    path_normalization: PathNormalization = PathNormalization()
    h2_upgrade_policy: str = ""
    extension_providers: tuple[ExtensionProvider, ...] = ()
    service_entry_visibility: ServiceEntryVisibility = ServiceEntryVisibility()

    @property
    def configuration_namespace(self) -> str:
        """The namespace whose DestinationRules, policies and EnvoyFilters are the mesh's."""
        return self.root_namespace or DEFAULT_ROOT_NAMESPACE

    @property
    def service_exports(self) -> frozenset[str]:
        """To whom a Service or ServiceEntry without `exportTo` is exported."""
        return frozenset(self.default_service_export_to) or EVERYWHERE

    @property
    def virtual_service_exports(self) -> frozenset[str]:
        """To whom a VirtualService without `exportTo` is exported."""
        return frozenset(self.default_virtual_service_export_to) or EVERYWHERE

    @property
    def destination_rule_exports(self) -> frozenset[str]:
        """To whom a DestinationRule without `exportTo` is exported."""
        return frozenset(self.default_destination_rule_export_to) or EVERYWHERE


def decode_mesh_config(text: str) -> MeshConfig | None:
    """Return the configuration in a ConfigMap's `mesh` key, or None when it does not parse."""
    return _decode(text, MeshConfig)[0]


def mesh_config_fault(text: str) -> str:
    """Return why a ConfigMap's `mesh` key does not parse; empty where it does."""
    return _decode(text, MeshConfig)[1]


def decode_proxy_config(text: str) -> ProxyConfig | None:
    """Return a `proxy.istio.io/config` annotation's content, or None when it does not parse."""
    return _decode(text, ProxyConfig)[0]


def _decode(text: str, of: type[C]) -> tuple[C | None, str]:
    try:
        return msgspec.convert(without_nulls(ryaml.loads(text) or {}), of), ""
    except ryaml.InvalidYamlError:
        return None, "it is no YAML"
    except RecursionError:
        return None, "it is nested too deeply"
    except msgspec.ValidationError as error:
        return None, str(error)
