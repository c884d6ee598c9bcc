"""Which kinds files hold completely: none, unless the files are the whole cluster."""

from collections.abc import Iterator

from istiodoctor.model.kind import OPTIONAL_READS, Kind
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Unread, UnreadReason

DERIVED = frozenset(
    {
        Kind.POD,
        Kind.ENDPOINT_SLICE,
        Kind.EVENT,
        Kind.CERTIFICATE_REQUEST,
        Kind.ORDER,
        Kind.CHALLENGE,
    }
)
"""What controllers make: manifests that are complete otherwise do not hold it."""

MAKERS = {
    Kind.CERTIFICATE_REQUEST: Kind.CERTIFICATE,
    Kind.ORDER: Kind.CERTIFICATE,
    Kind.CHALLENGE: Kind.CERTIFICATE,
}
"""What some of these are made for: where there is none of it, there is none of these either."""

NOT_GIVEN_MESSAGE = "the files hold none, and need not be everything there is"
DERIVED_MESSAGE = "controllers make these, and the files hold none"
DOUBT = "some files could not be read: what the others do not show may be in those"


def whole_cluster(kinds: frozenset[Kind], seen: set[Kind], *, is_doubtful: bool) -> Reading:
    """Return which kinds the files hold completely; `seen` are those of which one appeared.

    Where something was left unread that may hold objects of any kind, no absence is a fact.
    """
    underived = frozenset(_underived(kinds, seen))
    if is_doubtful:
        unshown = not_given(kinds, {*seen, *(each.kind for each in underived if each.kind)})
        return Reading(unread=tuple(underived), outside=unshown.outside, notes=(DOUBT,))
    complete = kinds - OPTIONAL_READS - {unread.kind for unread in underived}
    return Reading(
        unread=tuple(sorted(underived, key=str)),
        listed={kind: frozenset({EVERYWHERE}) for kind in complete},
    )


def not_given(kinds: frozenset[Kind], seen: set[Kind]) -> Reading:
    """Return which kinds plain manifests hold nothing of: nobody knows what else there is."""
    missing = sorted(kinds - OPTIONAL_READS - seen, key=str)
    return Reading(
        outside=tuple(
            Unread(kind=each, reason=UnreadReason.NOT_GIVEN, message=NOT_GIVEN_MESSAGE)
            for each in missing
        )
    )


def _underived(kinds: frozenset[Kind], seen: set[Kind]) -> Iterator[Unread]:
    for kind in (kinds & DERIVED) - seen:
        maker = MAKERS.get(kind)
        if maker in kinds and maker not in seen:
            continue
        yield Unread(kind=kind, reason=UnreadReason.NOT_DERIVED, message=DERIVED_MESSAGE)
