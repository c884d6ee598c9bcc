"""Server names that clients write otherwise than TLS asks them to: with a port, or a dot."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.chain_index import tls_server_for
from istiodoctor.mesh.gateways.listeners import listeners
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.logs.clients import gateways_by_pod
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload

_MALFORMED = re.compile(r"(?:invalid:)?(?P<host>[^:_\s]{1,253}?)(?:[:_]\d{1,5}|\.)")
"""`shop.example.com:443`, which Envoys of today log as `invalid:shop.example.com_443`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MalformedSni:
    """Connections that were refused for how they write the name of a host that is served."""

    workload: Workload
    host: str
    facts: tuple[LogFact, ...]


@question
def _tls_listeners(mesh: Mesh) -> Mapping[Workload, tuple[Listener, ...]]:
    found: dict[Workload, list[Listener]] = defaultdict(list)
    for listener in listeners(mesh):
        if listener.is_tls:
            found[listener.workload].append(listener)
    return {workload: tuple(each) for workload, each in found.items()}


@question(logs=[Meaning.FILTER_CHAIN_NOT_FOUND])
def malformed_snis(mesh: Mesh) -> tuple[MalformedSni, ...]:
    """Return what access logs say of refused names that were meant for hosts that are served.

    Capitals make no difference to Envoy.
    """
    found: dict[tuple[Workload, str], list[LogFact]] = defaultdict(list)
    for fact in log_facts(mesh, Meaning.FILTER_CHAIN_NOT_FOUND):
        workload = gateways_by_pod(mesh).get(fact.line.pod) if fact.line.pod else None
        malformed = _MALFORMED.fullmatch(fact.sni)
        if workload and malformed and _is_taken(mesh, workload, malformed["host"].lower()):
            found[workload, malformed["host"].lower()].append(fact)
    return tuple(
        MalformedSni(workload=workload, host=host, facts=tuple(facts))
        for (workload, host), facts in found.items()
    )


def _is_taken(mesh: Mesh, workload: Workload, host: str) -> bool:
    return any(
        tls_server_for(mesh, listener, host) for listener in _tls_listeners(mesh).get(workload, ())
    )
