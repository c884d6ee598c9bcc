"""Where a route leads, as hops: Service, port, subset, endpoints."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.destinations import (
    DestinationState,
    PortState,
    Resolution,
    destination_rules,
    destination_rules_are_known,
    is_exported,
    ready_endpoints,
    resolve,
)
from istiodoctor.mesh.grants import has_grant
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.trace.way import BROKEN, OK, UNKNOWN, Hop, HopState
from istiodoctor.mesh.workloads import Workload, pod_is_ready, selected
from istiodoctor.model.gatewayapi import ObjectReference
from istiodoctor.model.istio import Destination, PortSelector, RouteDestination
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import Service, ServicePort
from istiodoctor.model.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One destination of a route, with its part of the requests."""

    destination: Destination
    namespace: str
    """In which a short name is resolved."""
    share: str = ""
    """`80% of requests`; empty where all of them go here."""
    is_unused: bool = False
    origin: Ref | None = None
    """The HTTPRoute that must be permitted to refer to it; None for other routes."""


@question(Kind.SERVICE, Kind.SERVICE_ENTRY, Kind.POD)
def backend_hops(
    mesh: Mesh, target: Target, server_port: int, workload: Workload
) -> tuple[Hop, ...]:
    """Return the hops of one destination; the last one is broken where its way ends."""
    return tuple(_hops(mesh, target, server_port, workload))


def _hops(mesh: Mesh, target: Target, server_port: int, workload: Workload) -> Iterator[Hop]:
    resolution = resolve(mesh, target.destination, target.namespace)
    share = f"{target.share}: " if target.share else ""
    service = resolution.service
    if service is None:
        yield _unresolved(resolution, share)
        return
    port, state, text = _port(mesh, target.destination, resolution, server_port)
    reason = _refused(mesh, target, service, workload) or _subset(mesh, target, resolution)
    if reason and state is OK:
        state, text = reason
    yield Hop(hop="backend", ref=service.ref, state=state, text=f"{share}{text}")
    if state in (OK, UNKNOWN):
        yield _endpoints(mesh, service, port, target.destination.subset, resolution)


def _port(
    mesh: Mesh, destination: Destination, resolution: Resolution, server_port: int
) -> tuple[ServicePort | None, HopState, str]:
    service, port = resolution.service, resolution.port
    assert service is not None
    subset = f" subset {destination.subset}" if destination.subset else ""
    if resolution.port_state is PortState.UNSAID:
        # istiod takes the number of the Gateway's server then.
        port = next((each for each in service.spec.ports if each.port == server_port), None)
    if port is not None:
        return port, OK, f"port {port.port}{subset}"
    if service.spec.type == "ExternalName" or not service.spec.ports:
        number = destination.port.number if destination.port else server_port
        return None, UNKNOWN, f"port {number}{subset}; the Service lists no ports"
    wanted = destination.port.number if destination.port else server_port
    ports = ", ".join(str(each.port) for each in service.spec.ports)
    return None, BROKEN, f"the Service has no port {wanted}, only {ports}: 503"


def _refused(
    mesh: Mesh, target: Target, service: Service, workload: Workload
) -> tuple[HopState, str] | None:
    if workload.is_known and not is_exported(mesh, service, workload.namespace):
        return BROKEN, f"the Service is not exported to {workload.namespace}: 503"
    if target.origin is None or target.origin.namespace == service.namespace:
        return None
    granted = has_grant(mesh, target.origin, service.ref)
    if granted is None:
        return UNKNOWN, "whether a ReferenceGrant permits it is not known"
    return None if granted else (BROKEN, "no ReferenceGrant permits it: 500")


def _subset(mesh: Mesh, target: Target, resolution: Resolution) -> tuple[HopState, str] | None:
    name = target.destination.subset
    if not name:
        return None
    rules = destination_rules(mesh, resolution.fqdn)
    if any(each.name == name for rule in rules for each in rule.spec.subsets):
        return None
    if not destination_rules_are_known(mesh):
        return UNKNOWN, f"whether a DestinationRule defines the subset {name} is not known"
    return BROKEN, f"no DestinationRule defines the subset {name}: 503"


