"""Answers of `/config_dump`, written from the configuration that they show."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from istiodoctor.model.envoy_configuration_dump import (
    Alike,
    ConfigurationAnswers,
    decode_configuration,
)
from istiodoctor.model.envoy_dump import EnvoyAnswers, decode_envoy
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading

Json = dict[str, Any]
POD = Ref(CORE, "Pod", "istio-system", "gateway")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADMIN = "type.googleapis.com/envoy.admin.v3"
NETWORK = "type.googleapis.com/envoy.extensions.filters.network"
HTTP = f"{NETWORK}.http_connection_manager.v3.HttpConnectionManager"
TCP = f"{NETWORK}.tcp_proxy.v3.TcpProxy"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


def dump(*parts: Json) -> bytes:
    """Return an answer with these parts."""
    return json.dumps({"configs": parts}, indent=1).encode()


def part(kind: str, **fields: Any) -> Json:
    """Return a part of an answer, by its type: `RoutesConfigDump`."""
    return {"@type": f"{ADMIN}.{kind}", **fields}


def listeners_part(*listeners: Json) -> Json:
    """Return listeners that are open."""
    found = [{"name": each["name"], "active_state": {"listener": each}} for each in listeners]
    return part("ListenersConfigDump", dynamic_listeners=found)


def routes_part(*configurations: Json) -> Json:
    """Return route configurations that RDS sent."""
    found = [{"version_info": "1", "route_config": each} for each in configurations]
    return part("RoutesConfigDump", dynamic_route_configs=found)


def clusters_part(*clusters: Json) -> Json:
    """Return clusters that CDS sent."""
    return part("ClustersConfigDump", dynamic_active_clusters=[{"cluster": c} for c in clusters])


def endpoints_part(**health: Sequence[str]) -> Json:
    """Return the endpoints of clusters, by the health of each."""
    found = [
        {
            "endpoint_config": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"health_status": one} for one in each]}],
            }
        }
        for name, each in health.items()
    ]
    return part("EndpointsConfigDump", dynamic_endpoint_configs=found)


def listener(port: int, *chains: Json, address: str = "0.0.0.0", **fields: Any) -> Json:
    """Return a listener, named as istiod names it."""
    place = {"socket_address": {"address": address, "port_value": port}}
    return {
        "name": f"{address}_{port}",
        "address": place,
        "filter_chains": list(chains),
        **fields,
    }


def http_chain(route_name: str, *names: str, tls: Json | None = None, **fields: Any) -> Json:
    """Return a filter chain that ends in HTTP."""
    manager = {"@type": HTTP, "rds": {"route_config_name": route_name}, **fields}
    chain: Json = {"filters": [{"name": "http", "typed_config": manager}]}
    return _with(chain, names, tls)


def tcp_chain(cluster: str, *names: str, tls: Json | None = None) -> Json:
    """Return a filter chain that passes bytes on."""
    proxy = {"@type": TCP, "cluster": cluster}
    return _with({"filters": [{"name": "tcp", "typed_config": proxy}]}, names, tls)


def _with(chain: Json, names: Iterable[str], tls: Json | None) -> Json:
    if names:
        chain["filter_chain_match"] = {"server_names": list(names)}
    if tls is not None:
        chain["transport_socket"] = {"name": "tls", "typed_config": {"@type": TLS, **tls}}
    return chain


def certificate(*names: str) -> Json:
    """Return the TLS of a chain that asks SDS for certificates."""
    return {
        "common_tls_context": {
            "tls_certificate_sds_secret_configs": [{"name": each} for each in names]
        }
    }


def routes(name: str, *hosts: Json, **fields: Any) -> Json:
    """Return a route configuration."""
    return {"name": name, "virtual_hosts": list(hosts), **fields}


def virtual_host(domain: str, *entries: Json, **fields: Any) -> Json:
    """Return a virtual host of one domain."""
    return {"name": f"{domain}:80", "domains": [domain], "routes": list(entries), **fields}


def noted(kind: str, namespace: str, name: str) -> Json:
    """Return the metadata by which istiod notes what a part was made from."""
    config = f"/apis/networking.istio.io/v1/namespaces/{namespace}/{kind}/{name}"
    return {"filter_metadata": {"istio": {"config": config}}}


def state_of(*parts: Json, pod: Ref = POD) -> Reading:
    """Return the state of an Envoy by its dump."""
    answers = EnvoyAnswers(config_dumps=(dump(*parts),))
    return decode_envoy(pod, taken_at=NOW, answers=answers)


def configuration_of(*parts: Json, pod: Ref = POD) -> Reading:
    """Return the configuration of an Envoy by its dump."""
    answers = ConfigurationAnswers(recorded=(dump(*parts),))
    return decode_configuration(pod, taken_at=NOW, answers=answers, alike=Alike())
