"""Clusters of an Envoy's dump, decoded into the types of the expected configuration."""

from istiodoctor.mesh.configuration.cluster import Cluster, ClusterState
from istiodoctor.mesh.configuration.made_by import noted_object
from istiodoctor.model.envoy_clusters import Cluster as Configured
from istiodoctor.model.envoy_clusters import ServiceMetadata
from istiodoctor.model.envoy_configuration import EnvoyCluster
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Ref

BY_ADDRESS = frozenset({"ORIGINAL_DST"})
"""Clusters that go to where the connection was meant to go: they need no endpoints."""


def held_cluster(found: EnvoyCluster) -> Cluster:
    """Return a cluster as an Envoy has it."""
    state, reason = _state(found)
    configured = found.configured
    istio = configured.metadata.filter_metadata.istio
    services = [each for each in map(_service, istio.services) if each]
    return Cluster(
        name=configured.name,
        state=state,
        reason=reason,
        service=services[0] if services else None,
        endpoints=found.endpoints.usable if found.endpoints and _counts(configured) else None,
        made_by=noted_object(istio.config),
    )


def absent_cluster(name: str) -> Cluster:
    """Return a cluster that a route names and an Envoy does not have."""
    return Cluster(
        name=name, state=ClusterState.NO_CLUSTER, reason=f"Envoy does not have the cluster {name}"
    )


def _state(found: EnvoyCluster) -> tuple[ClusterState, str]:
    """Return whether requests reach an endpoint, and why not."""
    if found.is_warming:
        return ClusterState.NO_CLUSTER, "Envoy waits for its endpoints or its Secrets"
    if not _counts(found.configured):
        return ClusterState.OK, ""
    endpoints = found.endpoints
    if endpoints is None:
        return ClusterState.UNKNOWN, "the endpoints that Envoy has were not recorded"
    if endpoints.usable:
        return ClusterState.OK, ""
    if endpoints.known:
        return (
            ClusterState.NO_ENDPOINT,
            f"Envoy sends nothing to any of its {endpoints.known} endpoints: they are not healthy",
        )
    return ClusterState.NO_ENDPOINT, "Envoy has no endpoint for it"


def _counts(configured: Configured) -> bool:
    """Whether requests need an endpoint that Envoy lists."""
    return configured.cluster_type is None and str(configured.type) not in BY_ADDRESS


def _service(noted: ServiceMetadata) -> Ref | None:
    """Return the Service in a note of istiod's; for a ServiceEntry it notes the host alone."""
    if (
        noted.name
        and noted.namespace
        and noted.host.startswith(f"{noted.name}.{noted.namespace}.")
    ):
        return Ref(CORE, "Service", noted.namespace, noted.name)
    return None