def _endpoints(
    mesh: Mesh, service: Service, port: ServicePort | None, subset: str, resolution: Resolution
) -> Hop:
    if service.spec.type == "ExternalName":
        text = f"an alias of {service.spec.external_name}, outside what is looked at"
        return Hop(hop="endpoints", ref=service.ref, state=OK, text=text)
    ready = _ready_of_subset(mesh, service, subset, resolution) if subset else None
    if ready is None:
        ready = ready_endpoints(mesh, service)
    if ready is None:
        text = "the endpoints are not known"
        return Hop(hop="endpoints", ref=service.ref, state=UNKNOWN, text=text)
    if not ready:
        text = "no endpoint is ready: 503"
        return Hop(hop="endpoints", ref=service.ref, state=BROKEN, text=text)
    target = f" on port {port.target_port or port.port}" if port else ""
    return Hop(hop="endpoints", ref=service.ref, state=OK, text=f"{ready} ready{target}")


def _ready_of_subset(
    mesh: Mesh, service: Service, subset: str, resolution: Resolution
) -> int | None:
    """Return how many ready pods a subset has; None where pods do not tell."""
    rules = destination_rules(mesh, resolution.fqdn)
    found = next((s for rule in rules for s in rule.spec.subsets if s.name == subset), None)
    if not (found and service.spec.selector and mesh.is_complete(Kind.POD, service.namespace)):
        return None
    wanted = frozenset({**service.spec.selector, **found.labels}.items())
    workloads = selected(mesh, wanted, service.namespace)
    return sum(pod_is_ready(pod) for each in workloads for pod in each.pods)


def _unresolved(resolution: Resolution, share: str) -> Hop:
    match resolution.state:
        case DestinationState.SERVICE_ENTRY:
            state, text = OK, f"{resolution.fqdn}, as a ServiceEntry has it"
        case DestinationState.MISSING:
            state, text = BROKEN, f"there is no {resolution.target or resolution.fqdn}: 503"
        case _:
            state, text = UNKNOWN, f"{resolution.fqdn}, which was not read"
    return Hop(hop="backend", ref=resolution.target, state=state, text=f"{share}{text}")


def weighted(route: tuple[RouteDestination, ...], namespace: str) -> Iterator[Target]:
    """Yield the destinations of a VirtualService's rule with their parts of the requests."""
    total = sum(each.weight for each in route)
    for each in route:
        yield Target(
            destination=each.destination,
            namespace=namespace,
            share=_share(each.weight, total, len(route)),
            is_unused=bool(total) and not each.weight,
        )


def referred(backends: tuple[ObjectReference, ...], origin: Ref) -> Iterator[Target]:
    """Yield the backends of a route of the Gateway API with their parts of the requests."""
    total = sum(each.weight for each in backends)
    for each in backends:
        yield Target(
            destination=_destination(each, origin.namespace),
            namespace=each.namespace or origin.namespace,
            share=_share(each.weight, total, len(backends)),
            is_unused=not each.weight,
            origin=origin,
        )


def _destination(backend: ObjectReference, namespace: str) -> Destination:
    if backend.kind not in (None, "Service"):
        return Destination(host=backend.name)
    host = f"{backend.name}.{backend.namespace or namespace}.svc.cluster.local"
    return Destination(host=host, port=PortSelector(number=backend.port))


def _share(weight: int, total: int, number: int) -> str:
    return f"{100 * weight / total:.3g}% of requests" if total and number > 1 else ""


def unused_hop(target: Target) -> Hop:
    """Return the hop of a destination that gets nothing."""
    text = f"{target.destination.host} has the weight 0 and gets no requests"
    return Hop(hop="backend", ref=None, state=OK, text=text)
