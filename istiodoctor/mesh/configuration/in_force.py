"""The configuration that answers now: Envoy's own where it was just read, else the expected one.

Else what istiod would send. What is held says what is answered, and what is expected says why:
parts that are equal are those of the objects, so that they name what to change.
"""

from msgspec.structs import replace

from istiodoctor.mesh.configuration.cluster import Cluster
from istiodoctor.mesh.configuration.clusters import cluster
from istiodoctor.mesh.configuration.differences import differences_of_chains, what_it_takes
from istiodoctor.mesh.configuration.filter_chain_match import FilterChainIndex
from istiodoctor.mesh.configuration.held_by_envoy import (
    envoy_configurations,
    envoys_by_pod,
    held_cluster_named,
    held_domains,
    held_host,
    held_listeners,
    holds,
)
from istiodoctor.mesh.configuration.listener import FilterChain, Listener
from istiodoctor.mesh.configuration.listener_addresses import own_addresses, reached_listener
from istiodoctor.mesh.configuration.listeners import listener_at, listeners_by_port
from istiodoctor.mesh.configuration.route import Route, VirtualHost
from istiodoctor.mesh.configuration.route_differences import (
    differences_of_hosts,
    is_same_match,
    is_same_route,
)
from istiodoctor.mesh.configuration.virtual_host_match import DomainIndex
from istiodoctor.mesh.configuration.virtual_hosts import domain_index, domains, virtual_host
from istiodoctor.mesh.grace_times import COMPARABLE_WITHIN
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload, pod_is_ready
from istiodoctor.model.envoy_configuration import Section
from istiodoctor.model.ref import Ref

READ = (envoys_by_pod, envoy_configurations, held_listeners, held_domains, held_host, holds)
"""What is read of Envoys: evidence, without which the objects alone decide."""


@question(evidence=READ)
def asked_pods(mesh: Mesh, workload: Workload) -> tuple[Ref, ...]:
    """Return the ready pods whose Envoys were asked just now for all that answers requests."""
    return tuple(
        pod.ref
        for pod in workload.pods
        if pod_is_ready(pod)
        and (state := envoys_by_pod(mesh).get(pod.ref)) is not None
        and (held := envoy_configurations(mesh).get(pod.ref)) is not None
        and held_listeners(mesh, pod.ref) is not None
        and holds(mesh, pod.ref, Section.ROUTES)
        and holds(mesh, pod.ref, Section.CLUSTERS)
        and max(abs(each.taken_at - mesh.taken_at) for each in (state, held)) <= COMPARABLE_WITHIN
    )


@question(evidence=READ)
def listener_in_force(mesh: Mesh, workload: Workload, port: int) -> Listener | None:
    """Return the listener that takes a connection to the pods' own address now."""
    expected = listener_at(mesh, workload, port)
    pods = asked_pods(mesh, workload)
    if not pods:
        return expected
    found = [_held_listener(mesh, workload, pod, port) for pod in pods]
    first = found[0]
    unlike = next((i for i, each in enumerate(found) if not _are_alike(first, each)), None)
    if unlike is not None:
        shown = first or found[unlike]
        words = _disagreement(pods[0], pods[unlike], f"port {port}")
        return replace(shown, unknown_because=words) if shown else None
    return _explained(first, expected) if first else None


@question(evidence=READ)
def ports_in_force(mesh: Mesh, workload: Workload) -> tuple[int, ...]:
    """Return the ports of the pods on which some Envoy listens now."""
    pods = asked_pods(mesh, workload)
    if not pods:
        return tuple(sorted(listeners_by_port(mesh, workload)))
    found = {
        each.port
        for pod in pods
        for each in held_listeners(mesh, pod) or ()
        if _held_listener(mesh, workload, pod, each.port)
    }
    return tuple(sorted(found))


def _held_listener(mesh: Mesh, workload: Workload, pod: Ref, port: int) -> Listener | None:
    found = [each for each in held_listeners(mesh, pod) or () if each.port == port]
    pods = tuple(each for each in workload.pods if each.ref == pod)
    return reached_listener(found, own_addresses(pods))


