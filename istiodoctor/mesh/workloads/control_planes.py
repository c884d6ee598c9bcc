"""Which istiod configures a gateway, and with what mesh configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads.workloads import (
    DEFAULT_REVISION,
    REVISION_LABEL,
    Workload,
    workloads,
)
from istiodoctor.model.kind import APPS, CORE, Kind
from istiodoctor.model.kubernetes import ConfigMap, Namespace
from istiodoctor.model.meshconfig import (
    DEFAULT_ROOT_NAMESPACE,
    ConnectionSettings,
    MeshConfig,
    ProxyConfig,
    decode_mesh_config,
    decode_proxy_config,
    mesh_config_fault,
)
from istiodoctor.model.pods import PodSpec
from istiodoctor.model.ref import Place, Ref

ISTIO_NAMESPACE = "istio-system"
EDGE = "EDGE"
UNSET = frozenset(
    {"", "PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED", "HEADERS_WITH_UNDERSCORES_UNSPECIFIED"}
)
EDGE_SLASHES = "UNESCAPE_AND_REDIRECT"
EDGE_UNDERSCORES = "HEADERS_WITH_UNDERSCORES_REJECT_REQUEST"
SCOPE_FLAG = "PILOT_SCOPE_GATEWAY_TO_NAMESPACE"
TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
"""What Go's `strconv.ParseBool` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """One istiod Deployment: its revision and version."""

    namespace: str
    revision: str
    version: Version | None
    workload: Workload = field(compare=False)

    @property
    def names_revision(self) -> bool:
        """Whether it is known which revision it is."""
        return REVISION_LABEL in self.workload.labels

    @property
    def confines_gateways(self) -> bool:
        """Whether Gateways apply to pods of their own namespace only."""
        containers = self.workload.spec.containers
        return any(each.environment(SCOPE_FLAG) == "true" for each in containers)

    def setting(self, variable: str) -> bool | None:
        """Return a variable of its environment, as Go reads a boolean; None where it is unset."""
        values = (each.environment(variable) for each in self.workload.spec.containers)
        text = next((each for each in values if each), "")
        return True if text in TRUE else False if text in FALSE else None


@question
def control_planes(mesh: Mesh) -> tuple[ControlPlane, ...]:
    """Return every istiod found.

    Where there is none among the objects, the one whose version the user gave.
    """
    given = mesh.facts.istio_version
    found = tuple(
        ControlPlane(
            namespace=each.namespace,
            revision=each.labels.get(REVISION_LABEL, DEFAULT_REVISION),
            version=next(
                (v for c in each.spec.containers if (v := Version.of_image(c.image))), given
            ),
            workload=each,
        )
        for each in workloads(mesh)
        if each.labels.get("app") == "istiod"
    )
    return found if found or given is None else (_unseen(given),)


def _unseen(version: Version) -> ControlPlane:
    """Return an istiod of which nothing but the version is known."""
    labels = {"app": "istiod"}
    workload = Workload(
        namespace=ISTIO_NAMESPACE,
        owner=Ref(APPS, "Deployment", ISTIO_NAMESPACE, "istiod"),
        labels=labels,
        annotations={},
        spec=PodSpec(),
        selected_by=frozenset(labels.items()),
    )
    return ControlPlane(
        namespace=ISTIO_NAMESPACE, revision=DEFAULT_REVISION, version=version, workload=workload
    )


@question
def control_plane_of(mesh: Mesh, workload: Workload) -> ControlPlane | None:
    """Return the istiod that a gateway talks to; None when it cannot be told."""
    planes = control_planes(mesh)
    same = [each for each in planes if each.revision == workload.revision]
    if same:
        return same[0]
    return planes[0] if len({each.version for each in planes}) == 1 else None


@question
def revision_of(mesh: Mesh, workload: Workload) -> str:
    """Return the revision of the istiod of a gateway; empty where that is not known.

    Objects with a label `istio.io/rev` of another value do not exist for that istiod: it compares
    the text, and knows no tags (`LabelsInRevision`, pkg/config/model.go:111; `inRevision`,
    pilot/pkg/config/kube/crdclient/client.go:439).
    """
    plane = control_plane_of(mesh, workload)
    if plane is None or not plane.names_revision:
        return ""
    is_sure = plane.revision == workload.revision or len(control_planes(mesh)) == 1
    return plane.revision if is_sure else ""


@question(Kind.POD)
def known_revisions(mesh: Mesh) -> frozenset[str]:
    """Return the revisions of all istiods; none where one may be unknown."""
    planes = control_planes(mesh)
    if not mesh.is_complete(Kind.POD) or not all(each.names_revision for each in planes):
        return frozenset()
    return frozenset(each.revision for each in planes)


def is_of_no_revision(mesh: Mesh, labels: Mapping[str, str]) -> bool:
    """Whether every istiod passes an object over, for its label names another revision."""
    label = labels.get(REVISION_LABEL)
    if label is None:
        return False
    revisions = known_revisions(mesh)
    return bool(revisions) and label not in revisions


@question
def istiod_version(mesh: Mesh, workload: Workload) -> Version | None:
    """Return the version of the istiod that configures a gateway."""
    plane = control_plane_of(mesh, workload)
    return plane.version if plane else None


