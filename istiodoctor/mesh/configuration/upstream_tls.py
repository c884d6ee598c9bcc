"""TLS between the gateway and its backends: DestinationRules against what the backends speak."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.backend_tls import tls_to_backend, unread_policies
from istiodoctor.mesh.configuration.backend_uses import BackendUse, backend_uses
from istiodoctor.mesh.configuration.destination_uses import DestinationUse
from istiodoctor.mesh.configuration.registry_service import (
    Protocol,
    RegistryPort,
    RegistryService,
)
from istiodoctor.mesh.configuration.routed_clusters import (
    RoutedCluster,
    registry_service_of,
    routed_clusters,
)
from istiodoctor.mesh.configuration.rules_in_force import are_there_rules, rules_are_known
from istiodoctor.mesh.configuration.scope import scope_of
from istiodoctor.mesh.configuration.service_registry import scope_service
from istiodoctor.mesh.gateways.credential_references import CA_SUFFIX
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import (
    mesh_config,
    namespace_labels,
    root_namespace,
)
from istiodoctor.mesh.workloads.workloads import Workload, selected
from istiodoctor.model.istio import ClientTls, PeerAuthentication
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor.model.services import Service, ServicePort

AMBIENT_LABEL = "istio.io/dataplane-mode"
OF_WORKLOADS = (Kind.POD, Kind.DEPLOYMENT, Kind.DAEMON_SET)
"""Without these no gateway workload is known, and stand-ins for them have no TLS to judge."""
WITH_TLS = frozenset({Protocol.HTTPS, Protocol.TLS})
PLAIN_MODES = frozenset({"", "DISABLE"})
TLS_TARGETS = frozenset({443, 4443, 6443, 8443, 9443, "https", "tls"})
PLAIN_TARGETS = frozenset({80, 3000, 5000, 8000, 8080, 8081, 9080, "http"})
"""Ports that by custom speak one or the other; names are those of container ports."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UpstreamTls:
    """How a gateway speaks to one destination."""

    use: DestinationUse
    routed: RoutedCluster
    unknown_because: str = ""
    """What was not read and could set it."""
    tls: ClientTls | None = None
    """The settings in force; None where none says anything."""
    place: Place | None = None
    """Where they stand."""

    @property
    def mode(self) -> str:
        """The mode in force, upper case; empty without settings."""
        return (self.tls.mode or "DISABLE").upper() if self.tls else ""

    @property
    def workload(self) -> Workload:
        """The gateway."""
        return self.routed.workload

    @property
    def fqdn(self) -> str:
        """The full name of the destination."""
        return self.routed.name.host


@question(*OF_WORKLOADS)
def upstream_tls(mesh: Mesh) -> tuple[UpstreamTls, ...]:
    """Return how gateway workloads speak to destinations whose TLS a DestinationRule sets."""
    if not are_there_rules(mesh):
        return ()
    return tuple(
        found
        for routed in routed_clusters(mesh)
        if routed.workload.is_known
        for found in _upstreams(mesh, routed)
        if found.tls
    )


@question(*OF_WORKLOADS, Kind.BACKEND_TLS_POLICY)
def plain_to_tls(mesh: Mesh) -> tuple[UpstreamTls, ...]:
    """Return how gateway workloads send plain HTTP to ports that look like TLS.

    Not judged where DestinationRules or BackendTLSPolicies were not all read: one may set TLS.
    """
    if not rules_are_known(mesh):
        return ()
    return tuple(
        found
        for routed in routed_clusters(mesh)
        if routed.workload.is_known and (port := routed.service_port) and speaks_tls(port)
        for found in _upstreams(mesh, routed)
        if found.use.protocol == "http" and found.mode in PLAIN_MODES and not found.unknown_because
    )


