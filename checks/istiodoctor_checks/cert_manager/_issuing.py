"""What findings about cert-manager have in common."""

from datetime import datetime

from istiodoctor.command import cmctl, name_after_options
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Severity
from istiodoctor.fix import Fix, Risk, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import Issuance, next_attempt
from istiodoctor.mesh.cert_manager.reasons import reasons
from istiodoctor.mesh.cert_manager.stuck_issuance import GatewayCertificate
from istiodoctor.mesh.observations.events import layer_refs
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.ref import Place
from istiodoctor_checks._events import event_evidence

STOPS_ISSUING = frozenset(
    {
        "CERT001",
        "CERT016",
        "CM011",
        "CM016",
        "CRED001",
        "CRED002",
        "OPS009",
        "SDS001",
        "SDS011",
    }
)
"""What follows when cert-manager cannot issue: a stuck Certificate, a missing or old Secret."""


def layers(mesh: Mesh, issuance: Issuance) -> tuple[Evidence, ...]:
    """Return what each layer of an issuance says, the deepest first, then their Events."""
    said = (
        Evidence(text=f"{reason.ref}: {reason.text}", ref=reason.ref)
        for reason in dict.fromkeys(reasons(issuance))
    )
    return (*said, *event_evidence(mesh, layer_refs(issuance)))


def layer_places(issuance: Issuance) -> tuple[Place, ...]:
    """Return the objects of an issuance that are not done, the deepest first."""
    found = dict.fromkeys(reason.ref for reason in reasons(issuance))
    return tuple(Place(ref) for ref in found if ref != issuance.certificate.ref)


def deepest(issuance: Issuance) -> str:
    """Return the deepest reason as a clause: what it says and who says it."""
    found = next(iter(reasons(issuance)), None)
    if found is None:
        return "cert-manager gives no reason"
    return f"{found.ref} says: {found.text.rstrip('.')}"


def severity_of(owner: GatewayCertificate, now: datetime) -> Severity:
    """Return how bad it is not to issue: critical when nothing is there to be served."""
    expired = owner.not_after is not None and owner.not_after < now
    return Severity.CRITICAL if owner.secret_is_missing or expired else Severity.HIGH


def deadline_of(owner: GatewayCertificate) -> datetime | None:
    """Return when what is served now expires; None when nothing is served."""
    return None if owner.secret_is_missing else owner.not_after


def retry_words(certificate: Certificate) -> str:
    """Return a sentence on cert-manager's next try by itself; empty when none is due."""
    tries = next_attempt(certificate)
    if tries is None:
        return ""
    attempts = max(certificate.status.failed_issuance_attempts, 1)
    times = "once" if attempts == 1 else f"{attempts} times"
    return f" It failed {times}; cert-manager tries again by itself at {tries:%Y-%m-%d %H:%M} UTC."


def try_again(certificate: Certificate, title: str, *, why: str = "") -> Fix:
    """Have cert-manager issue at once, after what stands in the way is mended."""
    return Fix(
        title=title,
        risk=Risk.NEEDS_ISSUANCE,
        commands=(cmctl("renew", name_after_options(certificate.ref)),),
        verify=get(certificate.ref),
        why=why,
    )
