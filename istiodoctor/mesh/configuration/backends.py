"""The endpoints of services as istiod knows them, each with the port that it serves.

Source: pilot/pkg/serviceregistry/kube/controller/endpointslice.go:261-345,
pilot/pkg/serviceregistry/serviceentry/conversion.go:313-447.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.configuration.selectable_workloads import SelectableWorkload
from istiodoctor.mesh.workloads.names import is_address
from istiodoctor.model.istio import ServiceEntry
from istiodoctor.model.pods import Pod
from istiodoctor.model.services import EndpointConditions, Service

UNIX_ADDRESS = "unix://"
MOST_NAMED = 5
"""How many labels a reason lists."""
DRAINING_LABEL = "istio.io/draining"
BY_DNS = frozenset({"DNS", "DNS_ROUND_ROBIN"})
PLACE_LABELS = frozenset(
    {
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "topology.istio.io/subzone",
        "topology.istio.io/cluster",
        "topology.istio.io/network",
        "kubernetes.io/hostname",
    }
)
"""Labels that istiod gives to endpoints by itself (serviceregistry/util/label/label.go:37)."""


class Health(StrEnum):
    """Whether an endpoint takes new requests."""

    READY = "ready"
    NOT_READY = "not ready"
    TERMINATING = "terminating"
    DRAINING = "draining"
    WITHOUT_POD = "without a pod"
    """Its EndpointSlice names a pod that does not exist: istiod leaves it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One endpoint with one port."""

    address: str
    port_name: str
    """The name by which a service's port finds it."""
    port: int
    """Where it listens; 0 for a socket of the file system, or for none."""
    number: int | None = None
    """Of the ServiceEntry's port that it serves: clusters resolved by DNS go by this."""
    health: Health = Health.READY
    labels: Mapping[str, str] | None = None
    """What subsets choose by; None where its pod was not read."""
    node: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether EDS may carry it (pilot/pkg/xds/endpoints/endpoint_builder.go:434)."""
        return self.port != 0 and (not self.address or is_address(self.address))

    def has(self, labels: Mapping[str, str]) -> bool | None:
        """Whether it has all these labels; None where that cannot be told."""
        if not labels:
            return True
        if self.labels is None:
            return None
        own = self.labels
        known = {key: value for key, value in labels.items() if key not in PLACE_LABELS}
        if any(own.get(key) != value for key, value in known.items()):
            return False
        return True if len(known) == len(labels) else None


def slice_health(conditions: EndpointConditions) -> Health:
    """Return the health of an endpoint by its conditions (endpointslice.go:237).

    istiod sends none that terminates, and tells Envoy of one that is not ready, which sends it no
    request (`HealthyPanicThreshold` 0, core/cluster_traffic_policy.go:325). With persistent
    sessions one that drains gets no new requests either.
    """
    if conditions.ready is not False:
        return Health.READY
    return Health.TERMINATING if conditions.terminating else Health.NOT_READY


def labelled_health(labels: Mapping[str, str]) -> Health:
    """Return the health of a workload that is ready: one that is marked drains.

    endpoint_builder.go:600.
    """
    return Health.DRAINING if labels.get(DRAINING_LABEL) else Health.READY


def slice_backends(
    addresses: Iterable[str],
    ports: Iterable[tuple[str, int]],
    health: Health,
    pod: Pod | None,
    *,
    has_unread_pod: bool = False,
) -> Iterator[Backend]:
    """Yield an endpoint of an EndpointSlice for each of its addresses and ports."""
    labels = pod.metadata.labels if pod else {}
    if health is Health.READY:
        health = labelled_health(labels)
    for address in addresses:
        for name, number in ports:
            yield Backend(
                address=address,
                port_name=name,
                port=number,
                health=health,
                labels=None if has_unread_pod else labels,
                node=pod.spec.node_name if pod else "",
            )


def entry_backends(
    entry: ServiceEntry, hostname: str, selected: Iterable[SelectableWorkload] = ()
) -> Iterator[Backend]:
    """Yield the endpoints that a ServiceEntry gives one of its hosts.

    `selected` are the workloads that its workloadSelector takes. Resolved by DNS and without
    endpoints or a workloadSelector, the host itself is the one endpoint.
    """
    spec = entry.spec
    workloads: Iterable[SelectableWorkload] = (
        SelectableWorkload(
            namespace=entry.namespace,
            address=each.address,
            labels=each.labels,
            ports=each.ports,
        )
        for each in spec.endpoints
    )
    is_by_dns = spec.resolution in BY_DNS
    if spec.workload_selector is not None:
        workloads = (each for each in selected if is_by_dns or not each.is_for_dns_only)
    elif is_by_dns and not spec.endpoints:
        workloads = (SelectableWorkload(namespace=entry.namespace, address=hostname),)
    for each in workloads:
        for port in spec.ports:
            yield Backend(
                address="" if each.address.startswith(UNIX_ADDRESS) else each.address,
                port_name=port.name,
                port=each.ports.get(port.name, 0) or port.target_port or port.number,
                number=port.number,
                health=labelled_health(each.labels),
                labels=each.labels,
            )


def workload_backends(
    service: Service, workloads: Iterable[SelectableWorkload]
) -> Iterator[Backend]:
    """Yield the WorkloadEntries that a Service selects (kube/controller/controller.go:864)."""
    for each in workloads:
        if each.is_for_dns_only or not each.labels:
            continue
        for port in service.spec.ports:
            target = port.target_number
            name = port.name if target is not None else str(port.target_port)
            number = each.ports.get(name, 0) or target
            if number:
                yield Backend(
                    address=each.address,
                    port_name=port.name,
                    port=number,
                    health=labelled_health(each.labels),
                    labels=each.labels,
                )


def written_labels(labels: Mapping[str, str]) -> str:
    """Return labels as kubectl takes them; of many the first."""
    written = [f"{key}={value}" for key, value in sorted(labels.items())]
    return ",".join(written[:MOST_NAMED]) + (",…" if len(written) > MOST_NAMED else "")
