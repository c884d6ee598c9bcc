"""Which finding explains which: only where the codes say so and both meet on something."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping

from istiodoctor.diagnosis.merging import Merged

Topic = tuple[str, Hashable]


def causes(findings: Iterable[Merged]) -> Mapping[Merged, tuple[Merged, ...]]:
    """Return the findings that directly explain each finding."""
    every = tuple(findings)
    index: dict[tuple[str, Topic], list[Merged]] = defaultdict(list)
    explained = frozenset().union(*(each.check.explains for each in every))
    for finding in every:
        if finding.code in explained:
            for topic in _topics(finding):
                index[finding.code, topic].append(finding)
    found: dict[Merged, dict[Merged, None]] = defaultdict(dict)
    for cause in every:
        for code in sorted(cause.check.explains):
            for topic in _topics(cause):
                for effect in index.get((code, topic), ()):
                    if effect is not cause and _meet(cause, effect):
                        found[effect][cause] = None
    return {effect: tuple(each) for effect, each in found.items()}


def roots(finding: Merged, direct: Mapping[Merged, tuple[Merged, ...]]) -> tuple[Merged, ...]:
    """Return the findings at the bottom of what explains one; empty when nothing does."""
    found: dict[Merged, None] = {}
    seen = {finding}
    waiting = list(direct.get(finding, ()))
    while waiting:
        cause = waiting.pop()
        if cause in seen:
            continue
        seen.add(cause)
        deeper = direct.get(cause, ())
        if deeper:
            waiting += deeper
        else:
            found[cause] = None
    return tuple(found)


def _topics(finding: Merged) -> Iterator[Topic]:
    """Yield what a finding is about: the things on which findings meet."""
    for key in finding.credentials:
        yield "credential", key
    for server in finding.servers:
        yield "server", server
    for host in finding.hosts:
        yield "host", host
    for ref in {place.ref for place in finding.objects}:
        yield "object", ref


def _meet(one: Merged, other: Merged) -> bool:
    """Whether two findings are about the same thing.

    A shared credential, server or host decides. A shared object counts only where none of those
    says that they differ: two servers of one Gateway have nothing to do with each other.
    """
    differ = False
    for mine, theirs in (
        (one.credentials, other.credentials),
        (one.servers, other.servers),
        (one.hosts, other.hosts),
    ):
        if mine and theirs:
            if not mine.isdisjoint(theirs):
                return True
            differ = True
    return not differ and not {p.ref for p in one.objects}.isdisjoint(p.ref for p in other.objects)
