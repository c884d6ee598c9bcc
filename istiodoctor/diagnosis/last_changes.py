"""What changed last on the way to a host: by whom, and when."""

from collections.abc import Iterable, Iterator

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.reasons import without_tokens
from istiodoctor.mesh.observations.events import events_of
from istiodoctor.model.managed_fields import last_written
from istiodoctor.model.ref import Ref
from istiodoctor.report import LastChange, LastChangeKind

MOST_CHANGES = 5
"""Of one host."""
_OPERATIONS = {"Apply": LastChangeKind.APPLIED, "Update": LastChangeKind.UPDATED}


class LastChanges:
    """The last changes of objects, each looked up once, and only when somebody asks."""

    def __init__(self, mesh: Mesh) -> None:
        """Remember whose objects they are."""
        self._mesh = mesh
        self._known: dict[Ref, tuple[LastChange, ...]] = {}

    def among(self, refs: Iterable[Ref]) -> tuple[LastChange, ...]:
        """Return the last few changes of these objects, the newest first."""
        found = [each for ref in dict.fromkeys(refs) for each in self._of(ref)]
        found.sort(key=lambda each: each.ref)
        found.sort(key=lambda each: each.at, reverse=True)
        return tuple(found[:MOST_CHANGES])

    def _of(self, ref: Ref) -> tuple[LastChange, ...]:
        if ref not in self._known:
            self._known[ref] = tuple(self._looked_up(ref))
        return self._known[ref]

    def _looked_up(self, ref: Ref) -> Iterator[LastChange]:
        document = self._mesh.snapshot.documents.get(ref)
        written = last_written(document) if document else None
        if written:
            kind = _OPERATIONS.get(written.operation, LastChangeKind.UPDATED)
            yield LastChange(
                ref=ref,
                at=written.at,
                kind=LastChangeKind.CREATED if written.is_creation else kind,
                by=written.manager,
            )
        for event in events_of(self._mesh, ref)[-1:]:
            if event.seen:
                yield LastChange(
                    ref=ref,
                    at=event.seen,
                    kind=LastChangeKind.EVENT,
                    by=event.reporter,
                    text=without_tokens(f"{event.reason}: {event.message}".strip(": ")),
                )
