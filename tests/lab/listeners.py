"""Listeners as Istio makes them for a gateway: TLS by SNI, routes for each server, redirects."""

from collections.abc import Sequence
from typing import Any

from tests.lab.envoy import Envoy
from tests.lab.resources import TYPES, Address, Resource, address, typed
from tests.lab.sds import AUTHORITY

PLAIN_PORT, TLS_PORT = 8080, 8443
ACCESS_LOG = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" '
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% '
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)
"""Istio's default format."""


def plain_listener(
    envoy: Envoy,
    hosts: Sequence[Resource],
    *,
    trusted_hops: int = 0,
    also_at: Sequence[Address] = (),
    rds: Resource | None = None,
) -> Resource:
    """Return the listener of plain HTTP servers, at further addresses if any are given.

    `rds` says where it asks for its routes, if they do not stand in it.
    """
    chain = {"filters": [_http(f"http.{PLAIN_PORT}", hosts, trusted_hops, rds)]}
    return _listener(envoy, PLAIN_PORT, [chain], also_at)


def tls_listener(envoy: Envoy, *chains: Resource, also_at: Sequence[Address] = ()) -> Resource:
    """Return the listener of HTTPS servers: `terminated` and `passed_through`."""
    inspector = typed(
        "filters.listener.tls_inspector",
        "extensions.filters.listener.tls_inspector.v3.TlsInspector",
    )
    return {**_listener(envoy, TLS_PORT, chains, also_at), "listener_filters": [inspector]}


def terminated(
    envoy: Envoy,
    host: str,
    secret: str,
    hosts: Sequence[Resource] = (),
    *,
    mutual: bool = False,
    trusted_hops: int = 0,
    routes: str = "",
) -> Resource:
    """Return the filter chain of a server that ends TLS, with the routes of this server only.

    `routes` is the name of their configuration, one for each host where it is empty. `mutual`
    requires certificates of clients, by the authority of the Secret beside its own.
    """
    context: dict[str, Any] = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [envoy.secrets.config(secret)],
    }
    if mutual:
        authority = envoy.secrets.config(secret + AUTHORITY)
        context["combined_validation_context"] = {
            "default_validation_context": {},
            "validation_context_sds_secret_config": authority,
        }
    socket = typed(
        "transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context=context,
        require_client_certificate=mutual,
    )
    return {
        "filter_chain_match": {"server_names": [host]},
        "filters": [_http(routes or f"https.{host}", hosts, trusted_hops)],
        "transport_socket": socket,
    }


def passed_through(host: str, cluster: str) -> Resource:
    """Return the filter chain of a PASSTHROUGH server with its backend."""
    proxy = typed(
        "filters.network.tcp_proxy",
        "extensions.filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=cluster,
        cluster=cluster,
        access_log=[_access_log()],
    )
    return {"filter_chain_match": {"server_names": [host]}, "filters": [proxy]}


def virtual_host(
    name: str, *, redirects: bool = False, cluster: str = "", to_itself: bool = False
) -> Resource:
    """Return a virtual host: `redirects` as httpsRedirect does, else to a cluster or with 200."""
    action: Resource = {"direct_response": {"status": 200}}
    if cluster:
        action = {"route": {"cluster": cluster}}
    if to_itself:
        action = {"redirect": {"https_redirect": True}}
    made: Resource = {
        "name": f"{name}:80",
        "domains": [name, f"{name}:*"],
        "routes": [{"match": {"prefix": "/"}, **action}],
    }
    return {**made, "require_tls": "ALL"} if redirects else made


def blackhole() -> Resource:
    """Return what Istio makes of a server that no VirtualService is bound to."""
    nothing = {"match": {"prefix": "/"}, "direct_response": {"status": 404}}
    return {"name": "blackhole:80", "domains": ["*"], "routes": [nothing]}


def _listener(
    envoy: Envoy, port: int, chains: Sequence[Resource], also_at: Sequence[Address]
) -> Resource:
    return {
        "@type": f"{TYPES}.config.listener.v3.Listener",
        "name": f"0.0.0.0_{port}",
        "address": address(port, envoy.address),
        "additional_addresses": [{"address": address(port, host)} for host, port in also_at],
        "filter_chains": list(chains),
        "access_log": [_access_log(only="NR")],
    }


def _http(
    name: str, hosts: Sequence[Resource], trusted_hops: int, rds: Resource | None = None
) -> Resource:
    routes = {"rds": rds} if rds else {"route_config": {"name": name, "virtual_hosts": [*hosts]}}
    router = typed("filters.http.router", "extensions.filters.http.router.v3.Router")
    return typed(
        "filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="gateway",
        server_name="istio-envoy",
        use_remote_address=True,
        xff_num_trusted_hops=trusted_hops,
        **routes,
        http_filters=[router],
        access_log=[_access_log()],
    )


def _access_log(only: str = "") -> Resource:
    log = typed(
        "access_loggers.file",
        "extensions.access_loggers.file.v3.FileAccessLog",
        path="/dev/stdout",
        log_format={"text_format_source": {"inline_string": ACCESS_LOG}},
    )
    return {**log, "filter": {"response_flag_filter": {"flags": [only]}}} if only else log
