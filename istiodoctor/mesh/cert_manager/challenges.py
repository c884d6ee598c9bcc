"""Whether ACME challenges reach the solver that answers them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.cert_manager.issuance import Issuance
from istiodoctor.mesh.cert_manager.stuck_issuance import (
    HTTP01,
    GatewayCertificate,
    solvers_for,
    stuck_certificates,
)
from istiodoctor.mesh.gateways.api_routes import http_routes
from istiodoctor.mesh.gateways.attachments import Attachment, AttachmentState, attachments
from istiodoctor.mesh.gateways.ingresses import IngressSettings, ingress_settings, serves_class
from istiodoctor.mesh.gateways.listeners import listeners_of
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import mesh_config
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.certmanager import Challenge, Http01Ingress
from istiodoctor.model.gatewayapi import HttpRoute
from istiodoctor.model.meshconfig import MeshConfig

HTTP_PORT = 80


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LostSolverRoute:
    """The HTTPRoute of a challenge that waits, which no gateway of its host serves."""

    owner: GatewayCertificate
    issuance: Issuance
    challenge: Challenge
    route: HttpRoute
    attachments: tuple[Attachment, ...]
    """Its parents; those that take it belong to other gateways than the host's."""

    @property
    def is_attached(self) -> bool:
        """Whether some listener takes it, of another gateway."""
        return any(each.state is AttachmentState.ATTACHED for each in self.attachments)


@question
def stuck_challenges(mesh: Mesh) -> tuple[tuple[GatewayCertificate, Issuance, Challenge], ...]:
    """Return the challenges that hold up a stuck Certificate."""
    return tuple(
        (owner, issuance, challenge)
        for owner, issuance in stuck_certificates(mesh)
        for challenge in issuance.challenges
        if challenge.status.state != "valid"
    )


@question
def serves_ingress(
    mesh: Mesh, workload: Workload, annotated_class: str, class_name: str
) -> bool | None:
    """Whether istiod makes routes of an Ingress of this class; None when it cannot be told."""
    config = mesh_config(mesh, workload) or MeshConfig()
    settings = IngressSettings(
        mode=config.ingress_controller_mode, class_name=config.ingress_class
    )
    if not (annotated_class or class_name):
        return None
    return serves_class(mesh, settings, annotated_class or None, class_name)


@question
def lost_solver_routes(mesh: Mesh) -> tuple[LostSolverRoute, ...]:
    """Return the HTTPRoutes of challenges that no listener takes, or only other gateways'."""
    waiting = [each for each in stuck_challenges(mesh) if each[2].spec.type == HTTP01]
    if not waiting:
        return ()
    of_route: dict[HttpRoute, list[Attachment]] = defaultdict(list)
    for attachment in attachments(mesh):
        if isinstance(attachment.route, HttpRoute):
            of_route[attachment.route].append(attachment)
    return tuple(
        LostSolverRoute(
            owner=owner,
            issuance=found,
            challenge=challenge,
            route=route,
            attachments=tuple(of_route.get(route, ())),
        )
        for owner, found, challenge in waiting
        for route in _solver_routes(mesh).get((challenge.namespace, challenge.name), ())
        if _is_lost(mesh, owner, of_route.get(route, ()))
    )


@question
def _solver_routes(mesh: Mesh) -> Mapping[tuple[str, str], tuple[HttpRoute, ...]]:
    """Return the HTTPRoutes that cert-manager made, by namespace and name of their Challenge."""
    found: dict[tuple[str, str], list[HttpRoute]] = defaultdict(list)
    for route in http_routes(mesh):
        for owner in route.metadata.owner_references:
            if owner.kind == "Challenge":
                found[route.namespace, owner.name].append(route)
    return {key: tuple(routes) for key, routes in found.items()}


def _is_lost(mesh: Mesh, owner: GatewayCertificate, found: Iterable[Attachment]) -> bool:
    """Whether no listener takes a route, or none on the gateways that serve its host."""
    every = tuple(found)
    may_be = (AttachmentState.UNKNOWN, AttachmentState.FOREIGN)
    if any(each.state in may_be for each in every):
        return False
    workloads = {
        listener.workload
        for each in every
        for server in each.servers
        for listener in listeners_of(mesh, server)
    }
    return workloads.isdisjoint(use.workload for use in owner.uses)


@question
def ingress_pods_elsewhere(mesh: Mesh, workloads: frozenset[Workload]) -> IngressSettings | None:
    """Return istiod's settings where its Ingresses are for the pods of none of these workloads.

    It gives them the label of `ingressSelector`, else `ingressService`
    (pilot/pkg/config/kube/ingress/gateways.go:54). None too where that is not known.
    """
    settings = ingress_settings(mesh)
    if settings.unknown_because or not all(each.pods for each in workloads):
        return None
    is_for_some = any(settings.selector <= each.labels.items() for each in workloads)
    return None if is_for_some else settings


@question
def hides_port_80(mesh: Mesh, workload: Workload) -> bool | None:
    """Whether no Service of a gateway has port 80; None without any Service."""
    services = services_of(mesh, workload)
    if not services:
        return None
    return all(port.port != HTTP_PORT for each in services for port in each.spec.ports)


def solver_ingress(issuance: Issuance, challenge: Challenge) -> Http01Ingress | None:
    """Return the Ingress class of an HTTP-01 solver; None for a solver of another kind."""
    solver = challenge.spec.solver or next(
        iter(solvers_for(issuance.issuer.issuer, challenge.spec.dns_name)), None
    )
    return solver.http01.ingress if solver and solver.http01 else None
