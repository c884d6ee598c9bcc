"""Hops of a request through the mesh."""

from enum import StrEnum

from istiodoctor.mesh.credentials.credentials import CredentialState, CredentialUse
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.requests.outcomes import AnswerOutcome, RouteCluster, ServedCertificate
from istiodoctor.mesh.workloads.workloads import Workload, pod_is_ready
from istiodoctor.model.ref import Ref
from istiodoctor.model.services import Service
from istiodoctor.model.value import Value


class HopState(StrEnum):
    """Whether one hop works."""

    OK = "ok"
    BROKEN = "broken"
    WARNING = "warning"
    UNKNOWN = "unknown"


class Confirmation(StrEnum):
    """What Envoy and the wire say of a hop that the objects describe."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    NOT_LOOKED_AT = "not-looked-at"


class Hop(Value, frozen=True, kw_only=True):
    """One hop of a request through the mesh."""

    hop: str
    """`dns`, `front`, `service`, `workload`, `listener`, `filter-chain`, `certificate`,
    `http-filters`, `virtual-host`, `redirect`, `route`, `backend` or `endpoints`; `dns` on the
    wire only."""
    ref: Ref | None
    state: HopState
    text: str
    """What the objects say."""
    code: str = ""
    """The check whose finding explains what is wrong here; empty when none does."""
    confirmation: Confirmation = Confirmation.NOT_LOOKED_AT
    seen: str = ""
    """What Envoy and the wire show, or why they were not looked at; hostile. May be empty where a
    later hop shows that this one was passed."""
    cluster: RouteCluster | None = None
    """The cluster that a backend is to Envoy."""
    certificate: ServedCertificate | None = None
    """What a client is shown, of a certificate."""
    outcome: AnswerOutcome | None = None
    """What a client gets where the path ends here, if that does not follow from the hop's name."""


OK, BROKEN, WARNING, UNKNOWN = HopState.OK, HopState.BROKEN, HopState.WARNING, HopState.UNKNOWN

_CREDENTIAL_TEXT = {
    CredentialState.FOUND: "found",
    CredentialState.MISSING: "does not exist",
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
        return Hop(hop="workload", ref=ref, state=OK, text=_pods(total))
    state = WARNING if ready else BROKEN
    return Hop(hop="workload", ref=ref, state=state, text=f"{ready} of {total} pods ready")


def listener_hop(port: int) -> Hop:
    """Return the port that Envoy listens on."""
    return Hop(hop="listener", ref=None, state=OK, text=f"Envoy listens on port {port}")


def server_hop(server: Server, text: str = "") -> Hop:
    """Return the server that an SNI reaches."""
    return Hop(hop="server", ref=server.gateway, state=OK, text=text or str(server))


def certificate_hop(use: CredentialUse) -> Hop:
    """Return what a gateway's request for a certificate leads to."""
    state = _CREDENTIAL_STATE.get(use.state, BROKEN)
    text = _credential_text(use)
    if use.state is CredentialState.FOUND and use.permission.allowed is False:
        state, text = BROKEN, f"the ServiceAccount of the pods may not read {use.reference.text}"
    return Hop(
        hop="certificate",
        ref=use.secret if use.namespace else None,
        state=state,
        text=text,
        certificate=_served(use) if state is OK else None,
    )


def _credential_text(use: CredentialUse) -> str:
    if use.state is not CredentialState.UNKNOWN:
        return f"{use.reference.text} {_CREDENTIAL_TEXT[use.state]}"
    if use.reference.granted is None:
        return f"{use.reference.text}: whether a ReferenceGrant permits it was not read"
    return f"Secret {use.reference.text} was not read"


def _served(use: CredentialUse) -> ServedCertificate | None:
    if use.state is not CredentialState.FOUND:
        return None
    return ServedCertificate(namespace=use.secret.namespace, name=use.secret.name)


def _pods(number: int) -> str:
    return f"{number} pod" if number == 1 else f"{number} pods"