def _are_alike(one: Listener | None, other: Listener | None) -> bool:
    if one is None or other is None:
        return one is other
    if bool(one.refused) != bool(other.refused):
        return False
    return not any(differences_of_chains("", one.filter_chains, other.filter_chains))


def _explained(held: Listener, expected: Listener | None) -> Listener:
    """Return a listener with the servers that its parts were made of."""
    if expected is None:
        return held
    chains = {what_it_takes(each): each for each in expected.filter_chains}
    refused = held.refused
    if refused and expected.refused:
        refused = replace(refused, made_by=expected.refused.made_by, names=expected.refused.names)
    return replace(
        held,
        filter_chains=tuple(
            _explained_chain(each, chains.get(what_it_takes(each))) for each in held.filter_chains
        ),
        servers=expected.servers,
        refused=refused,
    )


def _explained_chain(held: FilterChain, expected: FilterChain | None) -> FilterChain:
    if expected is None:
        return held
    return replace(
        held, server=expected.server, made_by=expected.made_by, passes_tls=expected.passes_tls
    )


@question
def chains_in_force(mesh: Mesh, workload: Workload, port: int) -> FilterChainIndex:
    """Return the filter chains that a connection to a port of the pods can take now."""
    listener = listener_in_force(mesh, workload, port)
    return FilterChainIndex(listener.filter_chains if listener else ())


@question(evidence=READ)
def domains_in_force(mesh: Mesh, workload: Workload, route_name: str) -> DomainIndex[str]:
    """Return the domains that a request's Host is looked for in now.

    Those of every pod that was asked: one that only some have is in doubt.
    """
    pods = asked_pods(mesh, workload)
    if not pods:
        return domain_index(mesh, workload, route_name)
    names = dict.fromkeys(
        name for pod in pods for name in held_domains(mesh, pod, route_name) or ()
    )
    return DomainIndex((each, each) for each in names)


@question(evidence=READ)
def virtual_host_in_force(
    mesh: Mesh, workload: Workload, route_name: str, domain: str
) -> VirtualHost:
    """Return the virtual host of a domain that `domains_in_force` has."""
    expected = None
    if domain in domains(mesh, workload, route_name):
        expected = virtual_host(mesh, workload, route_name, domain)
    pods = asked_pods(mesh, workload)
    found = [held_host(mesh, pod, route_name, domain) for pod in pods]
    held = next((each for each in found if each is not None), None)
    if held is None:
        return expected or VirtualHost(name=domain, domains=(domain,), routes=())
    for pod, each in zip(pods, found, strict=True):
        if each is None or any(differences_of_hosts("", held, each)):
            words = _disagreement(pods[found.index(held)], pod, f"{domain} in {route_name}")
            return replace(held, unknown_because=words)
    if expected is None:
        return held
    if not any(differences_of_hosts("", expected, held)):
        return expected
    return replace(
        held,
        routes=tuple(_explained_route(each, expected) for each in held.routes),
        redirected_by=expected.redirected_by if held.require_tls else None,
    )


def _explained_route(held: Route, expected: VirtualHost) -> Route:
    """Return the route of the objects that is the same, else the held one by its condition."""
    for each in expected.routes:
        if is_same_match(each.match, held.match):
            if is_same_route(each, held):
                return each
            return replace(held, match=each.match, made_by=each.made_by, owner=each.owner)
    return held


@question(evidence=(*READ, held_cluster_named))
def cluster_in_force(mesh: Mesh, workload: Workload, name: str) -> Cluster:
    """Return a cluster as the pods that were asked have it; the one with the least of them."""
    expected = cluster(mesh, workload, name)
    found = [
        held
        for pod in asked_pods(mesh, workload)
        if (held := held_cluster_named(mesh, pod, name)) is not None
    ]
    if not found:
        return expected
    held = min(found, key=lambda each: each.endpoints if each.endpoints is not None else -1)
    if held.state is expected.state:
        return replace(expected, endpoints=held.endpoints)
    return replace(
        held,
        service=held.service or expected.service,
        made_by=held.made_by or expected.made_by,
    )


def _disagreement(one: Ref, other: Ref, what: str) -> str:
    first, second = sorted((one, other))
    return f"Envoy in {first} and in {second} hold different configuration of {what}"
