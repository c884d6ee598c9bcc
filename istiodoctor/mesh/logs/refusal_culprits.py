"""Which object Envoy's reason for refusing a listener points to.

Sources: the names that istiod gives (`origins-N`, pilot/pkg/security/authn/policy_applier.go:86,
250; one filter chain for each port of a service on an AUTO_PASSTHROUGH server,
pilot/pkg/networking/core/gateway.go:997), and the names and types that an EnvoyFilter puts in.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from istiodoctor.mesh.configuration.auto_passthrough import services_in_mesh
from istiodoctor.mesh.configuration.envoy_filter_patches import AppliedPatch, received_patches
from istiodoctor.mesh.configuration.envoy_filters import TERMINAL
from istiodoctor.mesh.configuration.registry_service import Registry
from istiodoctor.mesh.configuration.scope import scope_of
from istiodoctor.mesh.configuration.service_registry import (
    exports,
    service_entries_by_host,
    services_of_hostname,
)
from istiodoctor.mesh.configuration.visibility import is_visible
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization_policies import token_rules
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.names import is_subset
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import ServerTls, TlsMode
from istiodoctor.model.ref import Place

MOST_CULPRITS = 5
SHORTEST_PATH = 3
"""Shorter values of a file's field could be found in any reason."""
_WORD = re.compile(r"[\w.|-]+")
_PROVIDER = re.compile(r"\borigins-(?P<index>\d{1,4})\b")
_TYPES = frozenset({"@type", "type_url", "typeUrl"})
_CLUSTERS = frozenset({"cluster", "cluster_name", "clusterName"})
_INVALID = "ValidationError"
"""After the name of a message: `LuaValidationError.InlineCode`."""
_LUA_ERROR = "script load error"
_SAME_MATCH = ("same matching rules", "overlapping matching rules")


@question
def refusal_culprits(
    mesh: Mesh, workload: Workload, port: int | None, reason: str
) -> tuple[Place, ...]:
    """Return what a reason for refusing a listener of a workload points to; empty if unknown."""
    on_port = _servers(mesh, workload, port)
    found = (
        *_of_envoy_filters(received_patches(mesh, workload), reason),
        *_of_tokens(mesh, workload, reason),
        *_of_files(on_port, reason),
        *_repeating(mesh, workload, on_port, reason),
    )
    return tuple(dict.fromkeys(found))[:MOST_CULPRITS]


def _servers(mesh: Mesh, workload: Workload, port: int | None) -> tuple[Server, ...]:
    return tuple(
        server
        for listener in listeners(mesh)
        if listener.workload is workload and listener.port == port
        for server in listener.servers
    )


def _of_envoy_filters(patches: Iterable[AppliedPatch], reason: str) -> Iterator[Place]:
    """Yield the patches that put in a type, filter or cluster of the reason, by its name."""
    words = {word.rstrip(".") for word in _WORD.findall(reason)}
    words |= {word.partition(".")[0] for word in words if _INVALID in word}
    for each in patches:
        names = set(_names(each.value))
        is_lua = _LUA_ERROR in reason and any(".lua." in name for name in names)
        if is_lua or not names.isdisjoint(words):
            yield each.place


def _names(value: Any) -> Iterator[str]:
    """Yield what in a patch a refusal would name: types, their validation, names, clusters."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
            continue
        if not isinstance(part, dict):
            continue
        for key, each in part.items():
            if not isinstance(each, str):
                waiting.append(each)
            elif key in _TYPES:
                name = each.rpartition("/")[2]
                yield from (name, f"{name.rpartition('.')[2]}{_INVALID}")
            elif key in _CLUSTERS or (key == "name" and each not in TERMINAL):
                yield each


def _of_tokens(mesh: Mesh, workload: Workload, reason: str) -> Iterator[Place]:
    """Yield the JWT rule of a provider: istiod numbers those of all objects by their issuers."""
    found = _PROVIDER.search(reason)
    if found is None:
        return
    rules = sorted(
        (
            (rule.issuer, each.at(f"/spec/jwtRules/{index}"))
            for each in token_rules(mesh, workload)
            for index, rule in enumerate(each.spec.jwt_rules)
        ),
        key=lambda each: each[0],
    )
    index = int(found["index"])
    issuers = {rules[index][0]} if index < len(rules) else {issuer for issuer, _ in rules}
    yield from (place for issuer, place in rules if issuer in issuers)


def _of_files(servers: Iterable[Server], reason: str) -> Iterator[Place]:
    """Yield the fields of servers whose file is in the reason."""
    for server in servers:
        tls = server.tls or ServerTls()
        files = {
            "serverCertificate": tls.server_certificate,
            "privateKey": tls.private_key,
            "caCertificates": tls.ca_certificates,
        }
        for field, path in files.items():
            if len(path) >= SHORTEST_PATH and path in reason:
                yield server.field(f"/tls/{field}")


def _repeating(
    mesh: Mesh, workload: Workload, servers: Iterable[Server], reason: str
) -> Iterator[Place]:
    """Yield the ServiceEntries that repeat a host and port of which there is a chain already."""
    if not any(each in reason for each in _SAME_MATCH):
        return
    patterns = {
        name
        for server in servers
        if server.mode is TlsMode.AUTO_PASSTHROUGH
        for name in server.names or ("*",)
    }
    scope = scope_of(mesh, workload)
    in_mesh = {each.hostname for each in services_in_mesh(mesh, scope)} if patterns else set()
    for host in service_entries_by_host(mesh) if patterns else ():
        if host not in in_mesh or not any(is_subset(host, each) for each in patterns):
            continue
        seen: set[int] = set()
        same = [
            each
            for each in services_of_hostname(mesh, scope, host)
            if is_visible(exports(each, scope), each.namespace, scope.namespace)
        ]
        for each in sorted(same, key=lambda one: one.registry is not Registry.KUBERNETES):
            ports = {port.number for port in each.clustered_ports}
            if seen & ports:
                yield Place(each.ref, "/spec/hosts")
            seen |= ports
