"""What istiod sends, made runnable in one Envoy with many others.

Kept as istiod has them: listeners, filter chains and their matches, listener filters that look at
the connection, TLS modes, virtual hosts, routes with their matches, redirects and direct
responses, and the HTTP filters in KEPT_HTTP. Replaced: a route to clusters answers with their
names in a header; a TCP proxy too (where TLS ends before it, through an HTTP answer, else with one
line of text); SDS becomes certificates of our own with the Secret's name as common name, and a
Secret that is not there becomes SDS from a server that never answers. Dropped: what only Istio's
build of Envoy has, logs, tracing.
"""

import json
import re
from dataclasses import dataclass

from tests.conformance import certificates
from tests.conformance.recording.route_tables import (
    KEPT_HTTP,
    clusters_of,
    marked,
    runnable_routes,
)
from tests.conformance.truth import Json

KEPT_LISTENER = frozenset(
    f"envoy.filters.listener.{name}" for name in ("tls_inspector", "http_inspector")
)
HTTP = "envoy.filters.network.http_connection_manager"
TYPE = "type.googleapis.com/envoy."
FILTER = TYPE + "extensions.filters"
HTTP_TYPE = f"{FILTER}.network.http_connection_manager.v3.HttpConnectionManager"
TCP_TYPE = f"{FILTER}.network.tcp_proxy.v3.TcpProxy"
RBAC = "envoy.filters.network.rbac"
TLS_TYPE = TYPE + "extensions.transport_sockets.tls.v3.DownstreamTlsContext"
NOWHERE = "nowhere"
"""A cluster that never answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runnable:
    """One listener as Envoy takes it, and its routes where they are to come apart."""

    listener: Json
    routes: list[Json]
    responders: dict[str, Json]
    """What `responders` is to say, by the name of the cluster that leads there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What istiod sends to one gateway of a scenario."""

    name: str
    """Unique in its Envoy: names of listeners begin with it."""
    sent: Json
    pod_address: str
    secrets: frozenset[str]
    """`NS/NAME` of those that exist."""
    has_routes_apart: bool = False
    """Whether a bad route is to be refused alone, not with the whole listener."""

    @property
    def namespace(self) -> str:
        """The pod's: where it reads Secrets."""
        return str(self.sent["name"]).split("/", maxsplit=1)[0]


def runnable(gateway: Gateway, address: str) -> list[Runnable]:
    """Return the listeners of a gateway, bound to one address."""
    best: dict[int, list[tuple[int, Json]]] = {}
    ranks = {gateway.pod_address: 0, "0.0.0.0": 1, "::": 1}
    for listener in gateway.sent["listeners"] or []:
        bound = listener["address"].get("socketAddress")
        if bound and bound.get("protocol") != "UDP" and bound["address"] in ranks:
            found = best.setdefault(bound["portValue"], [])
            found.append((ranks[bound["address"]], listener))
    return [
        _Maker(gateway, port).listener(address, min(found, key=lambda each: each[0])[1])
        for port, found in best.items()
    ]


