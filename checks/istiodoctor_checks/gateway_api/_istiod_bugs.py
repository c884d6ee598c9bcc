"""Findings about bugs by which istiod refuses Secrets that it should serve."""

from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity
from istiodoctor.fix import Fix
from istiodoctor.mesh.gateways.attachments import LISTENER_SET_KINDS
from istiodoctor.mesh.logs.istiod_bugs import MistakenRefusal
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing


def is_of_set(refusal: MistakenRefusal) -> bool:
    """Whether the listener stands in a ListenerSet, not in the Gateway."""
    return refusal.server.gateway.kind in LISTENER_SET_KINDS


def istiod_bug(refusal: MistakenRefusal, why: str) -> Finding:
    """Return the finding; `why` is what istiod does wrong, as a clause."""
    server, line = refusal.server, refusal.failure.last.line
    return Finding(
        message=(
            f"istiod refuses {refusal.secret} to {server}, which may have it: {why}. Connections"
            f" to {host_listing(server.names)} are reset."
        ),
        objects=(Place(server.gateway, refusal.reference.path), Place(refusal.secret)),
        identity=Identity.of(server.gateway, refusal.secret.path),
        hosts=frozenset(server.names),
        evidence=(
            Evidence.of_line(line),
            Evidence(text=_permission(refusal), ref=refusal.secret),
        ),
        fixes=(
            Fix(
                title="Upgrade Istio to a release with the fix",
                why="No object has to be changed: they permit what istiod refuses.",
            ),
        ),
        confidence=Confidence.OBSERVED,
        credentials=frozenset(
            {
                (refusal.failure.namespace, refusal.failure.name),
                (refusal.secret.namespace, refusal.secret.name),
            }
        ),
        servers=frozenset({server.id}),
    )


def _permission(refusal: MistakenRefusal) -> str:
    if refusal.secret.namespace == refusal.server.namespace:
        return f"both are in {refusal.secret.namespace}: no grant is needed"
    return f"a ReferenceGrant in {refusal.secret.namespace} admits it"
