"""Filter chains of AUTO_PASSTHROUGH servers: one for each port of each Service.

Source: `builtAutoPassthroughFilterChains` (pilot/pkg/networking/core/gateway.go:1062-1138).
"""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.listener import FilterChain
from istiodoctor.mesh.configuration.registry_service import RegistryService
from istiodoctor.mesh.configuration.route import ClusterWeight
from istiodoctor.mesh.configuration.scope import Scope, scope_of
from istiodoctor.mesh.configuration.service_registry import (
    scope_service,
    service_entries_by_host,
)
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.names import is_subset
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.services import Service

ISTIO_PROTOCOLS = ("istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2")
"""What sidecars offer by ALPN; no other client does (core/tls.go, `allIstioMtlsALPNs`)."""


@question(Kind.SERVICE)
def services_in_mesh(mesh: Mesh, scope: Scope) -> tuple[RegistryService, ...]:
    """Return the services inside the mesh that a workload sees."""
    names = (
        f"{each.name}.{each.namespace}.svc.{scope.domain_suffix}" for each in mesh.all(Service)
    )
    hosts = dict.fromkeys((*names, *service_entries_by_host(mesh)))
    found = (scope_service(mesh, scope, host) for host in hosts)
    return tuple(each for each in found if each and not each.is_external)


def auto_passthrough_chains(
    mesh: Mesh, workload: Workload, server: Server, names: tuple[str, ...]
) -> Iterator[FilterChain]:
    """Yield the chains that lead sidecars of other clusters to Services by their SNI."""
    for service in services_in_mesh(mesh, scope_of(mesh, workload)):
        if not any(is_subset(service.hostname, each) for each in names or ("*",)):
            continue
        for port in service.clustered_ports:
            name = f"outbound_.{port.number}_._.{service.hostname}"
            yield FilterChain(
                server_names=(name,),
                application_protocols=ISTIO_PROTOCOLS,
                clusters=(ClusterWeight(name=name),),
                server=server,
                made_by=server.place,
                passes_tls=True,
            )
