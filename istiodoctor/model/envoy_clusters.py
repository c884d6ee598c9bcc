"""Clusters and endpoints as Envoy shows them, as far as they decide whether requests arrive.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto
Addresses of endpoints are passed over: how many take requests is what matters.
"""

from istiodoctor.model.envoy_shapes import Part, SdsConfig, Time


class ServiceMetadata(Part, frozen=True, kw_only=True):
    """A service that a cluster was made for."""

    host: str = ""
    name: str = ""
    namespace: str = ""


class IstioMetadata(Part, frozen=True, kw_only=True):
    """The `istio` metadata of a cluster: the services that istiod made it from."""

    config: str = ""
    """The DestinationRule: `/apis/networking.istio.io/v1/namespaces/shop/destination-rule/web`."""
    services: tuple[ServiceMetadata, ...] = ()


class FilterMetadata(Part, frozen=True, kw_only=True):
    """Filter metadata, by the namespace of the filter."""

    istio: IstioMetadata = IstioMetadata()


class Metadata(Part, frozen=True, kw_only=True):
    """Notes on a cluster."""

    filter_metadata: FilterMetadata = FilterMetadata()


class CustomType(Part, frozen=True, kw_only=True):
    """A custom cluster type."""

    name: str = ""


class EdsConfig(Part, frozen=True, kw_only=True):
    """Under which name endpoints are asked for."""

    service_name: str = ""


class CommonTls(Part, frozen=True, kw_only=True):
    """The certificate that Envoy shows a backend."""

    tls_certificate_sds_secret_configs: tuple[SdsConfig, ...] = ()


class UpstreamTlsContext(Part, frozen=True, kw_only=True):
    """The TLS to a backend."""

    sni: str = ""
    common_tls_context: CommonTls = CommonTls()


class TransportSocket(Part, frozen=True, kw_only=True):
    """The transport socket to a backend."""

    name: str = ""
    typed_config: UpstreamTlsContext = UpstreamTlsContext()


class Cluster(Part, frozen=True, kw_only=True):
    """A cluster as it was configured."""

    name: str = ""
    type: str | int = "STATIC"
    """`EDS`, `STATIC`, `STRICT_DNS`, `LOGICAL_DNS`, `ORIGINAL_DST`."""
    cluster_type: CustomType | None = None
    eds_cluster_config: EdsConfig = EdsConfig()
    transport_socket: TransportSocket | None = None
    metadata: Metadata = Metadata()


class DynamicCluster(Part, frozen=True, kw_only=True):
    """A cluster that CDS sent."""

    version_info: str = ""
    cluster: Cluster = Cluster()
    last_updated: Time | None = None


class ClustersDump(Part, frozen=True, kw_only=True):
    """The clusters in a whole dump."""

    static_clusters: tuple[DynamicCluster, ...] = ()
    dynamic_active_clusters: tuple[DynamicCluster, ...] = ()
    dynamic_warming_clusters: tuple[DynamicCluster, ...] = ()


class LbEndpoint(Part, frozen=True, kw_only=True):
    """One endpoint."""

    health_status: str | int = ""
    """Empty or `UNKNOWN`, `HEALTHY`, `DEGRADED`: it takes requests."""


class LocalityEndpoints(Part, frozen=True, kw_only=True):
    """The endpoints of one locality."""

    lb_endpoints: tuple[LbEndpoint, ...] = ()


class LoadAssignment(Part, frozen=True, kw_only=True):
    """The endpoints of a cluster."""

    cluster_name: str = ""
    endpoints: tuple[LocalityEndpoints, ...] = ()


class EndpointConfig(Part, frozen=True, kw_only=True):
    """The endpoints of a cluster, as a dump holds them."""

    endpoint_config: LoadAssignment = LoadAssignment()


class EndpointsDump(Part, frozen=True, kw_only=True):
    """The endpoints in a whole dump, where it was asked for with `include_eds`."""

    static_endpoint_configs: tuple[EndpointConfig, ...] = ()
    dynamic_endpoint_configs: tuple[EndpointConfig, ...] = ()
