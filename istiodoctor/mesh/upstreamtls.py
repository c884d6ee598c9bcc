"""TLS between the gateway and its backends: DestinationRules against what the backends speak."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.virtual_services import is_exported
from istiodoctor.mesh.controlplanes import control_plane_of, namespace_labels
from istiodoctor.mesh.destination_uses import DestinationUse
from istiodoctor.mesh.destinations import (
    Resolution,
    destination_rule_hosts,
    destination_rules,
    destination_rules_are_known,
    destinations,
)
from istiodoctor.mesh.hosts import full_name
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.misrouting import routing_workloads
from istiodoctor.mesh.question import question
from istiodoctor.mesh.references import AUTHORITY_SUFFIX
from istiodoctor.mesh.workloads import Workload, selected
from istiodoctor.model.istio import (
    ClientTls,
    DestinationRule,
    PeerAuthentication,
    TrafficPolicy,
)
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import ServicePort
from istiodoctor.model.ref import Place

ROOT_NAMESPACE = "istio-system"
AMBIENT_LABEL = "istio.io/dataplane-mode"
PLAIN_MODES = frozenset({"", "DISABLE"})
TLS_TARGETS = frozenset({443, 4443, 6443, 8443, 9443, "https", "tls"})
PLAIN_TARGETS = frozenset({80, 3000, 5000, 8000, 8080, 8081, 9080, "http"})
"""Ports that by custom speak one or the other; names are those of container ports."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UpstreamTls:
    """How a gateway speaks to one destination."""

    use: DestinationUse
    resolution: Resolution
    workload: Workload
    tls: ClientTls | None = None
    """The DestinationRule's settings in force; None where none says anything."""
    place: Place | None = None
    """Where they stand."""
    rule: DestinationRule | None = None

    @property
    def mode(self) -> str:
        """The mode in force, upper case; empty without settings."""
        return (self.tls.mode or "DISABLE").upper() if self.tls else ""


@question
def upstream_tls(mesh: Mesh) -> tuple[UpstreamTls, ...]:
    """Return how gateway workloads speak to destinations whose TLS a DestinationRule sets."""
    if not destination_rule_hosts(mesh):
        return ()
    return tuple(
        found
        for use, resolution in destinations(mesh)
        if destination_rules(mesh, resolution.fqdn)
        for workload in routing_workloads(mesh, use.virtual_service)
        if (found := _upstream(mesh, use, resolution, workload)).tls
    )


@question
def plain_to_tls(mesh: Mesh) -> tuple[UpstreamTls, ...]:
    """Return how gateway workloads send plain HTTP to ports that look like TLS.

    Not judged where DestinationRules were not all read: one may set TLS.
    """
    if not destination_rules_are_known(mesh):
        return ()
    return tuple(
        found
        for use, resolution in destinations(mesh)
        if use.protocol == "http" and resolution.port and speaks_tls(resolution.port)
        for workload in routing_workloads(mesh, use.virtual_service)
        if (found := _upstream(mesh, use, resolution, workload)).mode in PLAIN_MODES
    )


def _upstream(
    mesh: Mesh, use: DestinationUse, resolution: Resolution, workload: Workload
) -> UpstreamTls:
    found = _settings(_rules_in_force(mesh, resolution, workload), use, resolution.port)
    if found is None:
        return UpstreamTls(use=use, resolution=resolution, workload=workload)
    rule, tls, path = found
    return UpstreamTls(
        use=use,
        resolution=resolution,
        workload=workload,
        tls=tls,
        place=rule.at(path),
        rule=rule,
    )


def _rules_in_force(
    mesh: Mesh, resolution: Resolution, workload: Workload
) -> tuple[DestinationRule, ...]:
    """Return the rules that istiod merges into one for a gateway, oldest first.

    Those of one namespace for one host (`PushContext.destinationRule`).
    """
    visible = [
        rule
        for rule in destination_rules(mesh, resolution.fqdn)
        if is_exported(rule.spec.export_to, rule.namespace, workload.namespace)
        and _selects(rule, workload)
    ]
    for namespace in _lookup_order(mesh, resolution, workload, visible):
        own = [rule for rule in visible if rule.namespace == namespace]
        if own:
            host = _host(own[0])
            same = sorted(
                (rule for rule in own if _host(rule) == host), key=lambda rule: rule.age_order
            )
            chosen = [rule for rule in same if rule.spec.workload_selector]
            return tuple(chosen[:1] or same)
    return ()


def _lookup_order(
    mesh: Mesh, resolution: Resolution, workload: Workload, visible: list[DestinationRule]
) -> list[str]:
    """Return the namespaces whose rules count: the gateway's, the Service's, the mesh's.

    A gateway in the root namespace looks beside the Service first. Of a ServiceEntry, any
    namespace with a rule is taken for its own.
    """
    plane = control_plane_of(mesh, workload)
    root = plane.namespace if plane else ROOT_NAMESPACE
    found = resolution.service
    service = [found.namespace] if found else [each.namespace for each in visible]
    service = [each for each in service if each != root]
    own = [] if workload.namespace == root else [workload.namespace]
    return [*own, *service, root]


@question
def backends(mesh: Mesh, resolution: Resolution) -> tuple[Workload, ...]:
    """Return the workloads behind a destination's Service; none where it has no selector.

    Those in ambient mode are left out: they take mutual TLS without a sidecar.
    """
    service = resolution.service
    if service is None or not service.spec.selector:
        return ()
    labels = namespace_labels(mesh, service.namespace) or {}
    found = selected(mesh, frozenset(service.spec.selector.items()), service.namespace)
    return tuple(
        each
        for each in found
        if "ambient" not in (labels.get(AMBIENT_LABEL), each.labels.get(AMBIENT_LABEL))
    )