@question(*OF_WORKLOADS, Kind.BACKEND_TLS_POLICY)
def plain_to_external_tls(mesh: Mesh) -> tuple[UpstreamTls, ...]:
    """Return how gateways send plain HTTP to ports that a ServiceEntry declares to speak TLS.

    Its protocol makes no difference to what Envoy sends: TLS is a matter of DestinationRules and
    BackendTLSPolicies alone.
    """
    if not rules_are_known(mesh):
        return ()
    return tuple(
        found
        for routed in routed_clusters(mesh)
        if routed.workload.is_known and routed.kubernetes_service is None
        if (service := registry_service_of(mesh, routed)) is not None
        if (port := service.port(routed.name.port)) and port.protocol in WITH_TLS
        for found in _upstreams(mesh, routed)
        if found.use.protocol == "http" and found.mode in PLAIN_MODES and not found.unknown_because
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainBackend:
    """A backend of a route of the Gateway API or an Ingress that is sent plain HTTP."""

    use: BackendUse
    service: RegistryService
    port: RegistryPort

    @property
    def kubernetes_port(self) -> ServicePort | None:
        """The port of its Service, where it is one."""
        return _kubernetes_port(self.service, self.port.number)


@question(*OF_WORKLOADS, Kind.BACKEND_TLS_POLICY)
def plain_backends_of_tls(mesh: Mesh) -> tuple[PlainBackend, ...]:
    """Return the backends of routes and Ingresses that look like TLS and are sent plain HTTP."""
    if not rules_are_known(mesh):
        return ()
    return tuple(filter(None, (_plain_backend(mesh, use) for use in backend_uses(mesh))))


def _plain_backend(mesh: Mesh, use: BackendUse) -> PlainBackend | None:
    if not use.is_http or not use.workload.is_known or use.unknown_because:
        return None
    scope, name = scope_of(mesh, use.workload), use.cluster_name
    service = scope_service(mesh, scope, name.host)
    port = service.port(name.port) if service else None
    if service is None or port is None:
        return None
    of_service = _kubernetes_port(service, port.number)
    if not (speaks_tls(of_service) if of_service else port.protocol in WITH_TLS):
        return None
    found = tls_to_backend(mesh, use.workload, service, name)
    mode = (found.settings.mode or "DISABLE").upper() if found else ""
    if mode not in PLAIN_MODES or unread_policies(mesh, scope, service, found):
        return None
    return PlainBackend(use=use, service=service, port=port)


def _kubernetes_port(service: RegistryService, number: int) -> ServicePort | None:
    source = service.source
    ports = source.spec.ports if isinstance(source, Service) else ()
    return next((each for each in ports if each.port == number), None)


def _upstreams(mesh: Mesh, routed: RoutedCluster) -> tuple[UpstreamTls, ...]:
    service = registry_service_of(mesh, routed)
    if service is None:
        return ()
    found = tls_to_backend(mesh, routed.workload, service, routed.name)
    scope = scope_of(mesh, routed.workload)
    unread = unread_policies(mesh, scope, service, found)
    return tuple(
        UpstreamTls(
            use=use,
            routed=routed,
            tls=found.settings if found else None,
            place=found.place if found else None,
            unknown_because=unread,
        )
        for use in routed.uses
    )


@question
def workloads_behind(mesh: Mesh, service: Service) -> tuple[Workload, ...]:
    """Return the workloads behind a Service; none where it has no selector.

    Those in ambient mode are left out: they take mutual TLS without a sidecar.
    """
    if not service.spec.selector:
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


@question(evidence=[mesh_config])
def strict_policy(mesh: Mesh, backend: Workload, port: int) -> PeerAuthentication | None:
    """Return the PeerAuthentication that makes a backend's port refuse plain connections.

    The workload's own comes before its namespace's and the mesh's, which stands in the root
    namespace (pilot/pkg/model/authentication.go:120, 219).
    """
    policies = _peer_authentications(mesh)
    own = policies.get(backend.namespace, ())
    of_mesh = policies.get(root_namespace(mesh, backend), ())
    ranked = [
        *(each for each in own if each.spec.selector and _takes(each, backend)),
        *(each for each in own if not each.spec.selector),
        *(each for each in of_mesh if not each.spec.selector),
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
            for suffix in ("", CA_SUFFIX)
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


def _takes(policy: PeerAuthentication, backend: Workload) -> bool:
    selector = policy.spec.selector
    return selector is None or selector.match_labels.items() <= backend.labels.items()


def _mtls_mode(policy: PeerAuthentication, port: int) -> str:
    of_port = policy.spec.port_level_mtls.get(str(port))
    mode = (of_port.mode if of_port else "") or (policy.spec.mtls.mode if policy.spec.mtls else "")
    return "" if mode in ("", "UNSET") else mode
