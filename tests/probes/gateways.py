"""Listeners of a real Envoy as Istio makes them for a gateway: TLS by SNI, routes, redirects."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from tests.support.certificates import Authority
from tests.support.envoys import TYPES, Envoy, free_port

Resource = dict[str, Any]


def plain_listener(
    hosts: Sequence[Resource], *, trusted_hops: int = 0, port: int | None = None
) -> Resource:
    """Return the listener of plain HTTP servers."""
    return {
        "@type": f"{TYPES}.config.listener.v3.Listener",
        "name": "0.0.0.0_8080",
        "address": _address(port or free_port()),
        "filter_chains": [{"filters": [_http(hosts, trusted_hops)]}],
    }


def tls_listener(
    envoy: Envoy,
    secrets: Mapping[str, str],
    hosts: Sequence[Resource],
    *,
    client_authority: Authority | None = None,
    passthrough: Mapping[str, str] | None = None,
) -> Resource:
    """Return the listener of HTTPS servers: hosts with their SDS names, and the routes of all.

    `passthrough` gives hosts with the cluster that speaks TLS itself.
    """
    made = deepcopy(dict(envoy.listener("0.0.0.0_8443", secrets)))
    for chain in made["filter_chains"]:
        chain["filters"] = [_http(hosts, 0)]
        config = chain["transport_socket"]["typed_config"]
        config["common_tls_context"]["alpn_protocols"] = ["h2", "http/1.1"]
        if client_authority:
            config["require_client_certificate"] = True
            trusted = {"inline_string": client_authority.root_pem}
            config["common_tls_context"]["validation_context"] = {"trusted_ca": trusted}
    for host, cluster in (passthrough or {}).items():
        made["filter_chains"].append(
            {
                "filter_chain_match": {"server_names": [host]},
                "filters": [
                    {
                        "name": "envoy.filters.network.tcp_proxy",
                        "typed_config": {
                            "@type": f"{TYPES}.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                            "stat_prefix": "passthrough",
                            "cluster": cluster,
                        },
                    }
                ],
            }
        )
    return made


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
    return made | ({"require_tls": "ALL"} if redirects else {})


def backend(name: str, port: int) -> Resource:
    """Return a cluster with one endpoint on loopback."""
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def port_of(listener: Mapping[str, Any]) -> int:
    """Return where a listener listens."""
    port: int = listener["address"]["socket_address"]["port_value"]
    return port


def _http(hosts: Sequence[Resource], trusted_hops: int) -> Resource:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{TYPES}.extensions.filters.http.router.v3.Router"},
    }
    kind = "filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{TYPES}.extensions.{kind}",
            "stat_prefix": "gateway",
            "server_name": "istio-envoy",
            "use_remote_address": True,
            "xff_num_trusted_hops": trusted_hops,
            "route_config": {"name": "http", "virtual_hosts": list(hosts)},
            "http_filters": [router],
        },
    }


def _address(port: int) -> Resource:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
