"""One station after another on a request's way: the words, and those that need no request."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.credentials import CredentialState, CredentialUse
from istiodoctor.mesh.exposure import ExposureQuestions
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.workloads import Workload, pod_is_ready
from istiodoctor.model.kubernetes import Service
from istiodoctor.model.ref import Ref


class HopState(StrEnum):
    """How one hop on a host's way looks."""

    OK = "ok"
    BROKEN = "broken"
    WARNING = "warning"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One station on a host's way through the mesh."""

    hop: str
    """`front`, `service`, `workload`, `listener`, `server`, `certificate`, `virtual-host`,
    `redirect`, `route`, `backend` or `endpoints`."""
    ref: Ref | None
    state: HopState
    text: str
    code: str = ""
    """The check whose finding explains what is wrong here; empty when none does."""


OK, BROKEN, WARNING, UNKNOWN = HopState.OK, HopState.BROKEN, HopState.WARNING, HopState.UNKNOWN

_CREDENTIAL_TEXT = {
    CredentialState.FOUND: "found",
    CredentialState.MISSING: "does not exist",
    CredentialState.UNKNOWN: "could not be read",
    CredentialState.ELSEWHERE: "is in a namespace that istiod refuses",
    CredentialState.NOT_GRANTED: "may not be referred to from here",
    CredentialState.OUTSIDE: "does not come from a Secret",
    CredentialState.UNPARSABLE: "is no name of a credential",
}
_CREDENTIAL_STATE = {
    CredentialState.FOUND: OK,
    CredentialState.OUTSIDE: OK,
    CredentialState.UNKNOWN: UNKNOWN,
}


def service_hop(service: Service, text: str) -> Hop:
    """Return the Service that leads to a gateway."""
    return Hop(hop="service", ref=service.ref, state=OK, text=text)


def workload_hop(workload: Workload) -> Hop:
    """Return a gateway's pods: how many there are, and whether any takes traffic."""
    ref = workload.owner if workload.is_known else None
    if not workload.is_known:
        return Hop(hop="workload", ref=ref, state=UNKNOWN, text="the pods are not known")
    if not workload.pods:
        state, text = WARNING, "no pods are running"
        if workload.replicas == 0:
            state, text = BROKEN, "it is scaled to no pods"
        return Hop(hop="workload", ref=ref, state=state, text=text)
    ready = sum(map(pod_is_ready, workload.pods))
    total = len(workload.pods)
    if ready == total:
        return Hop(hop="workload", ref=ref, state=OK, text=f"{total} {_pods(total)}")
    state = WARNING if ready else BROKEN
    return Hop(hop="workload", ref=ref, state=state, text=f"{ready} of {total} pods ready")


def listener_hop(port: int) -> Hop:
    """Return the port that Envoy listens on."""
    return Hop(hop="listener", ref=None, state=OK, text=f"Envoy listens on port {port}")


def left_out_hop() -> Hop:
    """Return the listener of a server that has none."""
    return Hop(hop="listener", ref=None, state=BROKEN, text="istiod leaves this server out")


def server_hop(server: Server, text: str = "") -> Hop:
    """Return the server that an SNI reaches."""
    return Hop(hop="server", ref=server.gateway, state=OK, text=text or str(server))


def certificate_hop(use: CredentialUse) -> Hop:
    """Return what a gateway's request for a certificate leads to."""
    state = _CREDENTIAL_STATE.get(use.state, BROKEN)
    text = f"{use.reference.text} {_CREDENTIAL_TEXT[use.state]}"
    if use.state is CredentialState.FOUND and use.permission.allowed is False:
        state, text = BROKEN, f"the ServiceAccount of the pods may not read {use.reference.text}"
    return Hop(
        hop="certificate", ref=use.secret if use.namespace else None, state=state, text=text
    )


def arrival(mesh: ExposureQuestions, server: Server, workload: Workload) -> Iterator[Hop]:
    """Yield the hops before Envoy on the way to a server: a Service with its port, and the pods."""
    service = next(
        (
            each
            for each in mesh.services_of(workload)
            if any(port.port == server.port for port in each.spec.ports)
        ),
        None,
    )
    if service:
        yield service_hop(service, f"{service.spec.type} port {server.port}")
    yield workload_hop(workload)


def _pods(number: int) -> str:
    return "pod" if number == 1 else "pods"
