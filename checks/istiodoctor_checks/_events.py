"""Evidence from Events."""

from collections.abc import Iterable

from istiodoctor.evidence import Evidence, EvidenceKind
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.reasons import without_tokens
from istiodoctor.mesh.observations.events import events_of, telling
from istiodoctor.model.events import Event
from istiodoctor.model.ref import Ref

MOST_EVENTS = 4


def event_evidence(mesh: Mesh, refs: Iterable[Ref]) -> tuple[Evidence, ...]:
    """Return what the last Events about these objects say of failures, object by object."""
    found = (
        Evidence(text=f"{ref}: {_words(event)}", kind=EvidenceKind.EVENT, ref=ref, at=event.seen)
        for ref in dict.fromkeys(refs)
        for event in telling(events_of(mesh, ref))
    )
    return tuple(found)[:MOST_EVENTS]


def _words(event: Event) -> str:
    times = f" ({event.times} times)" if event.times > 1 else ""
    return f"{event.reason}: {without_tokens(event.message).strip()}{times}"
