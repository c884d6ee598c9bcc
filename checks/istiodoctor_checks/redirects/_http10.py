"""HTTP/1.0 before a gateway: what the logs show of it, and what the user says."""

from collections import defaultdict
from dataclasses import dataclass

from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.hosts import HostIndex, meet
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.logs.proxy_logs import workload_of
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import control_plane_of
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Ref

HTTP10 = "1.0"
ACCEPTED_FLAG = "PILOT_HTTP10"
"""Makes istiod configure gateways that accept HTTP/1.0."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObsoleteHttp:
    """Requests in HTTP/1.0 that a gateway refuses."""

    owner: Ref
    """The gateway workload, or a pod of one that is gone."""
    hosts: tuple[str, ...]
    facts: tuple[LogFact, ...] = ()
    """Lines of the access log, oldest first; none when only the user says so."""
    is_served: bool = False
    """Whether the gateway serves the host: others are asked for by scanners."""


@question(logs=[Meaning.HTTP10_REJECTED])
def obsolete_requests(mesh: Mesh) -> tuple[ObsoleteHttp, ...]:
    """Return the requests that logs say were refused, by gateway and host."""
    found: dict[tuple[Ref, str], list[LogFact]] = defaultdict(list)
    served: dict[tuple[Ref, str], bool] = {}
    for fact in log_facts(mesh, Meaning.HTTP10_REJECTED):
        workload = workload_of(mesh, fact)
        host = fact.host.partition(":")[0].lower()
        key = (workload.owner if workload else fact.line.pod, host)
        found[key].append(fact)
        served[key] = bool(workload and host) and _serves(mesh, workload, host)
    return tuple(
        ObsoleteHttp(
            owner=owner,
            hosts=(host,) if host else (),
            facts=tuple(facts),
            is_served=served[owner, host],
        )
        for (owner, host), facts in found.items()
    )


@question
def _named_hosts(mesh: Mesh, workload: Workload) -> HostIndex[str]:
    """Return the hosts that a gateway's servers name; `*` names none."""
    return HostIndex(
        (name, name)
        for server in servers_by_workload(mesh).get(workload, ())
        for name in server.names
        if name != "*"
    )


def _serves(mesh: Mesh, workload: Workload | None, host: str) -> bool:
    return workload is not None and any(_named_hosts(mesh, workload).covering(host))


@question
def obsolete_proxies(mesh: Mesh) -> tuple[ObsoleteHttp, ...]:
    """Return the gateways before which the user says a proxy speaks HTTP/1.0."""
    return tuple(
        ObsoleteHttp(owner=workload.owner, hosts=hosts, is_served=True)
        for proxy in mesh.facts.front_proxies
        if proxy.http_version == HTTP10
        for workload, servers in servers_by_workload(mesh).items()
        if not _accepts_http10(mesh, workload)
        if (
            hosts := tuple(
                dict.fromkeys(
                    shared
                    for server in servers
                    for name in server.names
                    for pattern in proxy.hosts
                    if (shared := meet(pattern, name)) is not None
                )
            )
        )
    )


def _accepts_http10(mesh: Mesh, workload: Workload) -> bool:
    plane = control_plane_of(mesh, workload)
    return plane is not None and any(
        container.environment(ACCEPTED_FLAG) in ("1", "true")
        for container in plane.workload.spec.containers
    )
