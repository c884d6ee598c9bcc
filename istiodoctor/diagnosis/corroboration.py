"""Compare findings that follow from objects with what Envoys and the wire show."""

from collections.abc import Iterable
from dataclasses import replace

from istiodoctor.diagnosis.merging import MOST_EVIDENCE, Merged
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.observations.verification import Claim, Observation, Subject, verification
from istiodoctor.problem import Corroboration

SHOWN = 3
YET_TO_COME = frozenset({Claim.NO_HANDSHAKE, Claim.STORED_CERTIFICATE})
"""Claims about what Envoy takes in: while it goes on with something older, they wait."""


def corroborate(findings: Iterable[Merged], mesh: Mesh) -> tuple[Merged, ...]:
    """Return the findings, those that somebody looked at as observed, or as contradicted."""
    return tuple(_judged(each, mesh) for each in findings)


def _judged(finding: Merged, mesh: Mesh) -> Merged:
    claim = finding.check.claims
    if claim is None:
        return finding
    subject = Subject(
        servers=finding.servers, hosts=finding.hosts, credentials=finding.credentials
    )
    heard = verification(mesh, claim, subject)
    if heard.confirms:
        return replace(
            finding,
            confidence=Confidence.OBSERVED,
            corroboration=Corroboration.CONFIRMED,
            evidence=_with(finding, heard.confirming),
        )
    if heard.contradicts:
        return _contradicted(finding, claim, heard.contradicting)
    return finding


def _contradicted(finding: Merged, claim: Claim, seen: tuple[Observation, ...]) -> Merged:
    """Say what was seen instead; nothing is down now that was seen to work."""
    is_yet_to_come = claim in YET_TO_COME
    most = Severity.HIGH if is_yet_to_come else Severity.MEDIUM
    words = "Seen otherwise so far" if is_yet_to_come else "Seen otherwise"
    later = " Pods go on with what they got before until they restart." if is_yet_to_come else ""
    return replace(
        finding,
        severity=max(finding.severity, most, key=lambda each: each.rank),
        confidence=finding.confidence if is_yet_to_come else Confidence.SUSPECTED,
        corroboration=Corroboration.CONTRADICTED,
        message=f"{finding.message} {words}: {seen[0]}.{later}",
        evidence=_with(finding, seen),
    )


def _with(finding: Merged, seen: tuple[Observation, ...]) -> tuple[Evidence, ...]:
    """Return the evidence with a few of the sightings first, each once."""
    found = {
        each.text: each
        for each in (*map(Evidence.of_observation, seen[:SHOWN]), *finding.evidence)
    }
    return tuple(found.values())[:MOST_EVIDENCE]
