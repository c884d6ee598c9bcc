"""What the mesh's and a pod's configuration set on every HTTP connection manager.

Source: pilot/pkg/networking/core/listener_builder.go:405-420 (paths), gateway.go:708-760
(trusted proxies, HTTP/1.0), connection_settings.go:104-173.
"""

from msgspec.structs import replace

from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import (
    UNSET,
    connection_settings,
    control_plane_of,
    mesh_config,
    trusted_proxies,
)
from istiodoctor.mesh.workloads.releases import Change, has
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.meshconfig import ConnectionSettings, MeshConfig

HTTP10_VARIABLE = "ISTIO_META_HTTP10"
UNDERSCORES = "HEADERS_WITH_UNDERSCORES_"
"""How the names of what is done with them begin in Istio's API."""
MERGING = frozenset({"MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"})


@question
def http_options(mesh: Mesh, workload: Workload) -> HttpOptions:
    """Return how a gateway's Envoy reads requests; the mesh's defaults where it was not read."""
    config = mesh_config(mesh, workload) or MeshConfig()
    normalization = config.path_normalization.normalization
    proxy = workload.proxy
    options = HttpOptions(
        normalizes_path=normalization != "NONE",
        merges_slashes=normalization in MERGING,
        unescapes_slashes=normalization == "DECODE_AND_MERGE_SLASHES",
        accepts_http10=proxy is not None and proxy.environment(HTTP10_VARIABLE) == "1",
        trusted_hops=trusted_proxies(mesh, workload),
    )
    is_read = has(control_plane_of(mesh, workload), Change.CONNECTION_SETTINGS_READ)
    return _with(options, connection_settings(mesh, workload)) if is_read else options


def _with(options: HttpOptions, settings: ConnectionSettings) -> HttpOptions:
    """Return options as connection settings change them: these go before the mesh's own."""
    if settings.http_merge_slashes is not None:
        options = replace(options, merges_slashes=settings.http_merge_slashes)
    if settings.http_path_with_escaped_slashes_action not in UNSET:
        options = options.with_escaped_slashes(settings.http_path_with_escaped_slashes_action)
    if settings.http_headers_with_underscores_action not in UNSET:
        action = settings.http_headers_with_underscores_action.removeprefix(UNDERSCORES)
        options = options.with_underscores(action)
    return options
