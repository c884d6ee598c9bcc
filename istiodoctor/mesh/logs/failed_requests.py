"""Requests that Envoys of gateways answered with an error of their own, as access logs show."""

from dataclasses import dataclass

from istiodoctor.mesh.configuration.request import without_port
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.logs.proxy_logs import workload_of
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload

OWN_ERRORS = (Meaning.CLUSTER_NOT_FOUND, Meaning.NO_HEALTHY_UPSTREAM, Meaning.UPSTREAM_RESET)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FailedRequest:
    """A request that a gateway answered with an error of its own."""

    workload: Workload
    host: str
    """One that the gateway serves, in lower case and without a port."""
    fact: LogFact


@question(logs=frozenset(OWN_ERRORS))
def failed_requests(mesh: Mesh) -> tuple[FailedRequest, ...]:
    """Return the requests that failed for want of a backend, the oldest first within each kind."""
    return tuple(
        FailedRequest(workload=workload, host=host, fact=fact)
        for fact in log_facts(mesh, *OWN_ERRORS)
        if (host := without_port(fact.host).lower()) and (workload := workload_of(mesh, fact))
        if next(_served_names(mesh, workload).covering(host), False)
    )


@question
def _served_names(mesh: Mesh, workload: Workload) -> HostIndex[bool]:
    servers = servers_by_workload(mesh).get(workload, ())
    return HostIndex((name, True) for each in servers for name in each.names)
