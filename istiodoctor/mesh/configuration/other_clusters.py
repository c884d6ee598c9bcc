"""What other clusters of the mesh may have of a Service, though this one has it not.

istiod merges Services of one name, and their endpoints
(pilot/pkg/serviceregistry/aggregate/controller.go:268, 297).
"""

from msgspec.structs import replace

from istiodoctor.mesh.configuration.cluster import Cluster, ClusterFault, ClusterState
from istiodoctor.mesh.configuration.scope import Scope


def in_all_clusters(scope: Scope, found: Cluster) -> Cluster:
    """Return what is known of a cluster where Services of other clusters are added to this one's.

    A Service that this one has not, or without endpoints here, may have them there.
    """
    is_without = found.state is ClusterState.NO_ENDPOINT and found.endpoints == 0
    is_missing = found.state is ClusterState.NO_CLUSTER and found.fault is ClusterFault.NO_SERVICE
    is_service = found.service is not None and found.service.kind == "Service"
    if not (scope.other_clusters and is_service and (is_without or is_missing)):
        return found
    return replace(
        found,
        state=ClusterState.UNKNOWN,
        state_here=found.state,
        reason=f"{found.reason}, and {scope.other_clusters}",
        service=None if is_missing else found.service,
        endpoints=None,
    )
