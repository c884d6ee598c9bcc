"""TLS from a gateway to its backends, as the objects set it for a cluster."""

from istiodoctor.mesh.configuration.backend_tls_policies import policies_are_known
from istiodoctor.mesh.configuration.cluster import ClusterName, UpstreamTls
from istiodoctor.mesh.configuration.registry_service import RegistryService
from istiodoctor.mesh.configuration.rules_in_force import rule_in_force
from istiodoctor.mesh.configuration.scope import Scope
from istiodoctor.mesh.configuration.traffic_policies import upstream_tls
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import ISTIO_NETWORKING


def tls_to_backend(
    mesh: Mesh, workload: Workload, service: RegistryService, name: ClusterName
) -> UpstreamTls | None:
    """Return how the rule in force says that TLS is spoken to the endpoints of a cluster.

    None where none says anything. Of a subset that no rule defines, what would be without one.
    """
    rule = rule_in_force(mesh, workload, service)
    return upstream_tls(rule, rule.subset(name.subset) if rule else None, name.port)


def unread_policies(
    mesh: Mesh, scope: Scope, service: RegistryService, tls: UpstreamTls | None
) -> str:
    """Return what was not read and could set TLS in place of what is known; empty for nothing.

    BackendTLSPolicies are of the namespace of their backend.
    """
    is_written = tls is not None and tls.place.ref.group == ISTIO_NETWORKING
    if not scope.has_backend_policies or (is_written and scope.rules_override_policies):
        return ""
    if policies_are_known(mesh, service.namespace):
        return ""
    return f"not every BackendTLSPolicy in {service.namespace} was read"
