"""Backends of the Gateway API's routes and of Ingresses, as findings show them."""

from collections.abc import Iterator
from difflib import get_close_matches

from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get, set_field
from istiodoctor.mesh.configuration.api_backends import SERVICE, backend_kind
from istiodoctor.mesh.configuration.backend_uses import (
    BackendUse,
    FailedBackend,
    backends_of_unknown_kind,
    backends_without_cluster,
    without_port,
    without_service,
)
from istiodoctor.mesh.configuration.cluster import ClusterFault
from istiodoctor.mesh.configuration.held_routes import backends_of_route
from istiodoctor.mesh.configuration.missing_services import names_of_services, services_named
from istiodoctor.mesh.gateways.api_routes import Route
from istiodoctor.mesh.gateways.attachments import attachments
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import host_listing
from istiodoctor_checks._destinations import ports_of

ALIKE = 0.6
"""How alike two names of one namespace must be (difflib's ratio) to be offered."""
OFFERED = 2


def missing_backends(mesh: Mesh) -> Iterator[Finding]:
    """Yield the backends whose Service does not exist, or is not seen by the gateway."""
    for failed in backends_without_cluster(mesh):
        if not without_service(failed):
            continue
        use, gone = failed.use, failed.cluster.service
        is_gone = failed.cluster.fault is ClusterFault.NO_SERVICE and gone is not None
        yield Finding(
            message=(
                f"{use.route} routes to {gone or use.destination.host}, {_why(failed)}:"
                f" {unreached(use)}."
            ),
            objects=(_field(use, "name"), *_others(mesh, failed)),
            identity=Identity.of(gone) if is_gone and gone else _own_identity(use),
            hosts=frozenset(use.hosts),
            evidence=(
                Evidence(text=failed.cluster.reason),
                Evidence(text=f"Envoy would need the cluster {use.cluster_name}"),
            ),
            fixes=_rename(mesh, failed),
            severity=severity_of_backend(use),
            confidence=confidence_of(failed),
            absences=frozenset({(Kind.SERVICE, gone.namespace, gone.name)})
            if is_gone and gone
            else frozenset(),
        )


def _why(failed: FailedBackend) -> str:
    reason, subject = failed.cluster.reason, f"{failed.cluster.service} "
    if reason.startswith(subject):
        return f"which {reason.removeprefix(subject)}"
    return f"but {reason}"


def backends_of_other_kinds(mesh: Mesh) -> Iterator[Finding]:
    """Yield the backends of a kind that istiod makes nothing of (`InvalidKind`).

    Source: pilot/pkg/config/kube/gateway/conversion.go:1157-1170.
    """
    kinds = _kinds(mesh)
    for use in backends_of_unknown_kind(mesh):
        kind, name = kinds.get(use.place, ("", ""))
        if kind:
            yield Finding(
                message=(
                    f"{use.route} routes to the {kind} {name}, and istiod knows no backends of"
                    f" that kind: {unreached(use)}."
                ),
                objects=(_field(use, "kind"),),
                identity=_own_identity(use),
                hosts=frozenset(use.hosts),
                evidence=(Evidence(text=f"{use.place} is a {kind}", ref=use.route),),
                fixes=(
                    Fix(
                        title="Route to a Service",
                        commands=(get(use.route),),
                        why=f"Which Service is meant instead of the {kind} is not known.",
                    ),
                ),
                severity=severity_of_backend(use),
                confidence=Confidence.SUSPECTED if use.unknown_because else Confidence.CERTAIN,
            )


@question(evidence=[attachments, backends_of_route])
def _kinds(mesh: Mesh) -> dict[Place, tuple[str, str]]:
    """Return kind and name of the backends of routes that are of no kind istiod knows."""
    if not backends_of_unknown_kind(mesh):
        return {}
    routes: dict[Ref, Route] = {each.route.ref: each.route for each in attachments(mesh)}
    return {
        route.at(backend.path): (reference.kind or "Service", reference.name)
        for route in routes.values()
        for backend in backends_of_route(mesh, route)
        for reference in (backend.reference,)
        if backend.is_nowhere
        and not backend.unknown_because
        and backend_kind(reference) != SERVICE
    }


