"""What EnvoyFilters do to the clusters of a gateway workload.

istiod's own matching decides which clusters a patch is for
(pilot/pkg/networking/core/envoyfilter/cluster_patch.go:30-180).
"""

from istiodoctor.mesh.configuration.cluster import ClusterName
from istiodoctor.mesh.configuration.envoy_filter_patches import AppliedPatch, applied_patches
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload

ADD, REMOVE = "ADD", "REMOVE"


@question
def cluster_patches(mesh: Mesh, workload: Workload) -> tuple[AppliedPatch, ...]:
    """Return the patches that add, remove or change clusters of a workload."""
    return tuple(
        each
        for each in applied_patches(mesh, workload)
        if each.apply_to == "CLUSTER" or not each.is_readable
    )


def patch_text(patch: AppliedPatch, name: str, *, exists: bool) -> str:
    """Say what a patch does to a cluster that istiod makes, or does not; empty for nothing."""
    if not patch.is_readable:
        return f"{patch.place} cannot be read"
    if patch.operation == ADD:
        added = _name_in(patch)
        return f"{patch.place.ref} adds clusters" if not exists and added in ("", name) else ""
    if not exists or not _is_for(patch, name):
        return ""
    if patch.operation == REMOVE:
        return f"{patch.place.ref} removes clusters"
    return patch.says(f"the cluster {name}") if patch.is_merge else ""


def _name_in(patch: AppliedPatch) -> str:
    """Return the name of a cluster that is added; empty where it is not clear."""
    name = patch.value.get("name") if isinstance(patch.value, dict) else None
    return name if isinstance(name, str) else ""


def _is_for(patch: AppliedPatch, name: str) -> bool:
    match = patch.written.match.cluster
    if match is None or match.name == name:
        return True
    parts = ClusterName.parsed(name)
    if match.name or parts is None:
        return False
    return (
        match.subset in ("", parts.subset)
        and match.service in ("", parts.host)
        and match.port_number in (0, parts.port)
    )
