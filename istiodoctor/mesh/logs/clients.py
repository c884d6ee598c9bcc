"""Clients and proxies that connect to a gateway without an SNI."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.chain_index import tls_server_for
from istiodoctor.mesh.exposure.front_proxies import encrypting_annotation, ingresses_by_service
from istiodoctor.mesh.gateways.listeners import listeners, servers_by_workload
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.service_ports import services_of, target_port
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ingress import Ingress
from istiodoctor.model.kind import Kind
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


@question(Kind.INGRESS)
def silent_proxies(mesh: Mesh) -> tuple[SilentProxy, ...]:
    """Return the proxies in front whose TLS to a gateway has no SNI that its hosts need."""
    return tuple(
        silent
        for listener in listeners(mesh)
        if listener.is_tls and tls_server_for(mesh, listener, "") is None
        for silent in _silent(mesh, listener)
    )


def _silent(mesh: Mesh, listener: Listener) -> Iterator[SilentProxy]:
    named = [host for server in listener.servers if server.is_tls for host in server.names]
    for proxy in mesh.facts.front_proxies:
        hosts = tuple(host for host in named if proxy.serves(host))
        if proxy.sends_sni is False and hosts:
            yield SilentProxy(
                text="The front proxy that the configuration names",
                place=None,
                listener=listener,
                hosts=hosts,
                is_certain=True,
            )
    for service in services_of(mesh, listener.workload):
        for port in service.spec.ports:
            annotation = encrypting_annotation(service, port)
            if annotation and named and target_port(port, listener.workload) == listener.port:
                yield SilentProxy(
                    text=f"The load balancer of {service.ref}",
                    place=service.at(f"/metadata/annotations/{annotation.replace('/', '~1')}"),
                    listener=listener,
                    hosts=tuple(dict.fromkeys(named)),
                    is_certain=False,
                )
    for ingress in _ingresses_before(mesh, listener.workload):
        hosts = tuple(
            rule.host
            for rule in ingress.spec.rules
            if rule.host and tls_server_for(mesh, listener, rule.host)
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


def _ingresses_before(mesh: Mesh, workload: Workload) -> Iterator[Ingress]:
    by_service = ingresses_by_service(mesh)
    for service in services_of(mesh, workload):
        yield from by_service.get((service.namespace, service.name), ())


@question
def gateways_by_pod(mesh: Mesh) -> Mapping[Ref, Workload]:
    """Return the gateway workload of each pod."""
    return {pod.ref: each for each in servers_by_workload(mesh) for pod in each.pods}


@question(logs=[Meaning.FILTER_CHAIN_NOT_FOUND])
def connections_without_name(mesh: Mesh) -> tuple[Unnamed, ...]:
    """Return what access logs say of connections without SNI that no server took."""
    found: dict[Workload, list[LogFact]] = defaultdict(list)
    workloads = gateways_by_pod(mesh)
    for fact in log_facts(mesh, Meaning.FILTER_CHAIN_NOT_FOUND):
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
