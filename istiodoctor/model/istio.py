"""Istio's networking and security objects (API reference: istio.io/latest/docs/reference)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Condition, Fields, Resource


class TlsMode(StrEnum):
    """`ServerTLSSettings.TLSmode`; the omitted mode is PASSTHROUGH (enum value 0)."""

    PASSTHROUGH = "PASSTHROUGH"
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    AUTO_PASSTHROUGH = "AUTO_PASSTHROUGH"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"
    OPTIONAL_MUTUAL = "OPTIONAL_MUTUAL"


class GatewayPort(Fields, frozen=True, kw_only=True):
    """`Port` of a Gateway server."""

    number: int = 0
    protocol: str = ""
    name: str = ""


class FileCertificate(Fields, frozen=True, kw_only=True):
    """A pair of file paths in the gateway pod."""

    server_certificate: str = ""
    private_key: str = ""


class ServerTls(Fields, frozen=True, kw_only=True):
    """`ServerTLSSettings` of a Gateway server."""

    mode: TlsMode | None = None
    https_redirect: bool = False
    credential_name: str = ""
    credential_names: tuple[str, ...] = ()
    ca_cert_credential_name: str = ""
    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    ca_crl: str = ""
    tls_certificates: tuple[FileCertificate, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
    verify_certificate_spki: tuple[str, ...] = ()
    verify_certificate_hash: tuple[str, ...] = ()
    min_protocol_version: str = ""
    max_protocol_version: str = ""
    cipher_suites: tuple[str, ...] = ()
    ecdh_curves: tuple[str, ...] = ()


class GatewayServer(Fields, frozen=True, kw_only=True):
    """One entry of an Istio Gateway's `servers`."""

    port: GatewayPort = GatewayPort()
    bind: str = ""
    hosts: tuple[str, ...] = ()
    tls: ServerTls | None = None
    name: str = ""


class IstioGatewaySpec(Fields, frozen=True, kw_only=True):
    """`Gateway.spec`."""

    servers: tuple[GatewayServer, ...] = ()
    selector: Mapping[str, str] = msgspec.field(default_factory=dict)


class IstioGateway(Resource, frozen=True, kw_only=True):
    """A `networking.istio.io` Gateway."""

    KIND: ClassVar[Kind] = Kind.ISTIO_GATEWAY
    spec: IstioGatewaySpec = IstioGatewaySpec()


