"""The pods of a Gateway of the Gateway API, and on which of their ports its listeners are.

Source: `mergeGateways` (pilot/pkg/model/push_context.go:2442-2500), `resolvePorts`
(pilot/pkg/model/gateway.go:482).
"""

from istiodoctor.mesh.gateways.api_addresses import is_managed, service_names
from istiodoctor.mesh.gateways.api_gateways import api_gateways_by_ref
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import control_plane_of
from istiodoctor.mesh.workloads.releases import Change, has
from istiodoctor.mesh.workloads.service_ports import target_port
from istiodoctor.mesh.workloads.workloads import GATEWAY_NAME_LABELS, Workload, selected
from istiodoctor.model.gatewayapi import Gateway
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.services import Service


@question(Kind.SERVICE)
def api_gateway_services(mesh: Mesh, gateway: Ref) -> tuple[Service, ...]:
    """Return the Services that a Gateway is reached by: that it names, or that istiod made."""
    found = api_gateways_by_ref(mesh).get(gateway)
    if found is None:
        return ()
    named = (mesh.get(Service, found.namespace, name) for name in service_names(found))
    return tuple(each for each in named if each is not None)


@question
def api_gateway_workloads(mesh: Mesh, gateway: Ref) -> tuple[Workload, ...]:
    """Return the workloads of a Gateway API Gateway: those of its Services.

    Where the Service that istiod makes was not read, the labels of the pods tell.
    """
    found = api_gateways_by_ref(mesh).get(gateway)
    if found is None:
        return ()
    workloads: dict[Ref, Workload] = {}
    for service in api_gateway_services(mesh, gateway):
        if service.spec.selector:
            selector = frozenset(service.spec.selector.items())
            workloads |= {each.owner: each for each in selected(mesh, selector, gateway.namespace)}
    if workloads or not is_managed(found):
        return tuple(workloads.values())
    return _generated(mesh, found)


def _generated(mesh: Mesh, gateway: Gateway) -> tuple[Workload, ...]:
    for label in GATEWAY_NAME_LABELS:
        made = selected(mesh, frozenset({(label, gateway.name)}), gateway.namespace)
        if made:
            return made
    return ()


@question
def api_gateway_ports(mesh: Mesh, gateway: Ref, workload: Workload, port: int) -> tuple[int, ...]:
    """Return the ports on which Envoy listens for a listener of the Gateway API.

    Its port is that of a Service of its Gateway: every targetPort counts, and one that none of
    them has is not opened. Where there is no Service to be seen, it is taken to lead to itself.
    """
    services = api_gateway_services(mesh, gateway)
    found = {
        target_port(each, workload): None
        for service in services
        for each in service.spec.ports
        if each.port == port
    }
    return tuple(found) if services else (port,)


@question
def strict_merging(mesh: Mesh, workload: Workload) -> bool:
    """Whether istiod keeps servers of other namespaces from pods that it made itself."""
    return has(control_plane_of(mesh, workload), Change.STRICT_MERGING)
