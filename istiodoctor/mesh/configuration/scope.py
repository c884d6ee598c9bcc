"""The namespace and istiod settings by which services and rules are chosen for a workload.

Workloads of one namespace and one control plane have equal scopes, and so share every answer
that is asked for by scope.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.visibility import default_audience
from istiodoctor.mesh.labels import NAME_LABEL, NETWORK_LABEL
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import (
    ControlPlane,
    control_plane_of,
    mesh_config,
    mesh_config_unknown_because,
)
from istiodoctor.mesh.workloads.grants import selects
from istiodoctor.mesh.workloads.names import CLUSTER_DOMAIN
from istiodoctor.mesh.workloads.releases import Change, has
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import LabelSelector, Namespace
from istiodoctor.model.meshconfig import DEFAULT_ROOT_NAMESPACE, EVERYWHERE, MeshConfig

DOMAIN_FLAG = "--domain"
ALIAS_VARIABLE = "ENABLE_EXTERNAL_NAME_ALIAS"
FILTER_VARIABLE = "PILOT_FILTER_GATEWAY_CLUSTER_CONFIG"
CLUSTER_VARIABLE = "CLUSTER_ID"
ONLY_CLUSTER = "Kubernetes"
"""What istiod calls its cluster unless it is told (pilot/pkg/features/pilot.go:67)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A namespace as one istiod sees it, and that istiod's settings."""

    namespace: str
    """Of the workload: from where things must be visible."""
    namespace_is_known: bool = True
    domain_suffix: str = CLUSTER_DOMAIN
    domain_is_known: bool = True
    """False where no istiod was found that says it: the usual one stands for it."""
    root_namespace: str = DEFAULT_ROOT_NAMESPACE
    service_export_to: frozenset[str] = EVERYWHERE
    destination_rule_export_to: frozenset[str] = EVERYWHERE
    hidden_namespaces: frozenset[str] = frozenset()
    """Namespaces that no discoverySelector of the mesh selects."""
    has_external_name_aliases: bool = True
    filters_clusters: bool = False
    """Whether a gateway gets clusters only of hosts that its routes name."""
    limits_service_entries: bool = False
    """Whether `serviceEntryVisibility` may narrow what ServiceEntries are exported to."""
    has_backend_policies: bool = True
    """Whether BackendTLSPolicies are read."""
    rules_override_policies: bool = True
    """Whether a DestinationRule for the same host counts before them."""
    other_clusters: str = ""
    """Why istiod may know Services and endpoints of other clusters too; empty where nothing says
    so. It merges Services of one name (serviceregistry/aggregate/controller.go:268, 297)."""
    unread: str = ""
    """Why the mesh configuration or the namespaces it selects are not known; the defaults stand in
    for it then."""


@question(Kind.NAMESPACE)
def _namespaces(mesh: Mesh) -> tuple[Namespace, ...]:
    return mesh.all(Namespace)


@question(Kind.NAMESPACE)
def _namespaces_are_known(mesh: Mesh) -> bool:
    return mesh.is_complete(Kind.NAMESPACE)


@question(
    evidence=[
        control_plane_of,
        mesh_config,
        mesh_config_unknown_because,
        _namespaces,
        _namespaces_are_known,
    ]
)
def scope_of(mesh: Mesh, workload: Workload) -> Scope:
    """Return what istiod's choice of services for a workload depends on."""
    plane = control_plane_of(mesh, workload)
    config = mesh_config(mesh, workload) or MeshConfig()
    unread = mesh_config_unknown_because(mesh, workload)
    if not unread and config.discovery_selectors and not _namespaces_are_known(mesh):
        unread = "not every Namespace was read, and the mesh has discoverySelectors"
    return Scope(
        namespace=workload.namespace,
        namespace_is_known=workload.is_known,
        domain_suffix=domain_suffix(plane),
        domain_is_known=plane is not None,
        root_namespace=config.configuration_namespace,
        service_export_to=default_audience(
            config.service_exports,
            takes_names=has(plane, Change.DEFAULT_EXPORTS_NAME_NAMESPACES),
        ),
        destination_rule_export_to=config.destination_rule_exports,
        hidden_namespaces=_hidden_namespaces(mesh, config.discovery_selectors),
        has_external_name_aliases=has_external_name_aliases(plane),
        filters_clusters=plane is not None and plane.setting(FILTER_VARIABLE) is True,
        limits_service_entries=config.service_entry_visibility.apply_to_sidecars,
        has_backend_policies=has(plane, Change.BACKEND_TLS_POLICIES_SERVED),
        rules_override_policies=has(plane, Change.RULES_OVERRIDE_BACKEND_POLICIES),
        other_clusters=_other_clusters(mesh, plane, config.configuration_namespace),
        unread=unread,
    )


def _other_clusters(mesh: Mesh, plane: ControlPlane | None, root_namespace: str) -> str:
    """Return what says that the mesh has several clusters: names that one alone does without.

    The Secrets of other clusters (`istio/multiCluster: "true"`) are not read.
    """
    containers = plane.workload.spec.containers if plane else ()
    names = (each.environment(CLUSTER_VARIABLE) for each in containers)
    own = next((each for each in names if each), ONLY_CLUSTER)
    if own != ONLY_CLUSTER:
        return f"istiod's {CLUSTER_VARIABLE} is {own}: the mesh may have other clusters"
    for each in _namespaces(mesh):
        if each.name == root_namespace and NETWORK_LABEL in each.metadata.labels:
            return f"{each.ref} has the label {NETWORK_LABEL}: the mesh may have other clusters"
    return ""


def domain_suffix(plane: ControlPlane | None) -> str:
    """Return the domain of Services' full names: istiod's `--domain` (pilot-discovery cmd.go:151).

    The mesh's trust domain is another thing.
    """
    for container in plane.workload.spec.containers if plane else ():
        for index, argument in enumerate(container.args):
            name, separator, value = argument.partition("=")
            if name == DOMAIN_FLAG:
                following = container.args[index + 1 : index + 2]
                return (value if separator else "".join(following)) or CLUSTER_DOMAIN
    return CLUSTER_DOMAIN


def has_external_name_aliases(plane: ControlPlane | None) -> bool:
    """Whether an ExternalName Service is another name for a host, as since Istio 1.21.

    Before, and with `ENABLE_EXTERNAL_NAME_ALIAS=false` as long as that was read, it is a service
    that is resolved by DNS.
    """
    if plane is None or plane.version is None:
        return True
    minor = plane.version.minor
    asked = plane.setting(ALIAS_VARIABLE)
    return minor >= 24 or (minor >= 21 if asked is None else asked)


def _hidden_namespaces(mesh: Mesh, selectors: tuple[LabelSelector, ...]) -> frozenset[str]:
    """Return the namespaces that selectors leave out (pkg/kube/namespace/filter.go:147)."""
    return frozenset(_unselected(_namespaces(mesh), selectors) if selectors else ())


def _unselected(
    namespaces: tuple[Namespace, ...], selectors: tuple[LabelSelector, ...]
) -> Iterator[str]:
    for each in namespaces:
        # The API server gives every namespace this label; manifests do not show it.
        labels = {NAME_LABEL: each.name, **each.metadata.labels}
        if not any(selects(selector, labels) for selector in selectors):
            yield each.name