class _Maker:
    """Makes one listener."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway, self.port = gateway, port
        self.tables = {each["name"]: each for each in gateway.sent["routes"] or []}
        self.apart: list[Json] = []
        self.responders: dict[str, Json] = {}

    def listener(self, address: str, sent: Json) -> Runnable:
        inspectors = sent.get("listenerFilters", [])
        made = {
            "@type": TYPE + "config.listener.v3.Listener",
            "name": f"{self.gateway.name}|{self.port}",
            "enable_reuse_port": False,
            "address": {"socket_address": {"address": address, "port_value": self.port}},
            "listener_filters": [each for each in inspectors if each["name"] in KEPT_LISTENER],
            "filter_chains": [self._chain(each) for each in sent.get("filterChains", [])],
        }
        for kept in (
            "listenerFiltersTimeout",
            "continueOnListenerFiltersTimeout",
            "perConnectionBufferLimitBytes",
        ):
            if kept in sent:
                made[kept] = sent[kept]
        if sent.get("defaultFilterChain"):
            made["default_filter_chain"] = self._chain(sent["defaultFilterChain"])
        return Runnable(listener=made, routes=self.apart, responders=self.responders)

    def _chain(self, sent: Json) -> Json:
        made: Json = {key: sent[key] for key in ("filterChainMatch", "name") if key in sent}
        is_tls = "transportSocket" in sent
        if is_tls:
            made["transport_socket"] = self._tls(sent["transportSocket"])
        made["filters"] = []
        for each in sent.get("filters", []):
            config = each.get("typedConfig", {})
            if each["name"] == HTTP:
                made["filters"].append({"name": HTTP, "typed_config": self._http(config)})
            elif each["name"] == "envoy.filters.network.tcp_proxy":
                said = {"kind": "tcp", "clusters": clusters_of(config)}
                if is_tls:
                    made["filters"].append(_tcp_behind_tls(said))
                elif made["filters"]:  # they want to see the first bytes
                    made["filters"].append(self._proxied(said))
                else:
                    made["filters"].append(_tcp(said))
            elif each["name"] == RBAC:
                made["filters"].append(each)
        return made

    def _proxied(self, said: Json) -> Json:
        name = f"{self.gateway.name}|{self.port}|{len(self.responders)}"
        self.responders[name] = said
        config = {"@type": TCP_TYPE, "stat_prefix": "x", "cluster": name}
        return {"name": "envoy.filters.network.tcp_proxy", "typed_config": config}

    def _tls(self, socket: Json) -> Json:
        config = socket["typedConfig"]
        if config["@type"] != TLS_TYPE:
            raise ValueError(f"a transport socket of type {config['@type']}")
        common = dict(config["commonTlsContext"])
        validated = [
            common.pop(key, None)
            for key in ("combinedValidationContext", "validationContextSdsSecretConfig")
        ]
        for each in common.pop("tlsCertificateSdsSecretConfigs", []):
            self._serve(common, each["name"])
        if any(validated):
            trusted = {"inline_string": certificates.authority().decode()}
            common["validation_context"] = {"trusted_ca": trusted}
        kept = (
            "requireClientCertificate",
            "disableStatelessSessionResumption",
            "fullScanCertsOnSniMismatch",
        )
        made = {
            "@type": TLS_TYPE,
            "common_tls_context": common,
            **{key: config[key] for key in kept if key in config},
        }
        return {"name": socket["name"], "typed_config": made}

    def _serve(self, common: Json, name: str) -> None:
        """Put in the certificate that a name of SDS stands for, or one that never comes."""
        namespace = self.gateway.namespace
        own = re.match(r"kubernetes://(?:([^/]+)/)?(.+)$", name)
        granted = re.match(r"kubernetes-gateway://([^/]+)/(.+)$", name)
        key = None  # the workload's own
        if granted:
            key = f"{granted[1]}/{granted[2]}"
        elif own:
            key = f"{own[1] or namespace}/{own[2]}"
        is_near = granted or (key or "").split("/", maxsplit=1)[0] == namespace
        if key is None or (key in self.gateway.secrets and is_near):
            certificate, private = certificates.leaf(key or "ISTIO")
            pair = {
                "certificate_chain": {"inline_string": certificate.decode()},
                "private_key": {"inline_string": private.decode()},
            }
            common.setdefault("tls_certificates", []).append(pair)
            return
        common["tls_certificate_sds_secret_configs"] = [_never(name)]
        common.pop("tls_certificates", None)

    def _http(self, config: Json) -> Json:
        dropped = ("accessLog", "tracing", "httpFilters", "rds", "routeConfig")
        made = {
            key: value
            for key, value in config.items()
            if key not in (*dropped, "accessLogOptions")
        }
        made["httpFilters"] = [each for each in config["httpFilters"] if each["name"] in KEPT_HTTP]
        if "rds" not in config:
            table = config.get("routeConfig", {"virtualHosts": []})
            made["routeConfig"] = runnable_routes(table)
            return made
        name = config["rds"]["routeConfigName"]
        table = runnable_routes(self.tables.get(name, {"name": name, "virtualHosts": []}))
        table["name"] = f"{self.gateway.name}|{name}"
        if not self.gateway.has_routes_apart:
            made["routeConfig"] = table
            return made
        self.apart.append(table)
        made["rds"] = {"route_config_name": table["name"]}
        return made


def _tcp(said: Json) -> Json:
    return {
        "name": "direct",
        "typed_config": {
            "@type": f"{FILTER}.network.direct_response.v3.Config",
            "response": {"inline_string": "ORACLE " + json.dumps(said) + "\n"},
        },
    }


def _tcp_behind_tls(said: Json) -> Json:
    """Answer by HTTP: a direct response would close before the handshake ends."""
    route = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200},
        "response_headers_to_add": marked(said),
    }
    host = {"name": "x", "domains": ["*"], "routes": [route]}
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{FILTER}.http.router.v3.Router"},
    }
    return {
        "name": HTTP,
        "typed_config": {
            "@type": HTTP_TYPE,
            "stat_prefix": "x",
            "route_config": {"virtual_hosts": [host]},
            "http_filters": [router],
        },
    }


def _never(name: str) -> Json:
    """Return a Secret from a server that does not answer."""
    source = {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": NOWHERE}}],
    }
    return {
        "name": name,
        "sds_config": {
            "api_config_source": source,
            "initial_fetch_timeout": "1s",
            "resource_api_version": "V3",
        },
    }
