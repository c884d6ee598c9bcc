"""Load balancers before router pods that no Gateway selects."""

from dataclasses import dataclass

from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.mesh.workloads.workloads import GATEWAY_NAME_LABELS, Workload, routers
from istiodoctor.model.kind import Kind
from istiodoctor.model.services import Service


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnselectedPods:
    """Router pods without a listener, and the load balancer that leads to them."""

    service: Service
    workload: Workload


@question(Kind.ISTIO_GATEWAY)
def unselected_pods(mesh: Mesh) -> tuple[UnselectedPods, ...]:
    """Return the load balancers whose pods get no listener, as no server applies to them.

    Not judged where Gateways were not all read. The pods of Gateways of the Gateway API and
    waypoints are configured by name, not by labels.
    """
    if not mesh.is_complete(Kind.ISTIO_GATEWAY):
        return ()
    selected = servers_by_workload(mesh)
    return tuple(
        UnselectedPods(service=service, workload=workload)
        for workload in routers(mesh)
        if workload not in selected
        and workload.replicas != 0
        and not any(label in workload.labels for label in GATEWAY_NAME_LABELS)
        for service in services_of(mesh, workload)
        if service.spec.type == "LoadBalancer"
    )