class StringMatch(Fields, frozen=True, kw_only=True):
    """`StringMatch`: at most one field is set; none set means the header must be present."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None


class HttpMatch(Fields, frozen=True, kw_only=True):
    """`HTTPMatchRequest`: all fields must hold."""

    name: str = ""
    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: Mapping[str, StringMatch] = msgspec.field(default_factory=dict)
    without_headers: Mapping[str, StringMatch] = msgspec.field(default_factory=dict)
    query_params: Mapping[str, StringMatch] = msgspec.field(default_factory=dict)
    port: int = 0
    source_labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()
    ignore_uri_case: bool = False


class PortSelector(Fields, frozen=True, kw_only=True):
    """`PortSelector`: a Service port number."""

    number: int = 0


class Destination(Fields, frozen=True, kw_only=True):
    """`Destination` of a route."""

    host: str = ""
    subset: str = ""
    port: PortSelector | None = None


class HeaderOperations(Fields, frozen=True, kw_only=True):
    """`Headers.HeaderOperations`."""

    set: Mapping[str, str] = msgspec.field(default_factory=dict)
    add: Mapping[str, str] = msgspec.field(default_factory=dict)
    remove: tuple[str, ...] = ()


class Headers(Fields, frozen=True, kw_only=True):
    """`Headers`: what is changed of the headers of requests and responses."""

    request: HeaderOperations = HeaderOperations()
    response: HeaderOperations = HeaderOperations()


class RouteDestination(Fields, frozen=True, kw_only=True):
    """A weighted destination of an HTTP, TLS or TCP route."""

    destination: Destination = Destination()
    weight: int = 0
    headers: Headers | None = None


class HttpRedirect(Fields, frozen=True, kw_only=True):
    """`HTTPRedirect`; the default code is 301."""

    uri: str = ""
    prefix_rewrite: str = ""
    authority: str = ""
    port: int = 0
    derive_port: str = ""
    scheme: str = ""
    redirect_code: int = 0


class UriRegexRewrite(Fields, frozen=True, kw_only=True):
    """`RegexRewrite`: an RE2 pattern and what its matches become."""

    match: str = ""
    rewrite: str = ""


class HttpRewrite(Fields, frozen=True, kw_only=True):
    """`HTTPRewrite`: what is changed of a request before it is sent on."""

    uri: str = ""
    authority: str = ""
    uri_regex_rewrite: UriRegexRewrite | None = None


class HttpBody(Fields, frozen=True, kw_only=True):
    """`HTTPBody`: a text, or bytes in base64."""

    string: str = ""
    bytes: str = ""


class HttpDirectResponse(Fields, frozen=True, kw_only=True):
    """`HTTPDirectResponse`: Envoy answers by itself."""

    status: int = 0
    body: HttpBody | None = None


class Percent(Fields, frozen=True, kw_only=True):
    """`Percent`: from 0 to 100."""

    value: float = 0.0


class FaultAbort(Fields, frozen=True, kw_only=True):
    """`HTTPFaultInjection.Abort`; without a percentage it happens to no request."""

    http_status: int | None = None
    grpc_status: str = ""
    percentage: Percent | None = None


class FaultDelay(Fields, frozen=True, kw_only=True):
    """`HTTPFaultInjection.Delay`."""

    fixed_delay: str = ""
    percentage: Percent | None = None
    percent: int = 0


class HttpFault(Fields, frozen=True, kw_only=True):
    """`HTTPFaultInjection`: failures made on purpose."""

    abort: FaultAbort | None = None
    delay: FaultDelay | None = None


class CorsPolicy(Fields, frozen=True, kw_only=True):
    """`CorsPolicy`, as far as it decides which preflight requests Envoy answers."""

    allow_origins: tuple[StringMatch, ...] | None = None
    allow_origin: tuple[str, ...] | None = None
    unmatched_preflights: str = ""


class HttpMirror(Fields, frozen=True, kw_only=True):
    """`HTTPMirrorPolicy`: a copy of each request goes there, its answer is ignored."""

    destination: Destination | None = None
    percentage: Percent | None = None


class HttpRetries(Fields, frozen=True, kw_only=True):
    """`HTTPRetry`; without attempts there is none."""

    attempts: int = 0
    per_try_timeout: str = ""
    backoff: str = ""


class Delegate(Fields, frozen=True, kw_only=True):
    """The VirtualService that holds the rest of a rule."""

    name: str = ""
    namespace: str = ""


class HttpRule(Fields, frozen=True, kw_only=True):
    """`HTTPRoute`: one rule of a VirtualService's `http`."""

    name: str = ""
    match: tuple[HttpMatch, ...] = ()
    route: tuple[RouteDestination, ...] = ()
    redirect: HttpRedirect | None = None
    direct_response: HttpDirectResponse | None = None
    delegate: Delegate | None = None
    mirror: Destination | None = None
    mirrors: tuple[HttpMirror, ...] = ()
    rewrite: HttpRewrite | None = None
    fault: HttpFault | None = None
    cors_policy: CorsPolicy | None = None
    headers: Headers | None = None
    timeout: str = ""
    retries: HttpRetries | None = None


class TlsMatch(Fields, frozen=True, kw_only=True):
    """`TLSMatchAttributes`."""

    sni_hosts: tuple[str, ...] = ()
    port: int = 0
    gateways: tuple[str, ...] = ()
    source_labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    source_namespace: str = ""


class TlsRule(Fields, frozen=True, kw_only=True):
    """`TLSRoute`: one rule of a VirtualService's `tls`."""

    match: tuple[TlsMatch, ...] = ()
    route: tuple[RouteDestination, ...] = ()


class TcpMatch(Fields, frozen=True, kw_only=True):
    """`L4MatchAttributes`."""

    port: int = 0
    gateways: tuple[str, ...] = ()
    source_labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    source_namespace: str = ""


