"""What the mesh as a whole forbids: AuthorizationPolicies, and namespaces istiod passes over."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.routed_clusters import routed_clusters
from istiodoctor.mesh.configuration.scope import scope_of
from istiodoctor.mesh.configuration.service_registry import kubernetes_name
from istiodoctor.mesh.configuration.virtual_services import virtual_services
from istiodoctor.mesh.gateways.listeners import istio_gateways, servers_by_workload
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.labels import NAME_LABEL
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization import is_dry_run
from istiodoctor.mesh.policies.authorization_policies import applying_policies
from istiodoctor.mesh.policies.authorization_rules import PolicyAction
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import control_planes, mesh_config, namespace_labels
from istiodoctor.mesh.workloads.grants import selects
from istiodoctor.mesh.workloads.service_ports import service_named
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.authorization import AuthorizationPolicy
from istiodoctor.model.istio import IstioGateway, VirtualService
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.kubernetes import LabelSelector
from istiodoctor.model.ref import Ref
from istiodoctor.model.services import Service

"""A label that the API server gives every namespace; manifests do not show it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeniedGateway:
    """A gateway at which no request is allowed."""

    policy: AuthorizationPolicy
    workload: Workload
    servers: tuple[Server, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HiddenNamespace:
    """A namespace with Gateways, VirtualServices or backends that istiod does not look at."""

    namespace: str
    labels: str
    """As `key=value`, separated by commas."""
    objects: tuple[IstioGateway | VirtualService | Service, ...]
    wanted: tuple[str, ...]
    """Labels, as `key=value`, that one of the selectors asks for; empty where none says them."""
    routed: tuple[str, ...] = ()
    """The hosts whose routes elsewhere lead to its Services."""

    @property
    def ref(self) -> Ref:
        """The namespace's name in messages."""
        return Ref(CORE, "Namespace", "", self.namespace)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of its VirtualServices, and of those that lead to its Services."""
        sources = (each for each in self.objects if isinstance(each, VirtualService))
        own = (host for each in sources for host in each.spec.hosts)
        return tuple(dict.fromkeys((*own, *self.routed)))


@question(Kind.AUTHORIZATION_POLICY)
def denied_gateways(mesh: Mesh) -> tuple[DeniedGateway, ...]:
    """Return the gateways to which an ALLOW policy without rules applies, and no other.

    Not judged where AuthorizationPolicies were not all read: another one may allow.
    """
    if not mesh.is_complete(Kind.AUTHORIZATION_POLICY):
        return ()
    return tuple(
        DeniedGateway(policy=applying[0], workload=workload, servers=servers)
        for workload, servers in servers_by_workload(mesh).items()
        if workload.is_known
        if (applying := policies_allowing(mesh, workload))
        and not any(policy.spec.rules for policy in applying)
    )


@question
def policies_allowing(mesh: Mesh, workload: Workload) -> tuple[AuthorizationPolicy, ...]:
    """Return the ALLOW policies in force at a gateway: the mesh's and its namespace's."""
    found = applying_policies(mesh, workload).of(PolicyAction.ALLOW)
    return tuple(each for each in found if not is_dry_run(each))


@question
def hidden_namespaces(mesh: Mesh) -> tuple[HiddenNamespace, ...]:
    """Return the namespaces with what routes need that no discoverySelector takes.

    The namespaces of istiod itself are left out: some releases look there in any case.
    """
    selectors = _discovery_selectors(mesh)
    if not selectors:
        return ()
    backends = _backends_by_namespace(mesh)
    objects: dict[str, list[IstioGateway | VirtualService | Service]] = defaultdict(list)
    for gateway in istio_gateways(mesh):
        objects[gateway.namespace].append(gateway)
    for source in virtual_services(mesh):
        if source.spec.gateways:
            objects[source.namespace].append(source)
    for namespace, services in backends.items():
        objects[namespace] += services
    own = {plane.namespace for plane in control_planes(mesh)}
    return tuple(
        HiddenNamespace(
            namespace=namespace,
            labels=", ".join(f"{key}={value}" for key, value in sorted(labels.items())),
            objects=tuple(found),
            wanted=_wanted_labels(selectors),
            routed=tuple(host for hosts in backends[namespace].values() for host in hosts)
            if namespace in backends
            else (),
        )
        for namespace, found in objects.items()
        if namespace not in own
        and (labels := namespace_labels(mesh, namespace)) is not None
        and not any(selects(each, {NAME_LABEL: namespace, **labels}) for each in selectors)
    )


def _backends_by_namespace(mesh: Mesh) -> Mapping[str, Mapping[Service, list[str]]]:
    """Return the Services that routes lead to and istiod has not, with the hosts of the routes."""
    found: dict[str, dict[Service, list[str]]] = defaultdict(dict)
    for routed in routed_clusters(mesh):
        name = kubernetes_name(routed.name.host, scope_of(mesh, routed.workload).domain_suffix)
        if (
            routed.kubernetes_service is None
            and name
            and (service := service_named(mesh, name[1], name[0]))
        ):
            hosts = found[service.namespace].setdefault(service, [])
            for use in routed.uses:
                hosts += use.virtual_service.spec.hosts
    return found


def _discovery_selectors(mesh: Mesh) -> tuple[LabelSelector, ...]:
    """Return the selectors of the mesh; none where gateways of several meshes differ."""
    configured = [
        config.discovery_selectors
        for workload in servers_by_workload(mesh)
        if (config := mesh_config(mesh, workload))
    ]
    return (
        configured[0] if configured and configured.count(configured[0]) == len(configured) else ()
    )


def _wanted_labels(selectors: tuple[LabelSelector, ...]) -> tuple[str, ...]:
    labelled: Iterator[Mapping[str, str]] = (e.match_labels for e in selectors if e.match_labels)
    return tuple(f"{key}={value}" for key, value in next(labelled, {}).items())
