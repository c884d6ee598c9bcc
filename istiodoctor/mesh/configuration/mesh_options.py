"""What the mesh's and a pod's configuration set on every HTTP connection manager.

Source: pilot/pkg/networking/core/listener_builder.go:405-420 (paths), gateway.go:708-760
(trusted proxies, HTTP/1.0).
"""

from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.mesh.controlplanes import mesh_config, trusted_proxies
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.meshconfig import MeshConfig

HTTP10_VARIABLE = "ISTIO_META_HTTP10"
MERGING = frozenset({"MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"})


@question
def http_options(mesh: Mesh, workload: Workload) -> HttpOptions:
    """Return how a gateway's Envoy reads requests; the mesh's defaults where it was not read."""
    config = mesh_config(mesh, workload) or MeshConfig()
    normalization = config.path_normalization.normalization
    proxy = workload.proxy
    return HttpOptions(
        normalizes_path=normalization != "NONE",
        merges_slashes=normalization in MERGING,
        unescapes_slashes=normalization == "DECODE_AND_MERGE_SLASHES",
        accepts_http10=proxy is not None and proxy.environment(HTTP10_VARIABLE) == "1",
        trusted_hops=trusted_proxies(mesh, workload),
    )
