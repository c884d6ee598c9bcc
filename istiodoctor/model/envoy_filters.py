"""The filters at the end of a filter chain, as far as they decide what becomes of a connection.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto
https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto
"""

from istiodoctor.model.envoy_matches import Number
from istiodoctor.model.envoy_routes import RouteConfiguration, WeightedClusters
from istiodoctor.model.envoy_shapes import Part, Present


class Rds(Part, frozen=True, kw_only=True):
    """The name of the route configuration that RDS is asked for."""

    route_config_name: str = ""


class HttpFilter(Part, frozen=True, kw_only=True):
    """A filter that requests go through."""

    name: str = ""
    disabled: bool = False


class HttpProtocol(Part, frozen=True, kw_only=True):
    """`Http1ProtocolOptions`: what Envoy accepts of HTTP/1."""

    accept_http_10: bool = False


class CommonProtocol(Part, frozen=True, kw_only=True):
    """`HttpProtocolOptions`: limits for every version of HTTP."""

    headers_with_underscores_action: str | int = ""


class Upgrade(Part, frozen=True, kw_only=True):
    """A protocol that a request may change to."""

    upgrade_type: str = ""
    enabled: bool = True


class HttpConnectionManager(Part, frozen=True, kw_only=True):
    """A filter that speaks HTTP."""

    rds: Rds | None = None
    route_config: RouteConfiguration | None = None
    scoped_routes: Present | None = None
    http_filters: tuple[HttpFilter, ...] = ()
    http_protocol_options: HttpProtocol = HttpProtocol()
    common_http_protocol_options: CommonProtocol = CommonProtocol()
    use_remote_address: bool = False
    xff_num_trusted_hops: Number = 0
    normalize_path: bool = False
    merge_slashes: bool = False
    path_with_escaped_slashes_action: str | int = ""
    upgrade_configs: tuple[Upgrade, ...] = ()


class TcpProxy(Part, frozen=True, kw_only=True):
    """A filter that passes bytes on."""

    cluster: str = ""
    weighted_clusters: WeightedClusters | None = None
