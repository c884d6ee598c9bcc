"""BackendTLSPolicies as istiod reads them: DestinationRules of its own making.

Source: pilot/pkg/config/kube/gateway/backend_policies.go:122-311 (`DestinationRuleCollection`),
496-676 (`BackendTLSPolicyCollection`), 678-757 (the CA).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.placed_policies import WHOLE
from istiodoctor.mesh.configuration.registry_service import hosts_of
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.backend_tls_policy import (
    BackendTarget,
    BackendTlsPolicy,
    BackendValidation,
)
from istiodoctor.model.istio import (
    ClientTls,
    DestinationRule,
    DestinationRuleSpec,
    PortPolicy,
    PortSelector,
    ServiceEntry,
    TrafficPolicy,
)
from istiodoctor.model.kind import CORE, ISTIO_NETWORKING, Kind
from istiodoctor.model.metadata import Metadata
from istiodoctor.model.ref import Place, Ref
from istiodoctor.model.services import Service

IGNORING_ANNOTATION = "istio.io/ignore-policy-attachment"
CONFIG_MAP = "configmap://"
NO_CA = "invalid://"
"""The CA that istiod writes where a reference leads to none it takes: nothing is trusted then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPart:
    """What one policy says of one target."""

    policy: BackendTlsPolicy
    target: BackendTarget


class PolicyRule(DestinationRule, frozen=True, kw_only=True):
    """The DestinationRule that istiod makes of the BackendTLSPolicies of one host."""

    made_by: Ref
    """The oldest policy: what to name, as no such DestinationRule can be seen."""
    places: tuple[tuple[int, Place], ...]
    """Where the TLS settings of each port stand; those of all ports under 0."""

    @property
    def ref(self) -> Ref:
        """The policy."""
        return self.made_by

    @property
    def age_order(self) -> tuple[str, str, str]:
        """Before all others: istiod gives it no creation time."""
        return ("", "", self.namespace)

    def at(self, path: str = "") -> Place:
        """Return the policy, which has other fields."""
        return Place(self.made_by)


@question(Kind.BACKEND_TLS_POLICY)
def policy_rules(mesh: Mesh, domain_suffix: str) -> tuple[PolicyRule, ...]:
    """Return what istiod makes of BackendTLSPolicies, one rule for each backend and host.

    Of several policies for one target the oldest counts (backend_policies.go:172, 984).
    """
    parts: dict[Ref, list[PolicyPart]] = defaultdict(list)
    for policy in sorted(mesh.all(BackendTlsPolicy), key=lambda each: each.age_order):
        if policy.metadata.annotations.get(IGNORING_ANNOTATION, "").lower() != "true":
            for target in policy.spec.target_refs:
                kind, group = target.kind, target.group
                backend = Ref(group, kind, policy.namespace, target.name)
                parts[backend].append(PolicyPart(policy=policy, target=target))
    return tuple(
        rule
        for backend, found in parts.items()
        for hosts, ports in (_backend(mesh, backend, domain_suffix),)
        if (settings := _settings(found, ports))
        for host in hosts
        for rule in (_rule(backend, host, settings),)
    )


@question(Kind.BACKEND_TLS_POLICY)
def policies_are_known(mesh: Mesh, namespace: str) -> bool:
    """Whether a BackendTLSPolicy of a namespace that is not here does not exist."""
    return mesh.is_complete(Kind.BACKEND_TLS_POLICY, namespace)


@question(Kind.SERVICE, Kind.SERVICE_ENTRY)
def _backend(
    mesh: Mesh, backend: Ref, domain_suffix: str
) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """Return the hosts of a target and its ports by name; nothing of one that istiod has not."""
    namespace, name = backend.namespace, backend.name
    if (backend.group, backend.kind) == (CORE, "Service"):
        service = mesh.get(Service, namespace, name)
        if service:
            ports = {each.name: each.port for each in service.spec.ports}
            return (f"{name}.{namespace}.svc.{domain_suffix}",), ports
    if (backend.group, backend.kind) == (ISTIO_NETWORKING, "ServiceEntry"):
        entry = mesh.get(ServiceEntry, namespace, name)
        if entry:
            return tuple(hosts_of(entry)), {each.name: each.number for each in entry.spec.ports}
    return (), {}


def _settings(parts: list[PolicyPart], ports: Mapping[str, int]) -> Mapping[int, BackendTlsPolicy]:
    """Return the policy that counts for each port; a section that is no port is no target."""
    found: dict[int, BackendTlsPolicy] = {}
    for each in parts:
        section = each.target.section_name
        number = ports.get(section) if section else WHOLE
        if number is not None:
            found.setdefault(number, each.policy)
    return found


def _rule(backend: Ref, host: str, settings: Mapping[int, BackendTlsPolicy]) -> PolicyRule:
    whole = settings.get(WHOLE)
    policy = TrafficPolicy(
        tls=client_tls(whole) if whole else None,
        port_level_settings=tuple(
            PortPolicy(port=PortSelector(number=number), tls=client_tls(each))
            for number, each in sorted(settings.items())
            if number != WHOLE
        ),
    )
    return PolicyRule(
        metadata=Metadata(namespace=backend.namespace, name=backend.name),
        spec=DestinationRuleSpec(host=host, traffic_policy=policy),
        made_by=next(iter(settings.values())).ref,
        places=tuple((n, each.at("/spec/validation")) for n, each in settings.items()),
    )


def client_tls(policy: BackendTlsPolicy) -> ClientTls:
    """Return how a policy has TLS spoken (backend_policies.go:543-551)."""
    validation = policy.spec.validation
    return ClientTls(
        mode="SIMPLE",
        sni=validation.hostname,
        subject_alt_names=tuple(_names(validation)),
        credential_name=_ca_reference(validation, policy.namespace),
    )


def _names(validation: BackendValidation) -> Iterator[str]:
    for each in validation.subject_alt_names:
        if each.type in ("Hostname", "URI"):
            yield each.hostname if each.type == "Hostname" else each.uri


def _ca_reference(validation: BackendValidation, namespace: str) -> str:
    """Return the CA: of well-known ones and without any the operating system's.

    The first reference alone counts, and only to a ConfigMap. Whether that one is there and has a
    certificate is not looked at.
    """
    if validation.well_known_ca_certificates is not None or not validation.ca_certificate_refs:
        return ""
    first = validation.ca_certificate_refs[0]
    is_config_map = (first.group or CORE, first.kind) == (CORE, "ConfigMap")
    return f"{CONFIG_MAP}{namespace}/{first.name}" if is_config_map else NO_CA
