"""Whether ACME challenges reach the solver that answers them."""

from istiodoctor.mesh.cert_manager.issuance import Issuance
from istiodoctor.mesh.cert_manager.stuck_issuance import (
    GatewayCertificate,
    solvers_for,
    stuck_certificates,
)
from istiodoctor.mesh.gateways.ingresses import IngressSettings, serves_class
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import mesh_config
from istiodoctor.mesh.workloads.service_ports import services_of
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.certmanager import Challenge, Http01Ingress
from istiodoctor.model.meshconfig import MeshConfig

HTTP_PORT = 80


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
