"""One line of a log, parsed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from istiodoctor.model.ref import Ref


class Level(StrEnum):
    """Severity of a log line as its writer gave it; Envoy's names are mapped to Istio's."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of istiod, pilot-agent or Envoy, in whatever shape its version writes."""

    pod: Ref
    container: str
    at: datetime | None
    """When it was written (UTC); None when the line does not say."""
    level: Level = Level.UNKNOWN
    scope: str = ""
    """Istio's scope (`ads`, `model`) or `envoy <component>`; empty for Istio's default scope and
    access logs."""
    message: str = ""
    """The text after the prefix, with queries, tokens, cookies and PEM blocks cut out."""
    file: str | None = None
    line: int | None = None
