"""What a finding rests on: facts in words, each with the place it was seen at."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from istiodoctor.mesh.envoy.secrets import PodSecret
from istiodoctor.mesh.observations.verification import Observation
from istiodoctor.model.log import LogLine
from istiodoctor.model.observation import TlsObservation
from istiodoctor.model.ref import Ref


class EvidenceKind(StrEnum):
    """Where a piece of evidence comes from."""

    OBJECT = "object"
    LOG = "log"
    EVENT = "event"
    ENVOY = "envoy"
    TLS = "tls"
    HTTP = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One fact that a finding rests on, in words."""

    text: str
    kind: EvidenceKind = EvidenceKind.OBJECT
    ref: Ref | None = None
    at: datetime | None = None

    @classmethod
    def of_line(cls, line: LogLine) -> "Evidence":
        """Return a line of a log, as it is written."""
        return cls(text=line.message, kind=EvidenceKind.LOG, ref=line.pod, at=line.at)

    @classmethod
    def of_observation(cls, seen: Observation) -> "Evidence":
        """Return what a handshake, a request or an Envoy showed, in its own words."""
        if isinstance(seen, PodSecret):
            at = seen.secret.last_updated
            return cls(text=str(seen), kind=EvidenceKind.ENVOY, ref=seen.pod, at=at)
        if isinstance(seen, TlsObservation):
            kind, access_point = EvidenceKind.TLS, seen.target.access_point
            return cls(
                text=str(seen), kind=kind, ref=access_point.pod or access_point.service, at=seen.at
            )
        ref = (seen.access_point.pod or seen.access_point.service) if seen.access_point else None
        return cls(text=str(seen), kind=EvidenceKind.HTTP, ref=ref, at=seen.at)
