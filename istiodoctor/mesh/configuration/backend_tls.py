"""TLS from a gateway to its backends, as the objects set it for a cluster."""

from istiodoctor.mesh.configuration.cluster import ClusterName, UpstreamTls
from istiodoctor.mesh.configuration.registry_service import RegistryService
from istiodoctor.mesh.configuration.rules_in_force import rule_in_force
from istiodoctor.mesh.configuration.traffic_policies import upstream_tls
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.workloads import Workload


def tls_to_backend(
    mesh: Mesh, workload: Workload, service: RegistryService, name: ClusterName
) -> UpstreamTls | None:
    """Return how the rule in force says that TLS is spoken to the endpoints of a cluster.

    None where none says anything. Of a subset that no rule defines, what would be without one.
    """
    rule = rule_in_force(mesh, workload, service)
    return upstream_tls(rule, rule.subset(name.subset) if rule else None, name.port)
