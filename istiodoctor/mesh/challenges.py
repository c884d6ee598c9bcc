"""How ACME challenges reach, or do not reach, what answers them."""

from istiodoctor.mesh.controlplanes import mesh_config
from istiodoctor.mesh.issuance import Issuance
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.serviceports import services_of
from istiodoctor.mesh.stalls import GatewayCertificate, solvers_for, stuck_certificates
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.certmanager import Challenge, Http01Ingress
from istiodoctor.model.kind import Kind
from istiodoctor.model.kubernetes import IngressClass

ISTIO_INGRESS = "istio.io/ingress-controller"
OFF, DEFAULT = "OFF", "DEFAULT"
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


@question(Kind.INGRESS_CLASS)
def serves_ingress(
    mesh: Mesh, workload: Workload, annotated_class: str, class_name: str
) -> bool | None:
    """Whether istiod makes routes of an Ingress of this class; None when it cannot be told.

    The annotation goes before the field; a class that does not exist counts in mode DEFAULT
    only (pilot/pkg/config/kube/ingress).
    """
    config = mesh_config(mesh, workload)
    mode = config.ingress_controller_mode if config else ""
    if annotated_class:
        return mode != OFF and annotated_class == (config.ingress_class if config else "istio")
    if not class_name:
        return None
    found = mesh.get(IngressClass, "", class_name)
    if found:
        return found.spec.controller == ISTIO_INGRESS
    if not mesh.is_complete(Kind.INGRESS_CLASS, "", class_name):
        return None
    return mode == DEFAULT


@question
def hides_port_80(mesh: Mesh, workload: Workload) -> bool | None:
    """Whether no Service of a gateway has port 80; None without any Service."""
    services = services_of(mesh, workload)
    if not services:
        return None
    return all(port.port != HTTP_PORT for each in services for port in each.spec.ports)


def solver_ingress(issuance: Issuance, challenge: Challenge) -> Http01Ingress | None:
    """Return how a solver's Ingress is classed; None when it is answered in another way."""
    solver = challenge.spec.solver or next(
        iter(solvers_for(issuance.issuer.issuer, challenge.spec.dns_name)), None
    )
    return solver.http01.ingress if solver and solver.http01 else None
