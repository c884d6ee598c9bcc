"""Workloads that a ServiceEntry or a Service may select: WorkloadEntries and pods.

Source: pilot/pkg/serviceregistry/serviceentry/conversion.go:452-691,
pilot/pkg/serviceregistry/kube/controller/pod.go:159-258.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from istiodoctor.mesh.labels import LabelIndex
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import TRUE
from istiodoctor.mesh.workloads.names import is_address
from istiodoctor.model.istio import WorkloadEntry
from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import condition
from istiodoctor.model.pods import Pod

HEALTH_CHECKED = "proxy.istio.io/health-checks-enabled"
ENDED = frozenset({"Failed", "Succeeded"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SelectableWorkload:
    """A workload that takes traffic, as a selector sees it."""

    namespace: str
    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    """Its ports by name."""

    @property
    def is_for_dns_only(self) -> bool:
        """Whether its address is none that istiod could send as an endpoint."""
        return bool(self.address) and not is_address(self.address)


def entry_workload(entry: WorkloadEntry) -> SelectableWorkload | None:
    """Return the workload of a WorkloadEntry; None while its health checks fail.

    Its own labels go before those of its `spec` (`ConvertWorkloadEntry`, conversion.go:166).
    """
    if entry.metadata.annotations.get(HEALTH_CHECKED) in TRUE:
        healthy = condition(entry.status.conditions, "Healthy")
        if healthy is None or healthy.status != "True":
            return None
    return SelectableWorkload(
        namespace=entry.namespace,
        address=entry.spec.address,
        labels={**entry.spec.labels, **entry.metadata.labels},
        ports=entry.spec.ports,
    )


def pod_workload(pod: Pod) -> SelectableWorkload | None:
    """Return the workload of a pod; None while it is not ready (`onEvent`, pod.go:143)."""
    ready = condition(pod.status.conditions, "Ready")
    if ready is None or ready.status != "True" or not pod.status.pod_ip:
        return None
    if pod.status.phase in ENDED or pod.metadata.deletion_timestamp is not None:
        return None
    ports: dict[str, int] = {}
    for container in pod.spec.containers:
        for each in container.ports:
            if each.name and each.protocol == "TCP":
                ports.setdefault(each.name, each.container_port)
    return SelectableWorkload(
        namespace=pod.namespace,
        address=pod.status.pod_ip,
        labels=pod.metadata.labels,
        ports=ports,
    )


@question(Kind.WORKLOAD_ENTRY)
def entry_workloads(mesh: Mesh) -> LabelIndex[SelectableWorkload]:
    """Return the WorkloadEntries that take traffic, by their labels."""
    return LabelIndex(filter(None, map(entry_workload, mesh.all(WorkloadEntry))))


@question(Kind.POD)
def pod_workloads(mesh: Mesh) -> LabelIndex[SelectableWorkload]:
    """Return the pods that are ready, by their labels."""
    return LabelIndex(filter(None, map(pod_workload, mesh.all(Pod))))


@question(Kind.POD)
def pods_by_label(mesh: Mesh) -> LabelIndex[SelectableWorkload]:
    """Return every pod, ready or not, by its labels."""
    return LabelIndex(
        SelectableWorkload(
            namespace=each.namespace, address=each.status.pod_ip, labels=each.metadata.labels
        )
        for each in mesh.all(Pod)
    )


@question(Kind.WORKLOAD_ENTRY)
def workload_entries_are_known(mesh: Mesh, namespace: str) -> bool:
    """Whether a WorkloadEntry of a namespace that is not here does not exist."""
    return mesh.is_complete(Kind.WORKLOAD_ENTRY, namespace)


@question(Kind.POD)
def pods_are_known(mesh: Mesh, namespace: str) -> bool:
    """Whether a pod of a namespace that is not here does not exist."""
    return mesh.is_complete(Kind.POD, namespace)
