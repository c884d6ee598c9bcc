"""What the mesh as a whole forbids: AuthorizationPolicies, and namespaces istiod passes over."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.attachments import AttachmentQuestions
from istiodoctor.mesh.grants import selects
from istiodoctor.mesh.question import question
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.istio import AuthorizationPolicy, IstioGateway, VirtualService
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.kubernetes import LabelSelector
from istiodoctor.model.ref import Ref

ROOT_NAMESPACE = "istio-system"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeniedGateway:
    """A gateway at which no request is allowed."""

    policy: AuthorizationPolicy
    workload: Workload
    servers: tuple[Server, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HiddenNamespace:
    """A namespace with Gateways or VirtualServices that istiod does not look at."""

    namespace: str
    labels: str
    """As `key=value`, separated by commas."""
    objects: tuple[IstioGateway | VirtualService, ...]
    wanted: tuple[str, ...]
    """Labels, as `key=value`, that one of the selectors asks for; empty where none says them."""

    @property
    def ref(self) -> Ref:
        """The namespace's name in messages."""
        return Ref(CORE, "Namespace", "", self.namespace)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of its VirtualServices."""
        sources = (each for each in self.objects if isinstance(each, VirtualService))
        return tuple(dict.fromkeys(host for each in sources for host in each.spec.hosts))


class PolicyQuestions(AttachmentQuestions):
    """Whole requests and whole namespaces, refused."""

    @question(Kind.AUTHORIZATION_POLICY)
    def _allowing_policies(self) -> Mapping[str, tuple[AuthorizationPolicy, ...]]:
        found: dict[str, list[AuthorizationPolicy]] = defaultdict(list)
        for policy in self._all(AuthorizationPolicy):
            if policy.spec.action in ("", "ALLOW"):
                found[policy.namespace].append(policy)
        return {namespace: tuple(policies) for namespace, policies in found.items()}

    @question(
        Kind.AUTHORIZATION_POLICY,
        rests_on=[_allowing_policies, AttachmentQuestions.servers_by_workload],
    )
    def denied_gateways(self) -> tuple[DeniedGateway, ...]:
        """Return the gateways to which an ALLOW policy without rules applies, and no other.

        Not judged where AuthorizationPolicies were not all read: another one may allow.
        """
        if not self._is_complete(Kind.AUTHORIZATION_POLICY):
            return ()
        return tuple(
            DeniedGateway(policy=applying[0], workload=workload, servers=servers)
            for workload, servers in self.servers_by_workload().items()
            if workload.is_known
            if (applying := self._applying(workload))
            and not any(policy.spec.rules for policy in applying)
        )

    def _applying(self, workload: Workload) -> tuple[AuthorizationPolicy, ...]:
        policies = self._allowing_policies()
        return tuple(
            policy
            for namespace in dict.fromkeys((ROOT_NAMESPACE, workload.namespace))
            for policy in policies.get(namespace, ())
            if not policy.spec.selector
            or policy.spec.selector.match_labels.items() <= workload.labels.items()
        )

    @question(
        rests_on=[
            AttachmentQuestions.mesh_config,
            AttachmentQuestions.servers_by_workload,
            AttachmentQuestions.istio_gateways,
            AttachmentQuestions.virtual_services,
            AttachmentQuestions.namespace_labels,
        ]
    )
    def hidden_namespaces(self) -> tuple[HiddenNamespace, ...]:
        """Return the namespaces with routing configuration that no discoverySelector takes."""
        selectors = self._discovery_selectors()
        if not selectors:
            return ()
        objects: dict[str, list[IstioGateway | VirtualService]] = defaultdict(list)
        for gateway in self.istio_gateways():
            objects[gateway.namespace].append(gateway)
        for source in self.virtual_services():
            if source.spec.gateways:
                objects[source.namespace].append(source)
        return tuple(
            HiddenNamespace(
                namespace=namespace,
                labels=", ".join(f"{key}={value}" for key, value in sorted(labels.items())),
                objects=tuple(found),
                wanted=_wanted_labels(selectors),
            )
            for namespace, found in objects.items()
            if (labels := self.namespace_labels(namespace)) is not None
            and not any(selects(each, labels) for each in selectors)
        )

    def _discovery_selectors(self) -> tuple[LabelSelector, ...]:
        """Return the selectors of the mesh; none where gateways of several meshes differ."""
        configured = [
            config.discovery_selectors
            for workload in self.servers_by_workload()
            if (config := self.mesh_config(workload))
        ]
        return (
            configured[0]
            if configured and configured.count(configured[0]) == len(configured)
            else ()
        )


def _wanted_labels(selectors: tuple[LabelSelector, ...]) -> tuple[str, ...]:
    labelled: Iterator[Mapping[str, str]] = (e.match_labels for e in selectors if e.match_labels)
    return tuple(f"{key}={value}" for key, value in next(labelled, {}).items())
