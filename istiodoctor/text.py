"""Names in a sentence: `a, b and c`."""

from collections.abc import Iterable

SHOWN = 3


def listing(items: Iterable[object], *, shown: int = SHOWN) -> str:
    """Join a few items: `a, b and c`, or `a, b, c and 4 more`; each once, in order."""
    each = tuple(dict.fromkeys(items))
    if len(each) > shown + 1:
        return f"{', '.join(map(str, each[:shown]))} and {len(each) - shown} more"
    names = tuple(map(str, each))
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def host_listing(hosts: Iterable[str], *, shown: int = SHOWN) -> str:
    """Join hosts as `listing` does; `its hosts` where none is known: no sentence has a hole."""
    return listing(hosts, shown=shown) or "its hosts"
