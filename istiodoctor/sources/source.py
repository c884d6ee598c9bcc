"""What every source can do, and how one says that it could not."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from istiodoctor.model.kind import Kind
from istiodoctor.model.redaction import redact_words
from istiodoctor.model.snapshot import ClusterInfo, Reading
from istiodoctor.model.wanted import Wanted


class Source(Protocol):
    """Objects and observations, read in rounds."""

    @property
    def name(self) -> str:
        """What a report calls the source: a context, a folder, a file."""

    @property
    def taken_at(self) -> datetime:
        """When the reading began (UTC); of a recorded snapshot, when that was taken."""

    @property
    def offers(self) -> frozenset[Kind]:
        """Which observations beside objects (logs, Envoy, probes) this source can give."""

    def collect(self, kinds: frozenset[Kind]) -> Reading:
        """Read every object of these kinds that there is."""

    def read(self, wanted: Wanted) -> Reading:
        """Read what is named, and nothing else."""

    def describe(self) -> ClusterInfo:
        """Return which cluster this is; all empty for files."""


class Progress(Protocol):
    """Watches a source at work. It is called from several threads, but by one at a time."""

    def started(self, kind: Kind) -> None:
        """Note that reading this kind begins."""

    def finished(self, kind: Kind, count: int) -> None:
        """Note that reading this kind is over, and how many objects or lines it brought."""


class SourceErrorKind(StrEnum):
    """Why nothing could be read at all."""

    NO_KUBECONFIG = "no-kubeconfig"
    BAD_KUBECONFIG = "bad-kubeconfig"
    """Wrong usage: the file that was named, or what stands in it."""
    UNKNOWN_CONTEXT = "unknown-context"
    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"
    TIMED_OUT = "timed-out"
    NO_ISTIO = "no-istio"
    NO_OBJECTS = "no-objects"
    USAGE = "usage"
    """Wrong usage: a path that does not exist, or that cannot be read as files are."""


class SourceError(Exception):
    """Nothing could be read. The message is one sentence or two: what, where, what to do."""

    def __init__(self, kind: SourceErrorKind, message: str) -> None:
        """Keep the kind for exit status and report; the message holds no credential."""
        self.message = redact_words(message)
        super().__init__(self.message)
        self.kind = kind