class TcpRule(Fields, frozen=True, kw_only=True):
    """`TCPRoute`: one rule of a VirtualService's `tcp`."""

    match: tuple[TcpMatch, ...] = ()
    route: tuple[RouteDestination, ...] = ()


class VirtualServiceSpec(Fields, frozen=True, kw_only=True):
    """`VirtualService.spec`."""

    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    http: tuple[HttpRule, ...] = ()
    tls: tuple[TlsRule, ...] = ()
    tcp: tuple[TcpRule, ...] = ()
    export_to: tuple[str, ...] = ()


class VirtualService(Resource, frozen=True, kw_only=True):
    """A `networking.istio.io` VirtualService."""

    KIND: ClassVar[Kind] = Kind.VIRTUAL_SERVICE
    spec: VirtualServiceSpec = VirtualServiceSpec()


class ClientTls(Fields, frozen=True, kw_only=True):
    """`ClientTLSSettings` of a DestinationRule."""

    mode: str = ""
    credential_name: str = ""
    client_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    subject_alt_names: tuple[str, ...] = ()
    sni: str = ""
    insecure_skip_verify: bool | None = None


class LoadBalancer(Fields, frozen=True, kw_only=True):
    """`LoadBalancerSettings`, as far as it decides where endpoints come from."""

    simple: str = ""


class HttpPool(Fields, frozen=True, kw_only=True):
    """`HTTPSettings` of a connection pool, as far as they decide which HTTP Envoy speaks."""

    h2_upgrade_policy: str = ""
    use_client_protocol: bool = False


class ConnectionPool(Fields, frozen=True, kw_only=True):
    """`ConnectionPoolSettings`, its part for HTTP."""

    http: HttpPool | None = None


class PortPolicy(Fields, frozen=True, kw_only=True):
    """One entry of `portLevelSettings`."""

    port: PortSelector = PortSelector()
    tls: ClientTls | None = None
    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None


class TrafficPolicy(Fields, frozen=True, kw_only=True):
    """`TrafficPolicy`, as far as it bears on TLS, HTTP/2 and where endpoints come from."""

    tls: ClientTls | None = None
    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    port_level_settings: tuple[PortPolicy, ...] = ()


class Subset(Fields, frozen=True, kw_only=True):
    """A named subset of a Service's endpoints."""

    name: str = ""
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    traffic_policy: TrafficPolicy | None = None


class WorkloadSelector(Fields, frozen=True, kw_only=True):
    """`WorkloadSelector` of policies and DestinationRules."""

    match_labels: Mapping[str, str] = msgspec.field(default_factory=dict)


class DestinationRuleSpec(Fields, frozen=True, kw_only=True):
    """`DestinationRule.spec`."""

    host: str = ""
    traffic_policy: TrafficPolicy | None = None
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ()
    workload_selector: WorkloadSelector | None = None


class DestinationRule(Resource, frozen=True, kw_only=True):
    """A `networking.istio.io` DestinationRule."""

    KIND: ClassVar[Kind] = Kind.DESTINATION_RULE
    spec: DestinationRuleSpec = DestinationRuleSpec()


class ServiceEntryPort(Fields, frozen=True, kw_only=True):
    """A port of a ServiceEntry."""

    number: int = 0
    name: str = ""
    protocol: str = ""
    target_port: int = 0


class WorkloadEntrySpec(Fields, frozen=True, kw_only=True):
    """`WorkloadEntry.spec`, and an entry of a ServiceEntry's `endpoints`."""

    address: str = ""
    ports: Mapping[str, int] = msgspec.field(default_factory=dict)
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    service_account: str = ""


class WorkloadEntryStatus(Fields, frozen=True, kw_only=True):
    """`WorkloadEntry.status`."""

    conditions: tuple[Condition, ...] = ()


class WorkloadEntry(Resource, frozen=True, kw_only=True):
    """A `networking.istio.io` WorkloadEntry: a workload outside of Kubernetes."""

    KIND: ClassVar[Kind] = Kind.WORKLOAD_ENTRY
    spec: WorkloadEntrySpec = WorkloadEntrySpec()
    status: WorkloadEntryStatus = WorkloadEntryStatus()


