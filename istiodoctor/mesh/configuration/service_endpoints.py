"""The endpoints of a service, whatever makes them: EndpointSlices, ServiceEntries, workloads.

istiod files them by hostname and namespace, so that a ServiceEntry adds its endpoints to those of
a Service of the same name (pilot/pkg/xds/endpoints/endpoint_builder.go:705).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from istiodoctor.mesh.configuration.backends import (
    Backend,
    Health,
    entry_backends,
    slice_backends,
    slice_health,
    workload_backends,
    written_labels,
)
from istiodoctor.mesh.configuration.registry_service import (
    HEADLESS,
    RegistryService,
    Resolution,
)
from istiodoctor.mesh.configuration.selectable_workloads import (
    ENDED,
    SelectableWorkload,
    entry_workloads,
    pod_workloads,
    pods_are_known,
    pods_by_label,
    workload_entries_are_known,
)
from istiodoctor.mesh.configuration.service_registry import service_entries_by_host
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.istio import ServiceEntry
from istiodoctor.model.kind import Kind
from istiodoctor.model.pods import Pod
from istiodoctor.model.services import Endpoint, EndpointSlice, Service
from istiodoctor.model.value import Value

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
IMPORTED_LABEL = "multicluster.kubernetes.io/service-name"
FULL_NAMES = "FQDN"


class Backends(Value, frozen=True, kw_only=True, eq=False):
    """What is known of the endpoints of a service."""

    items: tuple[Backend, ...] = ()
    """With every port and in every condition."""
    unread: str = ""
    """What was not read and could hold more of them."""
    why_none: str = ""
    """Why there are none at all, where it can be told."""


@question(
    Kind.SERVICE,
    evidence=[
        entry_workloads,
        pod_workloads,
        pods_by_label,
        pods_are_known,
        workload_entries_are_known,
    ],
)
def backends_of(mesh: Mesh, service: RegistryService) -> Backends:
    """Return the endpoints of a service."""
    items: list[Backend] = []
    unread = ""
    source = _kubernetes_source(mesh, service)
    if source:
        items += service_backends(mesh, source)
        unread = unread_slices(mesh, source)
        if source.spec.selector and source.spec.cluster_ip != HEADLESS:
            labels = source.spec.selector.items()
            workloads = entry_workloads(mesh).having(labels, service.namespace)
            items += workload_backends(source, workloads)
            unread = unread or _unread_workloads(mesh, service.namespace, with_pods=False)
    for entry in service_entries_by_host(mesh).get(service.hostname, ()):
        if entry.namespace == service.namespace:
            items += entry_backends(entry, service.hostname, _selected(mesh, entry))
            if entry.spec.workload_selector is not None:
                unread = unread or _unread_workloads(mesh, entry.namespace, with_pods=True)
    if service.resolution is Resolution.DNS and isinstance(service.source, Service):
        items += _external_name(service, service.source.spec.external_name)
    why_none = "" if items else _why_none(mesh, service)
    return Backends(items=tuple(items), unread=unread, why_none=why_none)


@question(Kind.ENDPOINT_SLICE)
def service_backends(mesh: Mesh, service: Service) -> tuple[Backend, ...]:
    """Return what the EndpointSlices of a Service hold, each address and port once.

    While an address moves from one slice to another it is in both: the one that is ready counts.
    """
    found: dict[tuple[str, str], Backend] = {}
    for each in slices_by_service(mesh).get((service.namespace, service.name), ()):
        ports = [(port.name or "", port.port or 0) for port in each.ports] or [("", 0)]
        for endpoint in each.endpoints:
            for backend in _endpoint(mesh, endpoint, service.namespace, ports):
                key = (backend.address, backend.port_name)
                if key not in found or found[key].health is not Health.READY:
                    found[key] = backend
    return tuple(found.values())


@question(Kind.ENDPOINT_SLICE)
def slices_by_service(mesh: Mesh) -> Mapping[tuple[str, str], tuple[EndpointSlice, ...]]:
    """Return the EndpointSlices by namespace and name of their Service (endpointslice.go:75)."""
    found: dict[tuple[str, str], list[EndpointSlice]] = defaultdict(list)
    for each in mesh.all(EndpointSlice):
        labels = each.metadata.labels
        name = labels.get(SERVICE_NAME_LABEL)
        if name and IMPORTED_LABEL not in labels and each.address_type != FULL_NAMES:
            found[each.namespace, name].append(each)
    return {key: tuple(slices) for key, slices in found.items()}


@question(Kind.ENDPOINT_SLICE)
def unread_slices(mesh: Mesh, service: Service) -> str:
    """Return what was not read of a Service's EndpointSlices; empty where they are known.

    Every Service with a selector has one, if only an empty one: where there is none, it was left
    out of what was read.
    """
    has_slices = (service.namespace, service.name) in slices_by_service(mesh)
    if mesh.is_complete(Kind.ENDPOINT_SLICE, service.namespace) and (
        has_slices or not service.spec.selector
    ):
        return ""
    return f"{'not every' if has_slices else 'no'} EndpointSlice of {service.ref} was read"


@question(Kind.ENDPOINT_SLICE)
def has_ready_endpoints(mesh: Mesh, service: Service) -> bool:
    """Whether the EndpointSlices of a Service show any endpoint that is ready."""
    return any(
        endpoint.conditions.ready is not False
        for each in slices_by_service(mesh).get((service.namespace, service.name), ())
        for endpoint in each.endpoints
    )


@question(Kind.ENDPOINT_SLICE)
def has_ready_endpoint(mesh: Mesh, service: Service, port_name: str) -> bool | None:
    """Whether the EndpointSlices of a Service show a ready endpoint with a port.

    Cheaper than its endpoints, of which pods decide too; None where not all slices were read.
    """
    slices = slices_by_service(mesh).get((service.namespace, service.name), ())
    for each in slices:
        if any(endpoint.conditions.ready is not False for endpoint in each.endpoints) and any(
            (port.name or "") == port_name for port in each.ports
        ):
            return True
    if service.spec.selector and not slices:
        return None
    return None if unread_slices(mesh, service) else False


@question(Kind.POD)
def _pod(mesh: Mesh, namespace: str, name: str) -> Pod | None:
    """Return the pod of an endpoint, unless it has ended: istiod does not know those."""
    found = mesh.get(Pod, namespace, name)
    return None if found and found.status.phase in ENDED else found


@question(Kind.POD)
def _pods_by_address(mesh: Mesh) -> Mapping[tuple[str, str], Pod]:
    return {(each.namespace, each.status.pod_ip): each for each in mesh.all(Pod)}


@question(Kind.POD)
def _pod_is_known(mesh: Mesh, namespace: str, name: str) -> bool:
    return mesh.is_complete(Kind.POD, namespace, name)


def _endpoint(
    mesh: Mesh, endpoint: Endpoint, namespace: str, ports: list[tuple[str, int]]
) -> Iterator[Backend]:
    """Yield the backends of an endpoint: without its pod, where there is to be one, none.

    An address without a pod of its own gets the labels of a pod that has it
    (kube/controller/endpointslice.go:530).
    """
    target, health = endpoint.target_ref, slice_health(endpoint.conditions)
    if target is None or target.kind != "Pod":
        pods = _pods_by_address(mesh)
        for address in endpoint.addresses:
            found = pods.get((namespace, address))
            yield from slice_backends((address,), ports, health, found)
        return
    pod = _pod(mesh, target.namespace, target.name)
    is_unread = pod is None and not _pod_is_known(mesh, target.namespace, target.name)
    if pod is None and not is_unread:
        health = Health.WITHOUT_POD
    yield from slice_backends(endpoint.addresses, ports, health, pod, has_unread_pod=is_unread)


def _kubernetes_source(mesh: Mesh, service: RegistryService) -> Service | None:
    """Return the Service of a hostname and namespace, though a ServiceEntry may be seen for it."""
    if isinstance(service.source, Service):
        return service.source
    name, separator, rest = service.hostname.partition(".")
    if separator and rest.startswith(f"{service.namespace}.svc."):
        return mesh.get(Service, service.namespace, name)
    return None


def _why_none(mesh: Mesh, service: RegistryService) -> str:
    if not isinstance(service.source, Service):
        return ""
    selector = service.source.spec.selector
    if not selector:
        return "it has no selector, and nobody made an EndpointSlice with addresses for it"
    found = next(pods_by_label(mesh).having(selector.items(), service.namespace), None)
    if found is None and pods_are_known(mesh, service.namespace):
        return f"no pod has the labels {written_labels(selector)}"
    return ""


def _external_name(service: RegistryService, name: str) -> Iterator[Backend]:
    """Yield the host of an ExternalName Service that is no alias (before Istio 1.21)."""
    for port in service.ports:
        yield Backend(address=name, port_name=port.name, port=port.number, labels={})


def _selected(mesh: Mesh, entry: ServiceEntry) -> Iterator[SelectableWorkload]:
    """Yield the workloads that a ServiceEntry's workloadSelector takes, in its own namespace."""
    if entry.spec.workload_selector is not None:
        labels = entry.spec.workload_selector.labels.items()
        for index in (entry_workloads(mesh), pod_workloads(mesh)):
            yield from index.having(labels, entry.namespace)


def _unread_workloads(mesh: Mesh, namespace: str, *, with_pods: bool) -> str:
    if not workload_entries_are_known(mesh, namespace):
        return f"not every WorkloadEntry in {namespace} was read"
    if with_pods and not pods_are_known(mesh, namespace):
        return f"not every pod in {namespace} was read"
    return ""
