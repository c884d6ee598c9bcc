"""Server names that clients write otherwise than TLS asks them to: with a port, or a dot."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from istiodoctor.mesh.clients import ClientQuestions
from istiodoctor.mesh.listeners import Listener
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.workloads import Workload

_ODD = re.compile(r"(?:invalid:)?(?P<host>[^:_\s]{1,253}?)(?:[:_]\d{1,5}|\.)")
"""`shop.example.com:443`, which Envoys of today log as `invalid:shop.example.com_443`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OddName:
    """Connections that were refused for how they write the name of a host that is served."""

    workload: Workload
    host: str
    facts: tuple[LogFact, ...]


class OddNameQuestions(ClientQuestions):
    """Names that differ from a host by their spelling alone."""

    @question(rests_on=[ClientQuestions.listeners])
    def _tls_listeners(self) -> Mapping[Workload, tuple[Listener, ...]]:
        found: dict[Workload, list[Listener]] = defaultdict(list)
        for listener in self.listeners():
            if listener.is_tls:
                found[listener.workload].append(listener)
        return {workload: tuple(each) for workload, each in found.items()}

    @question(
        rests_on=[
            ClientQuestions.log_facts,
            ClientQuestions._gateways_by_pod,
            ClientQuestions.server_for,
            _tls_listeners,
        ],
        logs=[Meaning.FILTER_CHAIN_NOT_FOUND],
    )
    def odd_names(self) -> tuple[OddName, ...]:
        """Return what access logs say of refused names that were meant for hosts that are served.

        Capitals make no difference to Envoy.
        """
        found: dict[tuple[Workload, str], list[LogFact]] = defaultdict(list)
        for fact in self.log_facts(Meaning.FILTER_CHAIN_NOT_FOUND):
            workload = self._gateways_by_pod().get(fact.line.pod) if fact.line.pod else None
            odd = _ODD.fullmatch(fact.sni)
            if workload and odd and self._is_taken(workload, odd["host"].lower()):
                found[workload, odd["host"].lower()].append(fact)
        return tuple(
            OddName(workload=workload, host=host, facts=tuple(facts))
            for (workload, host), facts in found.items()
        )

    def _is_taken(self, workload: Workload, host: str) -> bool:
        servers = (
            self.server_for(listener, host) for listener in self._tls_listeners().get(workload, ())
        )
        return any(server is not None and server.is_tls for server in servers)
