"""Route configurations as Envoy shows them, as far as they decide an answer.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto
Headers that are added to requests and answers, bodies and retry policies are passed over.
"""

import msgspec

from istiodoctor.model.envoy_matches import FractionalPercent, Match, Number, Regex, StringMatch
from istiodoctor.model.envoy_shapes import Part, Present, Time


class RegexRewrite(Part, frozen=True, kw_only=True):
    """A path that is rewritten by a regular expression."""

    pattern: Regex = Regex()
    substitution: str = ""


class WeightedCluster(Part, frozen=True, kw_only=True):
    """One of several clusters."""

    name: str = ""
    cluster_header: str = ""
    weight: Number = 0


class WeightedClusters(Part, frozen=True, kw_only=True):
    """Several clusters by weight."""

    clusters: tuple[WeightedCluster, ...] = ()


class MirrorPolicy(Part, frozen=True, kw_only=True):
    """A cluster that gets a copy of requests."""

    cluster: str = ""


class RouteAction(Part, frozen=True, kw_only=True):
    """Requests go to a cluster."""

    cluster: str | None = None
    cluster_header: str | None = None
    weighted_clusters: WeightedClusters | None = None
    cluster_specifier_plugin: str | None = None
    inline_cluster_specifier_plugin: Present | None = None
    cluster_not_found_response_code: str | int = "SERVICE_UNAVAILABLE"
    prefix_rewrite: str = ""
    regex_rewrite: RegexRewrite | None = None
    host_rewrite_literal: str = ""
    request_mirror_policies: tuple[MirrorPolicy, ...] = ()


class RedirectAction(Part, frozen=True, kw_only=True):
    """The client is sent elsewhere."""

    https_redirect: bool = False
    scheme_redirect: str = ""
    host_redirect: str = ""
    port_redirect: Number = 0
    path_redirect: str = ""
    prefix_rewrite: str = ""
    regex_rewrite: RegexRewrite | None = None
    response_code: str | int = "MOVED_PERMANENTLY"
    strip_query: bool = False


class DirectResponseAction(Part, frozen=True, kw_only=True):
    """Envoy answers by itself; the body is not read."""

    status: Number = 0


class FaultAbort(Part, frozen=True, kw_only=True):
    """Requests that the fault filter aborts."""

    http_status: Number = 0
    grpc_status: Number | None = None
    percentage: FractionalPercent = FractionalPercent()


class FaultDelay(Part, frozen=True, kw_only=True):
    """Requests that the fault filter delays."""

    percentage: FractionalPercent = FractionalPercent()


class HttpFault(Part, frozen=True, kw_only=True):
    """The settings of the fault filter."""

    abort: FaultAbort | None = None
    delay: FaultDelay | None = None


class CorsPolicy(Part, frozen=True, kw_only=True):
    """The settings of the CORS filter."""

    allow_origin_string_match: tuple[StringMatch, ...] = ()
    forward_not_matching_preflights: bool = True


class FilterSettings(Part, frozen=True, kw_only=True):
    """`typed_per_filter_config`: settings of filters for one route or virtual host."""

    fault: HttpFault | None = msgspec.field(name="envoy.filters.http.fault", default=None)
    cors: CorsPolicy | None = msgspec.field(name="envoy.filters.http.cors", default=None)
    external: Present | None = msgspec.field(name="envoy.filters.http.ext_authz", default=None)
    limit: Present | None = msgspec.field(name="envoy.filters.http.local_ratelimit", default=None)
    lua: Present | None = msgspec.field(name="envoy.filters.http.lua", default=None)


class IstioMetadata(Part, frozen=True, kw_only=True):
    """The `istio` metadata of a route or virtual host: the object that istiod made it from."""

    config: str = ""
    """`/apis/networking.istio.io/v1/namespaces/shop/virtual-service/web`."""


class FilterMetadata(Part, frozen=True, kw_only=True):
    """Filter metadata, by the namespace of the filter."""

    istio: IstioMetadata = IstioMetadata()


class Metadata(Part, frozen=True, kw_only=True):
    """Notes on a part of the configuration."""

    filter_metadata: FilterMetadata = FilterMetadata()


class Route(Part, frozen=True, kw_only=True):
    """One route of a virtual host."""

    name: str = ""
    match: Match = Match()
    route: RouteAction | None = None
    redirect: RedirectAction | None = None
    direct_response: DirectResponseAction | None = None
    metadata: Metadata = Metadata()
    typed_per_filter_config: FilterSettings = FilterSettings()


class VirtualHost(Part, frozen=True, kw_only=True):
    """What Envoy knows under some domains."""

    name: str = ""
    domains: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    require_tls: str | int = "NONE"
    matcher: Present | None = None
    typed_per_filter_config: FilterSettings = FilterSettings()


class RouteConfiguration(Part, frozen=True, kw_only=True):
    """The virtual hosts that HTTP connection managers choose from."""

    name: str = ""
    virtual_hosts: tuple[VirtualHost, ...] = ()
    vhds: Present | None = None
    ignore_port_in_host_matching: bool = False
    typed_per_filter_config: FilterSettings = FilterSettings()


class RouteErrorState(Part, frozen=True, kw_only=True):
    """The version of a route configuration that was refused."""

    details: str = ""
    last_update_attempt: Time | None = None


class DynamicRouteConfig(Part, frozen=True, kw_only=True):
    """A route configuration as a dump holds it, whether RDS sent it or a listener has it."""

    version_info: str = ""
    route_config: RouteConfiguration = RouteConfiguration()
    last_updated: Time | None = None
    error_state: RouteErrorState | None = None


class RoutesDump(Part, frozen=True, kw_only=True):
    """The route configurations in a whole dump."""

    static_route_configs: tuple[DynamicRouteConfig, ...] = ()
    dynamic_route_configs: tuple[DynamicRouteConfig, ...] = ()