def backend_ports(mesh: Mesh) -> Iterator[Finding]:
    """Yield the backends whose Service does not have their port."""
    for failed in backends_without_cluster(mesh):
        use, service = failed.use, failed.service
        if service is None or not without_port(failed):
            continue
        ports = ports_of(service)
        yield Finding(
            message=(
                f"{use.route} routes to port {use.cluster_name.port} of {service.ref}, which has"
                f" {ports or 'none'}: {unreached(use)}."
            ),
            objects=(_port(use), service.source.at("/spec/ports")),
            identity=Identity.of(use.route, service.hostname),
            hosts=frozenset(use.hosts),
            evidence=(
                Evidence(text=f"{service.ref} has {ports or 'no ports'}", ref=service.ref),
                Evidence(text=f"there is no cluster {use.cluster_name}"),
            ),
            fixes=tuple(
                set_field(_port(use), each.number, f"Route to port {each.number}")
                for each in service.clustered_ports[:OFFERED]
            ),
            severity=severity_of_backend(use),
            confidence=confidence_of(failed),
        )


def unreached(use: BackendUse, *, has_cluster: bool = False) -> str:
    """Say what becomes of requests to a backend that they cannot reach.

    Without a cluster the Gateway API has 500 where Istio and Ingresses have 503
    (pilot/pkg/networking/core/route/route.go:1277).
    """
    hosts = host_listing(use.hosts)
    if not use.is_http:
        return f"connections for {hosts} that take this route are closed"
    status = "503 (NC cluster_not_found)" if use.is_ingress else "500"
    if has_cluster:
        status = "503 (UH)"
    return f"requests for {hosts} that take this route get {status}"


def severity_of_backend(use: BackendUse) -> Severity:
    """Return how much a backend that cannot be reached breaks."""
    return Severity.CRITICAL if use.is_whole else Severity.HIGH


def confidence_of(failed: FailedBackend) -> Confidence:
    """Return how sure it is."""
    return Confidence.CERTAIN if failed.is_sure else Confidence.SUSPECTED


def _own_identity(use: BackendUse) -> Identity:
    return Identity.of(use.route, use.destination.host or use.place.path)


def _field(use: BackendUse, field: str) -> Place:
    path = f"{use.place.path}/service" if use.is_ingress else use.place.path
    return Place(use.route, f"{path}/{field}")


def _port(use: BackendUse) -> Place:
    return _field(use, "port/number" if use.is_ingress else "port")


def _others(mesh: Mesh, failed: FailedBackend) -> tuple[Place, ...]:
    """Return what stands in the name's place, else Services of that name elsewhere."""
    gone = failed.cluster.service
    if failed.cluster.fault is not ClusterFault.NO_SERVICE:
        return (Place(gone),) if gone else ()
    return tuple(map(Place, services_named(mesh, gone.name))) if gone else ()


def _rename(mesh: Mesh, failed: FailedBackend) -> tuple[Fix, ...]:
    """Offer the Services of the namespace that are named alike."""
    gone = failed.cluster.service
    if gone is None or failed.cluster.fault is not ClusterFault.NO_SERVICE:
        return (_look(failed),)
    names = names_of_services(mesh, gone.namespace)
    near = get_close_matches(gone.name, names, n=OFFERED, cutoff=ALIKE)
    place = _field(failed.use, "name")
    return tuple(set_field(place, name, f"Route to the Service {name}") for name in near) or (
        _look(failed),
    )


def _look(failed: FailedBackend) -> Fix:
    name = failed.cluster.service or failed.use.destination.host
    return Fix(
        title=f"Create {name}, or route to a Service that exists",
        verify=kubectl("get", "services", "--all-namespaces"),
        why="What the gateway's istiod knows has no backend of that name.",
    )
