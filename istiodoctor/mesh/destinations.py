"""Where a route leads: host → Service → port → subset → endpoints."""

from collections import defaultdict
from collections.abc import Mapping
from enum import StrEnum

from istiodoctor.mesh.configuration.registry_service import EXPORT_ANNOTATION
from istiodoctor.mesh.configuration.service_endpoints import slices_by_service
from istiodoctor.mesh.configuration.virtual_services import is_exported
from istiodoctor.mesh.destination_uses import DestinationUse, destination_uses
from istiodoctor.mesh.hosts import HostIndex, full_name
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.istio import Destination, DestinationRule, ServiceEntry
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.kubernetes import Service, ServicePort
from istiodoctor.model.ref import Ref
from istiodoctor.model.value import Value


class DestinationState(StrEnum):
    """What a destination's host resolves to."""

    SERVICE = "service"
    SERVICE_ENTRY = "service-entry"
    MISSING = "missing"
    UNKNOWN = "unknown"


class PortState(StrEnum):
    """Whether a destination's port exists on its Service."""

    OK = "ok"
    MISSING = "missing"
    """The number is no port of the Service."""
    UNSAID = "unsaid"
    """No number, and the Service has several ports."""
    UNKNOWN = "unknown"


class Resolution(Value, frozen=True, kw_only=True):
    """What a destination leads to."""

    fqdn: str
    state: DestinationState
    service: Service | None = None
    elsewhere: tuple[Ref, ...] = ()
    """Services of the same short name in other namespaces."""
    port_state: PortState = PortState.UNKNOWN
    port: ServicePort | None = None

    @property
    def target(self) -> Ref | None:
        """The Service reached, or the one that would be if it existed."""
        if self.service:
            return self.service.ref
        found = split_fqdn(self.fqdn)
        return Ref(CORE, "Service", found[1], found[0]) if found else None


@question(Kind.SERVICE)
def service(mesh: Mesh, namespace: str, name: str) -> Service | None:
    """Return one Service."""
    return mesh.get(Service, namespace, name)


@question(Kind.SERVICE)
def services_named(mesh: Mesh, name: str) -> tuple[Ref, ...]:
    """Return every Service of this name."""
    return _services_by_name(mesh).get(name, ())


@question(Kind.SERVICE)
def _services_by_name(mesh: Mesh) -> Mapping[str, tuple[Ref, ...]]:
    found: dict[str, list[Ref]] = defaultdict(list)
    for service in mesh.all(Service):
        found[service.name].append(service.ref)
    return {name: tuple(refs) for name, refs in found.items()}


@question(Kind.SERVICE_ENTRY)
def _service_entry_hosts(mesh: Mesh) -> HostIndex[str]:
    return HostIndex((host, host) for entry in mesh.all(ServiceEntry) for host in entry.spec.hosts)


@question
def is_service_entry_host(mesh: Mesh, host: str) -> bool:
    """Whether a ServiceEntry declares a host."""
    return next(_service_entry_hosts(mesh).covering(host), None) is not None


@question(Kind.SERVICE, Kind.SERVICE_ENTRY)
def resolve(mesh: Mesh, destination: Destination, namespace: str) -> Resolution:
    """Resolve a destination as istiod does for a route written in a namespace.

    Names without a dot get the namespace; dotted ones are taken as they are, so `name.ns`
    matches nothing.
    """
    return _resolved(mesh, destination, namespace, _service_entry_hosts(mesh))


