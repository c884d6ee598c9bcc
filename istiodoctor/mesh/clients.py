"""Clients and proxies that do not tell the gateway which host they want."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.delivery import DeliveryQuestions
from istiodoctor.mesh.listeners import Listener
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import Ingress
from istiodoctor.model.ref import Place, Ref

_NGINX = "nginx.ingress.kubernetes.io/"
_ALB = "alb.ingress.kubernetes.io/"
SNI_ANNOTATION = f"{_NGINX}proxy-ssl-server-name"
_ENCRYPTED = frozenset({"HTTPS", "GRPCS"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SilentProxy:
    """A proxy in front that speaks TLS to a gateway without an SNI."""

    text: str
    """What it is, as the subject of a sentence."""
    place: Place | None
    """Its object; None for one that only the configuration file names."""
    listener: Listener
    hosts: tuple[str, ...]
    """The hosts it leads to, which need an SNI to be reached."""
    is_certain: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unnamed:
    """Connections that came to a gateway without an SNI and were refused."""

    workload: Workload
    facts: tuple[LogFact, ...]


class ClientQuestions(DeliveryQuestions):
    """Connections without a name."""

    @question(
        Kind.INGRESS,
        rests_on=[
            DeliveryQuestions.listeners,
            DeliveryQuestions.server_for,
            DeliveryQuestions.services_of,
        ],
    )
    def silent_proxies(self) -> tuple[SilentProxy, ...]:
        """Return the proxies in front whose TLS to a gateway has no SNI that its hosts need."""
        return tuple(
            silent
            for listener in self.listeners()
            if listener.is_tls and self.server_for(listener, "") is None
            for silent in self._silent(listener)
        )

    def _silent(self, listener: Listener) -> Iterator[SilentProxy]:
        named = [host for server in listener.servers if server.is_tls for host in server.names]
        for proxy in self.facts.front_proxies:
            hosts = tuple(host for host in named if proxy.serves(host))
            if proxy.sends_sni is False and hosts:
                yield SilentProxy(
                    text="The front proxy that the configuration names",
                    place=None,
                    listener=listener,
                    hosts=hosts,
                    is_certain=True,
                )
        for ingress in self._ingresses_before(listener.workload):
            hosts = tuple(
                rule.host
                for rule in ingress.spec.rules
                if rule.host and self.server_for(listener, rule.host)
            )
            place = _omits_sni(ingress)
            if hosts and place:
                yield SilentProxy(
                    text=str(ingress.ref),
                    place=place,
                    listener=listener,
                    hosts=hosts,
                    is_certain=_NGINX.partition("/")[0] in place.path,
                )

    def _ingresses_before(self, workload: Workload) -> Iterator[Ingress]:
        by_service = self._ingresses_by_service()
        for service in self.services_of(workload):
            yield from by_service.get((service.namespace, service.name), ())

    @question(rests_on=[DeliveryQuestions.servers_by_workload])
    def _gateways_by_pod(self) -> Mapping[Ref, Workload]:
        return {pod.ref: each for each in self.servers_by_workload() for pod in each.pods}

    @question(
        rests_on=[DeliveryQuestions.log_facts, _gateways_by_pod],
        logs=[Meaning.FILTER_CHAIN_NOT_FOUND],
    )
    def connections_without_name(self) -> tuple[Unnamed, ...]:
        """Return what access logs say of connections without SNI that no server took."""
        found: dict[Workload, list[LogFact]] = defaultdict(list)
        workloads = self._gateways_by_pod()
        for fact in self.log_facts(Meaning.FILTER_CHAIN_NOT_FOUND):
            workload = workloads.get(fact.line.pod) if fact.line.pod else None
            if workload and not fact.sni and fact.line.message.startswith('"'):
                found[workload].append(fact)
        return tuple(Unnamed(workload=each, facts=tuple(facts)) for each, facts in found.items())


def _omits_sni(ingress: Ingress) -> Place | None:
    """Return the annotation by which an Ingress speaks TLS to its backend without a name."""
    annotations = ingress.metadata.annotations
    for prefix in (_NGINX, _ALB):
        key = f"{prefix}backend-protocol"
        if annotations.get(key, "").upper() not in _ENCRYPTED:
            continue
        if prefix == _NGINX and annotations.get(SNI_ANNOTATION, "").lower() in ("on", "true"):
            continue
        return ingress.at(f"/metadata/annotations/{key.replace('/', '~1')}")
    return None