class ServiceEntrySelector(Fields, frozen=True, kw_only=True):
    """`WorkloadSelector` of a ServiceEntry."""

    labels: Mapping[str, str] = msgspec.field(default_factory=dict)


class ServiceEntrySpec(Fields, frozen=True, kw_only=True):
    """`ServiceEntry.spec`."""

    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ports: tuple[ServiceEntryPort, ...] = ()
    resolution: str = ""
    location: str = ""
    export_to: tuple[str, ...] = ()
    endpoints: tuple[WorkloadEntrySpec, ...] = ()
    workload_selector: ServiceEntrySelector | None = None


class ServiceEntry(Resource, frozen=True, kw_only=True):
    """A `networking.istio.io` ServiceEntry."""

    KIND: ClassVar[Kind] = Kind.SERVICE_ENTRY
    spec: ServiceEntrySpec = ServiceEntrySpec()


class EnvoyFilterSpec(Fields, frozen=True, kw_only=True):
    """`EnvoyFilter.spec`; the patches are opaque Envoy configuration."""

    workload_selector: Any = None
    target_refs: tuple[Any, ...] = ()
    config_patches: tuple[Any, ...] = ()


class EnvoyFilter(Resource, frozen=True, kw_only=True):
    """A `networking.istio.io` EnvoyFilter."""

    KIND: ClassVar[Kind] = Kind.ENVOY_FILTER
    spec: EnvoyFilterSpec = EnvoyFilterSpec()


class TrafficSelector(Fields, frozen=True, kw_only=True):
    """Which connections an extension is for."""

    mode: str = ""
    """`CLIENT`, `SERVER`, `CLIENT_AND_SERVER`; empty for any."""
    ports: tuple[PortSelector, ...] = ()


class WasmPluginSpec(Fields, frozen=True, kw_only=True):
    """`WasmPlugin.spec`, as far as it says what it is for."""

    selector: WorkloadSelector | None = None
    target_ref: Any = None
    target_refs: tuple[Any, ...] = ()
    match: tuple[TrafficSelector, ...] = ()
    type: str = ""
    """`HTTP`, `NETWORK`; empty for HTTP."""


class WasmPlugin(Resource, frozen=True, kw_only=True):
    """An `extensions.istio.io` WasmPlugin."""

    KIND: ClassVar[Kind] = Kind.WASM_PLUGIN
    spec: WasmPluginSpec = WasmPluginSpec()


class WasmExtension(Fields, frozen=True, kw_only=True):
    """`TrafficExtension.spec.wasm`."""

    type: str = ""


class LuaExtension(Fields, frozen=True, kw_only=True):
    """`TrafficExtension.spec.lua`."""


class TrafficExtensionSpec(Fields, frozen=True, kw_only=True):
    """`TrafficExtension.spec`, as far as it says what it is for."""

    selector: WorkloadSelector | None = None
    target_refs: tuple[Any, ...] = ()
    match: tuple[TrafficSelector, ...] = ()
    wasm: WasmExtension | None = None
    lua: LuaExtension | None = None


class TrafficExtension(Resource, frozen=True, kw_only=True):
    """An `extensions.istio.io` TrafficExtension: code that runs within Envoy."""

    KIND: ClassVar[Kind] = Kind.TRAFFIC_EXTENSION
    spec: TrafficExtensionSpec = TrafficExtensionSpec()


class MutualTls(Fields, frozen=True, kw_only=True):
    """`PeerAuthentication.MutualTLS`."""

    mode: str = ""


class PeerAuthenticationSpec(Fields, frozen=True, kw_only=True):
    """`PeerAuthentication.spec`."""

    selector: WorkloadSelector | None = None
    mtls: MutualTls | None = None
    port_level_mtls: Mapping[str, MutualTls] = msgspec.field(default_factory=dict)


class PeerAuthentication(Resource, frozen=True, kw_only=True):
    """A `security.istio.io` PeerAuthentication."""

    KIND: ClassVar[Kind] = Kind.PEER_AUTHENTICATION
    spec: PeerAuthenticationSpec = PeerAuthenticationSpec()
