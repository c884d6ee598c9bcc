"""Text of findings that several checks use."""

from collections.abc import Iterable

SHOWN = 3


def listing(items: Iterable[object], *, shown: int = SHOWN) -> str:
    """Join a few items: `a, b and c`, or `a, b, c and 4 more`; each once, in order."""
    each = tuple(dict.fromkeys(items))
    if len(each) > shown + 1:
        return f"{', '.join(map(str, each[:shown]))} and {len(each) - shown} more"
    names = tuple(map(str, each))
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