def _resolved(
    mesh: Mesh, destination: Destination, namespace: str, entries: HostIndex[str]
) -> Resolution:
    fqdn = full_name(destination.host, namespace)
    split = split_fqdn(fqdn)
    if next(entries.covering(fqdn), None):
        return Resolution(fqdn=fqdn, state=DestinationState.SERVICE_ENTRY)
    found = mesh.get(Service, split[1], split[0]) if split else None
    if found is None:
        name = split[0] if split else fqdn.partition(".")[0]
        known = mesh.is_complete(Kind.SERVICE_ENTRY) and (
            mesh.is_complete(Kind.SERVICE, split[1], split[0])
            if split
            else mesh.is_complete(Kind.SERVICE)
        )
        return Resolution(
            fqdn=fqdn,
            state=DestinationState.MISSING if known else DestinationState.UNKNOWN,
            elsewhere=services_named(mesh, name),
        )
    state, port = _port(destination, found)
    return Resolution(
        fqdn=fqdn,
        state=DestinationState.SERVICE,
        service=found,
        port_state=state,
        port=port,
    )


@question(Kind.SERVICE)
def destinations(mesh: Mesh) -> tuple[tuple[DestinationUse, Resolution], ...]:
    """Return every destination of a gateway route with what it leads to."""
    entries = _service_entry_hosts(mesh)
    return tuple(
        (use, _resolved(mesh, use.destination, use.namespace, entries))
        for use in destination_uses(mesh)
    )


@question(Kind.DESTINATION_RULE)
def _rules_by_host(mesh: Mesh) -> Mapping[str, tuple[DestinationRule, ...]]:
    found: dict[str, list[DestinationRule]] = defaultdict(list)
    for rule in mesh.all(DestinationRule):
        found[full_name(rule.spec.host, rule.namespace)].append(rule)
    return {host: tuple(rules) for host, rules in found.items()}


@question
def destination_rule_hosts(mesh: Mesh) -> frozenset[str]:
    """Return the full host of every DestinationRule."""
    return frozenset(_rules_by_host(mesh))


@question
def _rule_index(mesh: Mesh) -> HostIndex[tuple[DestinationRule, ...]]:
    return HostIndex(_rules_by_host(mesh).items())


@question
def destination_rules(mesh: Mesh, fqdn: str) -> tuple[DestinationRule, ...]:
    """Return the DestinationRules for a host: those that name it.

    Then those with a wildcard over it.
    """
    return tuple(rule for rules in _rule_index(mesh).covering(fqdn) for rule in rules)


@question(Kind.DESTINATION_RULE)
def destination_rules_are_known(mesh: Mesh) -> bool:
    """Whether a DestinationRule that is not here does not exist."""
    return mesh.is_complete(Kind.DESTINATION_RULE)


@question
def ready_endpoints(mesh: Mesh, service: Service) -> int | None:
    """Return how many endpoints of a Service take traffic.

    None without slices: every Service with a selector has one, if only an empty one, so that
    something was left out where there is none.
    """
    slices = slices_by_service(mesh).get((service.namespace, service.name))
    if slices is None:
        return None
    return sum(
        endpoint.conditions.ready is not False for each in slices for endpoint in each.endpoints
    )


@question(Kind.SERVICE)
def service_is_exported(mesh: Mesh, service: Service, seen_from: str) -> bool:
    """Whether a Service's export annotation lets a namespace see it."""
    written = service.metadata.annotations.get(EXPORT_ANNOTATION, "")
    names = tuple(each.strip() for each in written.split(",") if each.strip())
    return is_exported(names, service.namespace, seen_from)


def split_fqdn(fqdn: str) -> tuple[str, str] | None:
    """Return name and namespace of a Service's full name, whatever the cluster's domain.

    None for others.
    """
    parts = fqdn.split(".")
    return (parts[0], parts[1]) if len(parts) >= 4 and parts[2] == "svc" else None


def _port(destination: Destination, service: Service) -> tuple[PortState, ServicePort | None]:
    ports = service.spec.ports
    if destination.port and destination.port.number:
        found = next((each for each in ports if each.port == destination.port.number), None)
        return (PortState.OK if found else PortState.MISSING), found
    if len(ports) == 1:
        return PortState.OK, ports[0]
    return (PortState.UNSAID if ports else PortState.UNKNOWN), None