@question(Kind.PEER_AUTHENTICATION)
def _peer_authentications(mesh: Mesh) -> Mapping[str, tuple[PeerAuthentication, ...]]:
    found: dict[str, list[PeerAuthentication]] = defaultdict(list)
    for each in sorted(mesh.all(PeerAuthentication), key=lambda each: each.age_order):
        found[each.namespace].append(each)
    return {namespace: tuple(policies) for namespace, policies in found.items()}


@question
def strict_policy(mesh: Mesh, backend: Workload, port: int) -> PeerAuthentication | None:
    """Return the PeerAuthentication that makes a backend's port refuse plain connections.

    The workload's own comes before its namespace's and the mesh's (istio-system).
    """
    policies = _peer_authentications(mesh)
    own = policies.get(backend.namespace, ())
    ranked = [
        *(each for each in own if each.spec.selector and _takes(each, backend)),
        *(each for each in own if not each.spec.selector),
        *(e for e in policies.get(ROOT_NAMESPACE, ()) if not e.spec.selector),
    ]
    for policy in ranked:
        mode = _mtls_mode(policy, port)
        if mode:
            return policy if mode == "STRICT" else None
    return None


@question
def upstream_credentials(mesh: Mesh) -> tuple[tuple[str, str], ...]:
    """Return namespace and name of the Secrets that gateways read for DestinationRules.

    The CA may have a Secret of its own.
    """
    return tuple(
        dict.fromkeys(
            (each.workload.namespace, each.tls.credential_name + suffix)
            for each in upstream_tls(mesh)
            if each.tls and is_plain_name(each.tls.credential_name)
            for suffix in ("", AUTHORITY_SUFFIX)
        )
    )


def is_plain_name(credential_name: str) -> bool:
    """Whether a credential name is that of a Secret beside the proxy."""
    return bool(credential_name) and "/" not in credential_name


def speaks_tls(port: ServicePort) -> bool:
    """Whether a port is declared to speak TLS, or by custom does, and may lead to one."""
    target = port.target_port if port.target_port is not None else port.port
    if is_declared_https(port):
        return target not in PLAIN_TARGETS
    return port.port in TLS_TARGETS and target in TLS_TARGETS


def is_declared_https(port: ServicePort) -> bool:
    """Whether `appProtocol` or the name of a port says HTTPS."""
    return port.app_protocol.lower() == "https" or _is_named(port, "https")


def speaks_plainly(port: ServicePort) -> bool:
    """Whether a port is declared to speak plain HTTP and leads to one that by custom does."""
    declared = port.app_protocol.lower() in ("http", "http2") or _is_named(port, "http")
    target = port.target_port if port.target_port is not None else port.port
    return declared and target in PLAIN_TARGETS


def _is_named(port: ServicePort, protocol: str) -> bool:
    return not port.app_protocol and port.name.partition("-")[0].lower() == protocol


def _host(rule: DestinationRule) -> str:
    return full_name(rule.spec.host, rule.namespace)


def _settings(
    rules: tuple[DestinationRule, ...], use: DestinationUse, port: ServicePort | None
) -> tuple[DestinationRule, ClientTls, str] | None:
    """Return the TLS settings in force: of the subset before the whole, of the port before all."""
    number = port.port if port else 0
    if use.destination.port and use.destination.port.number:
        number = use.destination.port.number
    policies = (*_subset_policies(rules, use.destination.subset), *_whole_policies(rules)[:1])
    for rule, policy, path in policies:
        decided, found = _of_policy(policy, number, path)
        if decided:
            return (rule, *found) if found else None
    return None


def _subset_policies(
    rules: tuple[DestinationRule, ...], name: str
) -> tuple[tuple[DestinationRule, TrafficPolicy, str], ...]:
    return tuple(
        (rule, subset.traffic_policy, f"/spec/subsets/{index}/trafficPolicy")
        for rule in rules
        for index, subset in enumerate(rule.spec.subsets)
        if name and subset.name == name and subset.traffic_policy
    )


def _whole_policies(
    rules: tuple[DestinationRule, ...],
) -> tuple[tuple[DestinationRule, TrafficPolicy, str], ...]:
    return tuple(
        (rule, rule.spec.traffic_policy, "/spec/trafficPolicy")
        for rule in rules
        if rule.spec.traffic_policy
    )


def _of_policy(
    policy: TrafficPolicy, port: int, path: str
) -> tuple[bool, tuple[ClientTls, str] | None]:
    """Return whether a policy decides about TLS to a port, and how."""
    for index, each in enumerate(policy.port_level_settings):
        if each.port.number == port:
            # Settings of a port replace those of the host, also where they do not speak of TLS.
            place = f"{path}/portLevelSettings/{index}/tls"
            return True, ((each.tls, place) if each.tls else None)
    return policy.tls is not None, ((policy.tls, f"{path}/tls") if policy.tls else None)


def _selects(rule: DestinationRule, workload: Workload) -> bool:
    selector = rule.spec.workload_selector
    if selector is None:
        return True
    return rule.namespace == workload.namespace and (
        selector.match_labels.items() <= workload.labels.items()
    )


def _takes(policy: PeerAuthentication, backend: Workload) -> bool:
    selector = policy.spec.selector
    return selector is None or selector.match_labels.items() <= backend.labels.items()


def _mtls_mode(policy: PeerAuthentication, port: int) -> str:
    of_port = policy.spec.port_level_mtls.get(str(port))
    mode = (of_port.mode if of_port else "") or (policy.spec.mtls.mode if policy.spec.mtls else "")
    return "" if mode in ("", "UNSET") else mode
