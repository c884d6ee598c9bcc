"""Who may see what: `exportTo` as istiod reads it."""

from enum import IntEnum

from istiodoctor.mesh.configuration.registry_service import (
    EVERY_NAMESPACE,
    NO_NAMESPACE,
    OWN_NAMESPACE,
)


class Audience(IntEnum):
    """In which of istiod's lists a service stands for a namespace, the first one first."""

    EXPORTED = 0
    """Private, or exported to this namespace by name."""
    PUBLIC = 1


def default_audience(written: frozenset[str], *, takes_names: bool) -> frozenset[str]:
    """Return to whom objects without `exportTo` are exported by a default of the mesh.

    `takes_names` is the newer rule. By the older one `.` goes before `*`, all else counts for
    nothing, and it may be that nobody is left.
    """
    if takes_names:
        return written
    own = written & {OWN_NAMESPACE}
    return own or written & {EVERY_NAMESPACE}


def is_visible(export_to: frozenset[str], own: str, seen_from: str) -> bool:
    """Whether an object of one namespace is visible from another (push_context.go:1117)."""
    return (
        EVERY_NAMESPACE in export_to
        or seen_from in export_to
        or (OWN_NAMESPACE in export_to and own == seen_from)
    )


def audience(export_to: frozenset[str], own: str, seen_from: str) -> Audience | None:
    """Return in which list a namespace finds a service (push_context.go:1602); None in neither.

    `*` overrides all others, and `~` overrides names.
    """
    if EVERY_NAMESPACE in export_to:
        return Audience.PUBLIC
    if NO_NAMESPACE in export_to or not is_visible(export_to, own, seen_from):
        return None
    return Audience.EXPORTED