@question(Kind.CONFIG_MAP)
def mesh_config(mesh: Mesh, workload: Workload) -> MeshConfig | None:
    """Return the mesh configuration in force for a gateway; None when it was not read.

    Each revision has a ConfigMap of its own (`getMeshConfigMapName`, pilot/pkg/bootstrap/mesh.go).
    """
    found = _mesh_config_map(mesh, workload)
    return decode_mesh_config(found.data.get("mesh", "")) if found else None


def root_namespace(mesh: Mesh, workload: Workload) -> str:
    """Return the namespace whose policies hold for the whole mesh, the usual one by default."""
    config = mesh_config(mesh, workload)
    return config.configuration_namespace if config else DEFAULT_ROOT_NAMESPACE


@question(Kind.CONFIG_MAP)
def mesh_config_unknown_because(mesh: Mesh, workload: Workload) -> str:
    """Return why a gateway's mesh configuration is not known; empty where it is.

    It is where there is no ConfigMap too: istiod's own defaults are in force then.
    """
    namespace, name = _mesh_config_name(mesh, workload)
    found = _mesh_config_map(mesh, workload)
    if found:
        fault = mesh_config_fault(found.data.get("mesh", ""))
        return f"ConfigMap {namespace}/{name} does not parse: {fault}" if fault else ""
    if mesh.is_complete(Kind.CONFIG_MAP, namespace, name):
        return ""
    return f"ConfigMap {namespace}/{name} was not read"


@question
def mesh_config_ref(mesh: Mesh, workload: Workload) -> Ref:
    """Return the ConfigMap with a gateway's mesh configuration, whether or not there is one."""
    return Ref(CORE, "ConfigMap", *_mesh_config_name(mesh, workload))


@question(Kind.CONFIG_MAP)
def mesh_config_place(mesh: Mesh, workload: Workload) -> Place | None:
    """Return where a gateway's mesh configuration is written; None where there is no ConfigMap."""
    found = _mesh_config_map(mesh, workload)
    return found.at("/data/mesh") if found else None


@question(Kind.CONFIG_MAP)
def _mesh_config_map(mesh: Mesh, workload: Workload) -> ConfigMap | None:
    return mesh.get(ConfigMap, *_mesh_config_name(mesh, workload))


def _mesh_config_name(mesh: Mesh, workload: Workload) -> tuple[str, str]:
    plane = control_plane_of(mesh, workload)
    if plane is None:
        return ISTIO_NAMESPACE, "istio"
    has_own = plane.revision not in ("", DEFAULT_REVISION)
    return plane.namespace, f"istio-{plane.revision}" if has_own else "istio"


@question
def proxy_config(mesh: Mesh, workload: Workload) -> ProxyConfig | None:
    """Return a gateway's proxy configuration: the pod's annotation, or the mesh's default.

    None where the annotation does not decide and the mesh's default was not read.
    """
    text = workload.annotations.get("proxy.istio.io/config")
    own = decode_proxy_config(text) if text else None
    if own and own.gateway_topology is not None:
        return own
    config = mesh_config(mesh, workload)
    return config.default_config if config else None


@question
def connection_settings(mesh: Mesh, workload: Workload) -> ConnectionSettings:
    """Return a gateway's connection settings, those of its profile filled in.

    Source: `resolveConnectionSettings`, `applyEdgeProfileDefaults`
    (pilot/pkg/networking/core/connection_settings.go:33-91).
    """
    text = workload.annotations.get("proxy.istio.io/config")
    own = decode_proxy_config(text) if text else None
    config = mesh_config(mesh, workload)
    written = (own and own.connection_settings) or (
        config.default_config.connection_settings if config else None
    )
    if written is None or written.profile != EDGE:
        return written or ConnectionSettings()
    slashes, underscores = (
        written.http_path_with_escaped_slashes_action,
        written.http_headers_with_underscores_action,
    )
    return ConnectionSettings(
        profile=EDGE,
        http_merge_slashes=written.http_merge_slashes is not False,
        http_path_with_escaped_slashes_action=EDGE_SLASHES if slashes in UNSET else slashes,
        http_headers_with_underscores_action=EDGE_UNDERSCORES
        if underscores in UNSET
        else underscores,
    )


@question
def trusted_proxies(mesh: Mesh, workload: Workload) -> int | None:
    """Return `numTrustedProxies` of a gateway.

    None when the mesh configuration was not read.
    """
    config = proxy_config(mesh, workload)
    if config is None:
        return None
    return config.gateway_topology.num_trusted_proxies if config.gateway_topology else 0


@question(Kind.NAMESPACE)
def namespace_labels(mesh: Mesh, name: str) -> Mapping[str, str] | None:
    """Return a namespace's labels; None when it was not read."""
    found = mesh.get(Namespace, "", name)
    return found.metadata.labels if found else None


@question(Kind.NAMESPACE)
def namespace_exists(mesh: Mesh, name: str) -> bool | None:
    """Whether a namespace exists; None when it cannot be told."""
    if mesh.get(Namespace, "", name):
        return True
    return False if mesh.is_complete(Kind.NAMESPACE, "", name) else None
