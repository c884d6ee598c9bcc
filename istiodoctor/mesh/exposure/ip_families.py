"""Services with addresses of IPv6 before gateways that listen on IPv4 alone.

Source: `getWildcardsAndLocalHost` (pilot/pkg/networking/core/listener_address.go), the variable
ISTIO_DUAL_STACK (pilot/pkg/features/experimental.go:193) and gateway.go:145: without it, pods that
have addresses of both families get listeners on 0.0.0.0.
"""

from dataclasses import dataclass

from istiodoctor.mesh.configuration.listener_addresses import own_addresses
from istiodoctor.mesh.exposure.services import OUTSIDE_TYPES
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import control_plane_of
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.services import Service

IPV6 = "IPv6"
BOTH = "RequireDualStack"
DUAL_STACK = "ISTIO_DUAL_STACK"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnheardFamily:
    """A Service with addresses of IPv6 whose pods listen on IPv4 alone."""

    service: Service
    workload: Workload
    servers: tuple[Server, ...]
    is_only_family: bool
    """Whether the Service has no address of IPv4."""
    is_certain: bool
    """Whether the istiod that configures the pods, and so its setting, was read, and the
    Service's families."""


@question
def unheard_families(mesh: Mesh) -> tuple[UnheardFamily, ...]:
    """Return the Services for the outside that lead IPv6 to pods that listen on IPv4 alone."""
    return tuple(
        UnheardFamily(
            service=service,
            workload=workload,
            servers=unbound,
            is_only_family=set(service.spec.ip_families) == {IPV6},
            is_certain=plane is not None and _is_of_ipv6(service),
        )
        for workload, servers in servers_by_workload(mesh).items()
        if workload.is_known
        for service in services_of(mesh, workload)
        if service.spec.type in OUTSIDE_TYPES
        and (_is_of_ipv6(service) or _has_ipv6_address(service))
        if _listens_on_ipv4(workload)
        for plane in (control_plane_of(mesh, workload),)
        if plane is None or not plane.setting(DUAL_STACK)
        if (unbound := tuple(each for each in servers if not each.bind))
    )


def _is_of_ipv6(service: Service) -> bool:
    return IPV6 in service.spec.ip_families or service.spec.ip_family_policy == BOTH


def _has_ipv6_address(service: Service) -> bool:
    """Whether a load balancer has such an address, of a Service whose families were not read.

    Of one that is of IPv4 alone the load balancer itself turns IPv6 into IPv4.
    """
    if service.spec.ip_families:
        return False
    given = (each.ip for each in service.status.load_balancer.ingress)
    return any(":" in each for each in (*given, *service.spec.external_ips))


def _listens_on_ipv4(workload: Workload) -> bool:
    """Whether a listener that binds no address of its own binds 0.0.0.0.

    It does unless the pods have nothing but IPv6; where their addresses were not read, a Service
    of both families says that they have both.
    """
    own = own_addresses(workload.pods)
    return not own or any(":" not in each for each in own)
