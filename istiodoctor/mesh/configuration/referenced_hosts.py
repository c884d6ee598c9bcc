"""The hosts that routes name: with PILOT_FILTER_GATEWAY_CLUSTER_CONFIG only they have clusters.

Source: `GatewayServices`, `virtualServiceDestinations` (pilot/pkg/model/push_context.go:882, 807).
"""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.missing_services import external_names
from istiodoctor.mesh.configuration.registry_service import Registry, RegistryService
from istiodoctor.mesh.configuration.scope import Scope
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.names import resolved_host
from istiodoctor.model.istio import VirtualService
from istiodoctor.model.kind import Kind


@question(Kind.VIRTUAL_SERVICE)
def hosts_in_virtual_services(mesh: Mesh, domain_suffix: str) -> frozenset[str]:
    """Return the full name of each host that a VirtualService leads to."""
    return frozenset(
        resolved_host(host, each.namespace, domain_suffix)
        for each in mesh.all(VirtualService)
        for host in _destinations(each)
    )


@question(Kind.VIRTUAL_SERVICE)
def virtual_services_are_known(mesh: Mesh) -> bool:
    """Whether a VirtualService that is not here does not exist."""
    return mesh.is_complete(Kind.VIRTUAL_SERVICE)


def is_named_by_alias_only(mesh: Mesh, scope: Scope, service: RegistryService) -> bool:
    """Whether routes lead to a service by the name of an ExternalName Service alone.

    What is asked for is named by a route: only through an alias is it by another name.
    """
    if service.registry is not Registry.SERVICE_ENTRY or not virtual_services_are_known(mesh):
        return False
    if service.hostname not in external_names(mesh):
        return False
    return service.hostname not in hosts_in_virtual_services(mesh, scope.domain_suffix)


def _destinations(source: VirtualService) -> Iterator[str]:
    spec = source.spec
    for http in spec.http:
        yield from (each.destination.host for each in http.route)
        mirrors = (http.mirror, *(each.destination for each in http.mirrors))
        yield from (each.host for each in mirrors if each)
    for tls in spec.tls:
        yield from (each.destination.host for each in tls.route)
    for tcp in spec.tcp:
        yield from (each.destination.host for each in tcp.route)
