"""Phrases that several checks use."""

from collections.abc import Iterable

SHOWN = 3


def listing(items: Iterable[object], *, shown: int = SHOWN) -> str:
    """Join a few items: `a, b and c`, or `a, b, c and 4 more`; each once, in order."""
    names = [str(each) for each in dict.fromkeys(items)]
    if len(names) > shown + 1:
        return f"{', '.join(names[:shown])} and {len(names) - shown} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
