"""The listeners that istiod merges the servers of one workload into, and the servers it drops.

Source: `mergeGateways` (pilot/pkg/model/gateway.go:179-457).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.gateways.listener_faults import FaultyListener, ListenerFault
from istiodoctor.mesh.gateways.servers import PLAIN_HTTP, Server
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.value import Value

CREDENTIAL_FAULTS = frozenset({ListenerFault.INVALID_CERTIFICATE, ListenerFault.INVALID_CLIENT_CA})


class DropReason(StrEnum):
    """Why istiod leaves a server out."""

    DUPLICATE_HOSTS = "duplicate-hosts"
    CONFLICTING_PROTOCOL = "conflicting-protocol"
    DUPLICATE_PORT_NAME = "duplicate-port-name"
    PRIVILEGED_PORT = "privileged-port"
    MISSING_TLS = "missing-tls"
    FAULTY_LISTENER = "faulty-listener"
    """A listener of the Gateway API that istiod refuses: `Dropped.faulty` says why."""
    OUTSIDE_SCOPE = "outside-scope"
    """Of another namespace than its pods, where istiod confines Gateways to that of the pods
    (`PILOT_SCOPE_GATEWAY_TO_NAMESPACE`, push_context.go:2454)."""
    OTHER_REVISION = "other-revision"
    """Its label names another revision than that of the pods' istiod (crdclient/client.go:439)."""
    STRICT_MERGING = "strict-merging"
    """Of another namespace than the Gateway whose pods istiod made (push_context.go:2504)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A server that istiod leaves out on a workload, wholly."""

    server: Server
    workload: Workload
    port: int
    reason: DropReason
    winner: Server | None = None
    """The older server that stands in its way."""
    hosts: tuple[str, ...] = ()
    """The host strings that both have."""
    age_is_known: bool = True
    """Whether creation times decide; without them the order of files does not."""
    faulty: FaultyListener | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listener:
    """One port on which a workload's Envoy listens, with the servers that made it there."""

    workload: Workload
    port: int
    """The port in the pod, not the Service's."""
    bind: str
    servers: tuple[Server, ...]
    """In istiod's order: by the protocol of the oldest server, then by age."""
    dropped: tuple[Dropped, ...] = ()

    @property
    def is_tls(self) -> bool:
        """Whether clients speak TLS here."""
        return any(server.is_tls for server in self.servers)

    @property
    def with_credentials(self) -> tuple[Server, ...]:
        """The servers that want certificates here: those that lack them too."""
        lacking = (
            each.server
            for each in self.dropped
            if each.faulty and each.faulty.fault in CREDENTIAL_FAULTS
        )
        return (*self.servers, *lacking)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MergedGateway:
    """All servers of one workload, merged."""

    listeners: tuple[Listener, ...]
    servers_by_route: Mapping[str, tuple[Server, ...]]
    """The servers that share a route configuration, by its name."""


class Candidate(Value, frozen=True, kw_only=True, eq=False):
    """One server of a workload, before servers are merged."""

    server: Server
    ports: tuple[int, ...]
    """In the pod."""
    are_ports_known: bool = True
    """Whether these are no guess: a Service that was not read may lead elsewhere."""
    faulty: FaultyListener | None = None
    is_outside: bool = False
    """Whether istiod gives its pods no Gateways of its namespace."""
    is_of_other_revision: bool = False
    """Whether the istiod of the workload does not read it."""
    is_excluded: bool = False
    """Whether strict merging leaves it out."""


def route_name(server: Server, port: int) -> str:
    """Return the name of a server's route configuration; empty where it has none.

    Source: `gatewayRDSRouteName` (model/gateway.go:607). `port` is the port in the pod.
    """
    bind = f".{server.bind}" if server.bind else ""
    if server.is_plain_http:
        return f"http.{port}{bind}"
    if server.protocol == "HTTPS" and not server.passes_tls:
        namespace, _, name = server.gateway_name.partition("/")
        return f"https.{server.port}.{server.port_name}.{name}.{namespace}{bind}"
    return ""


def protocol_groups(listener: Listener) -> list[tuple[Server, ...]]:
    """Return the servers of a listener by kind: plain HTTP ones share one filter chain."""
    groups: list[list[Server]] = []
    for server in listener.servers:
        last = groups[-1][-1] if groups else None
        if last is not None and server.protocol in PLAIN_HTTP and last.protocol in PLAIN_HTTP:
            groups[-1].append(server)
        else:
            groups.append([server])
    return [tuple(each) for each in groups]
