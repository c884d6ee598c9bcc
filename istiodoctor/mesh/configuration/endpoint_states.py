"""Whether the endpoints of a service take the requests to one of its clusters.

Source: `BuildClusterLoadAssignment`, `filterIstioEndpoint`
(pilot/pkg/xds/endpoints/endpoint_builder.go:405, 565).
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from istiodoctor.mesh.configuration.backends import Backend, Health, written_labels
from istiodoctor.mesh.configuration.cluster import ClusterState
from istiodoctor.mesh.configuration.registry_service import (
    NO_NAMESPACE,
    RegistryPort,
    RegistryService,
    Resolution,
)
from istiodoctor.mesh.configuration.service_endpoints import Backends
from istiodoctor.model.istio import ServiceEntry
from istiodoctor.model.services import Service
from istiodoctor.model.value import Value

TLS_MODE_LABEL = "security.istio.io/tlsMode"
WAYPOINT_LABEL = "istio.io/ingress-use-waypoint"


class EndpointState(Value, frozen=True, kw_only=True):
    """What becomes of requests to a cluster, by its endpoints."""

    state: ClusterState
    reason: str = ""
    ready: int | None = None


class Wanted(Value, frozen=True, kw_only=True):
    """Which endpoints of a service a cluster has."""

    port: RegistryPort
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Of the subset."""
    nodes: frozenset[str] = frozenset()
    """Where the pods of the gateway run."""
    needs_sidecar: bool = False
    """Only endpoints that speak mTLS (`EndpointsWithMTLSFilter`, ep_filters.go)."""

    def takes(self, backend: Backend) -> bool | None:
        """Whether an endpoint is one of the cluster's; None where that cannot be told."""
        if not self.needs_sidecar:
            return backend.has(self.labels)
        return backend.has({**self.labels, TLS_MODE_LABEL: "istio"})


def endpoint_state(service: RegistryService, backends: Backends, wanted: Wanted) -> EndpointState:
    """Return whether a cluster has endpoints, of a service that istiod sends the addresses of."""
    if (
        service.export_to
        and NO_NAMESPACE in service.export_to
        and isinstance(service.source, Service)
    ):
        reason = f'{service.ref} has "~" in its exportTo: istiod may pass over its endpoints'
        return EndpointState(state=ClusterState.UNKNOWN, reason=reason)
    if service.source.metadata.labels.get(WAYPOINT_LABEL, "").lower() == "true":
        reason = f"{service.ref} may be reached through its waypoint"
        return EndpointState(state=ClusterState.UNKNOWN, reason=reason)
    on_port = [
        each for each in backends.items if each.port_name == wanted.port.name and each.is_usable
    ]
    ready = [each for each in on_port if each.health is Health.READY]
    taken = [each for each in ready if wanted.takes(each)]
    if taken:
        return _on_nodes(service, taken, wanted)
    if any(wanted.takes(each) is None for each in ready):
        reason = f"which endpoints of {service.ref} its subset takes is not known"
        return EndpointState(state=ClusterState.UNKNOWN, reason=reason)
    if backends.unread:
        return EndpointState(state=ClusterState.UNKNOWN, reason=backends.unread)
    reason = f"{service.ref} {_why_none(service, backends, on_port, wanted)}"
    return EndpointState(state=ClusterState.NO_ENDPOINT, reason=reason, ready=0)


def has_name(names: Iterable[Backend], wanted: Wanted) -> bool | None:
    """Whether a cluster that is resolved by DNS has a name to resolve; None when not known."""
    found = {wanted.takes(each) for each in names if each.health is Health.READY}
    return True if True in found else None if None in found else False


def names_of_port(
    services: Iterable[RegistryService], backends: Backends, number: int
) -> tuple[Backend, ...]:
    """Return the endpoints of a port of a service that is resolved by DNS.

    `services` are all of its hostname and namespace, the oldest first, whoever may see them: each
    files the endpoints under its own names of ports, and the last one that has any for a port
    counts (`initServiceRegistry`, pilot/pkg/model/push_context.go:1568; `CopyEndpoints`,
    pilot/pkg/model/endpointshards.go:95).
    """
    filed: tuple[Backend, ...] = ()
    for service in services:
        numbers = {each.name: each.number for each in service.ports}
        own = {each.number for each in service.ports}
        filed = (
            tuple(
                each
                for each in backends.items
                if (each.number == number and number in own)
                or (each.number is None and numbers.get(each.port_name) == number)
            )
            or filed
        )
    return filed


def _on_nodes(service: RegistryService, taken: list[Backend], wanted: Wanted) -> EndpointState:
    """Leave out endpoints of other nodes where the Service says so (endpoint_builder.go:567)."""
    source = service.source
    if not isinstance(source, Service) or source.spec.internal_traffic_policy != "Local":
        return EndpointState(state=ClusterState.OK, ready=len(taken))
    near = [each for each in taken if each.node in wanted.nodes]
    covered = wanted.nodes & {each.node for each in near}
    if covered and covered == wanted.nodes:
        return EndpointState(state=ClusterState.OK, ready=len(near))
    is_known = all(wanted.nodes) and all(each.labels is not None for each in taken)
    if wanted.nodes and is_known and not covered:
        reason = (
            f"{service.ref} has internalTrafficPolicy Local and no ready endpoint on the nodes of"
            " the gateway's pods"
        )
        return EndpointState(state=ClusterState.NO_ENDPOINT, reason=reason, ready=0)
    reason = (
        f"{service.ref} has internalTrafficPolicy Local, and not every pod of the gateway is known"
        " to have an endpoint on its node"
    )
    return EndpointState(state=ClusterState.UNKNOWN, reason=reason)


def _why_none(
    service: RegistryService, backends: Backends, on_port: list[Backend], wanted: Wanted
) -> str:
    if service.resolution is Resolution.PASSTHROUGH and isinstance(service.source, ServiceEntry):
        return "has resolution NONE: it gives a gateway no address to send requests to"
    ready = sum(each.health is Health.READY for each in on_port)
    if ready and wanted.labels:
        return f"has no ready endpoint with the labels {written_labels(wanted.labels)}"
    if ready:
        return "has no endpoint with a sidecar"
    if on_port:
        return f"has no ready endpoint: {_conditions(on_port)}"
    if backends.items:
        return _no_such_port(service, wanted.port)
    return f"has no endpoints: {backends.why_none}" if backends.why_none else "has no endpoints"


def _no_such_port(service: RegistryService, port: RegistryPort) -> str:
    """Say that the endpoints have other ports, and why where the Service tells it."""
    source, number = service.source, port.number
    for each in source.spec.ports if isinstance(source, Service) else ():
        if each.name == port.name and each.target_number is None:
            target = each.target_port
            return f'has no endpoint for port {number}: no pod has a port named "{target}"'
    named = f'named "{port.name}"' if port.name else "without a name"
    return f"has no endpoint for port {number}: none of its endpoints has a port {named}"


def _conditions(backends: Iterable[Backend]) -> str:
    """Say `2 are not ready, 1 is terminating`."""
    found = Counter(each.health for each in backends)
    return ", ".join(
        f"{number} {'is' if number == 1 else 'are'} {health.value}"
        for health, number in sorted(found.items(), key=lambda each: -each[1])
    )
