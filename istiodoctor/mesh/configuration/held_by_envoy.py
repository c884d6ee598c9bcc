"""The configuration in the Envoy of a pod, in the types of the expected configuration."""

from collections.abc import Mapping

from istiodoctor.mesh.configuration.cluster import Cluster
from istiodoctor.mesh.configuration.dumped_clusters import absent_cluster, held_cluster
from istiodoctor.mesh.configuration.dumped_listeners import held_listener
from istiodoctor.mesh.configuration.dumped_routes import held_routes, held_virtual_host
from istiodoctor.mesh.configuration.listener import Listener
from istiodoctor.mesh.configuration.route import RouteConfiguration, VirtualHost
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.envoy import EnvoyState
from istiodoctor.model.envoy_configuration import EnvoyConfiguration, Section
from istiodoctor.model.envoy_routes import RouteConfiguration as RouteConfigurationOfEnvoy
from istiodoctor.model.envoy_routes import VirtualHost as VirtualHostOfEnvoy
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref


@question(Kind.ENVOY)
def envoys_by_pod(mesh: Mesh) -> Mapping[Ref, EnvoyState]:
    """Return the state of every Envoy that was asked, by its pod."""
    return {each.pod: each for each in mesh.snapshot.envoys}


@question(Kind.ENVOY_CONFIGURATION)
def envoy_configurations(mesh: Mesh) -> Mapping[Ref, EnvoyConfiguration]:
    """Return the routes and clusters of every Envoy that was asked for them, by its pod."""
    return mesh.snapshot.envoy_configurations


@question
def held_listeners(mesh: Mesh, pod: Ref) -> tuple[Listener, ...] | None:
    """Return the listeners that LDS sent to the Envoy of a pod; None where they were not read.

    Those without filter chains are its own, for health and figures.
    """
    state = envoys_by_pod(mesh).get(pod)
    if state is None or not state.knows_listeners:
        return None
    return tuple(
        held_listener(each) for each in state.listeners if each.filter_chains or each.error
    )


@question
def held_route_configuration(mesh: Mesh, pod: Ref, name: str) -> RouteConfiguration | None:
    """Return a route configuration that the Envoy of a pod has, by its name.

    None where it has none of that name, or where it was not read: `holds` says which.
    """
    written = _routes_as_written(mesh, pod, name)
    return held_routes(written, pod) if written else None


@question
def held_domains(mesh: Mesh, pod: Ref, name: str) -> Mapping[str, VirtualHostOfEnvoy] | None:
    """Return the domains of a route configuration that the Envoy of a pod has.

    Where istiod has no routes at all it makes a virtual host without any (core/gateway.go:565):
    that is none. None where there is no such route configuration, or where it was not read.
    """
    written = _routes_as_written(mesh, pod, name)
    if written is None:
        return None
    return {
        domain.lower(): host
        for host in written.virtual_hosts
        if host.routes or host.domains != ("*",) or str(host.require_tls) != "NONE"
        for domain in host.domains
    }


@question
def held_host(mesh: Mesh, pod: Ref, name: str, domain: str) -> VirtualHost | None:
    """Return the virtual host of a domain that `held_domains` has."""
    written, domains = _routes_as_written(mesh, pod, name), held_domains(mesh, pod, name)
    if written is None or domains is None or domain not in domains:
        return None
    return held_virtual_host(domains[domain], written, pod)


def _routes_as_written(mesh: Mesh, pod: Ref, name: str) -> RouteConfigurationOfEnvoy | None:
    found = envoy_configurations(mesh).get(pod)
    routes = found.routes.get(name) if found else None
    return routes.configuration if routes else _inline_routes(mesh, pod).get(name)


@question
def _inline_routes(mesh: Mesh, pod: Ref) -> Mapping[str, RouteConfigurationOfEnvoy]:
    """Return the route configurations that stand in listeners, by name."""
    state = envoys_by_pod(mesh).get(pod)
    return {
        chain.http.route_config.name: chain.http.route_config
        for listener in (state.listeners if state else ())
        for chain in listener.filter_chains
        if chain.http and chain.http.route_config
    }


@question
def held_cluster_named(mesh: Mesh, pod: Ref, name: str) -> Cluster | None:
    """Return a cluster as the Envoy of a pod has it, be it not at all; None where not known."""
    found = envoy_configurations(mesh).get(pod)
    if found is None:
        return None
    if name in found.clusters:
        return held_cluster(found.clusters[name])
    return absent_cluster(name) if Section.CLUSTERS in found.sections else None


@question
def held_clusters(mesh: Mesh, pod: Ref) -> Mapping[str, Cluster] | None:
    """Return every cluster that the Envoy of a pod has, by name; None where they were not read."""
    found = envoy_configurations(mesh).get(pod)
    if found is None or Section.CLUSTERS not in found.sections:
        return None
    return {name: held_cluster(each) for name, each in found.clusters.items()}


@question
def holds(mesh: Mesh, pod: Ref, section: Section) -> bool:
    """Whether a part of the configuration of a pod's Envoy was read completely."""
    found = envoy_configurations(mesh).get(pod)
    return found is not None and section in found.sections
