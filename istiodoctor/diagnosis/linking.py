"""Link findings to those that explain them: their checks say so, and both concern one thing."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import product

from istiodoctor.diagnosis.merging import Merged
from istiodoctor.model.ref import Ref

Topic = tuple[str, Hashable]
Subjects = tuple[bool, bool, bool]
"""Whether a finding says which credentials, servers and hosts it is about."""


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
            for topic in _common_topics(cause):
                for effect in index.get((code, topic), ()):
                    if effect is not cause and _may_explain(cause, effect):
                        found[effect][cause] = None
    return {effect: tuple(each) for effect, each in found.items()}


def _may_explain(cause: Merged, effect: Merged) -> bool:
    """Whether a finding is about an object that the other's evidence names, if it names any."""
    return not effect.culprits or not effect.culprits.isdisjoint(_refs(cause))


def roots(finding: Merged, direct: Mapping[Merged, tuple[Merged, ...]]) -> tuple[Merged, ...]:
    """Return the findings at the bottom of what explains one; empty when nothing does."""
    return tuple(each for each in ancestors((finding,), direct) if not direct.get(each))


def ancestors(
    findings: Iterable[Merged], direct: Mapping[Merged, tuple[Merged, ...]]
) -> tuple[Merged, ...]:
    """Return everything that explains some of these findings, directly or not."""
    seen = dict.fromkeys(findings)
    waiting = list(seen)
    found: dict[Merged, None] = {}
    while waiting:
        for cause in direct.get(waiting.pop(), ()):
            if cause not in seen:
                seen[cause] = found[cause] = None
                waiting.append(cause)
    return tuple(found)


def _topics(finding: Merged) -> Iterator[Topic]:
    """Yield what a finding is about: the things on which findings meet."""
    yield from _subjects(finding)
    for ref in _refs(finding):
        yield "object", (_says(finding), ref)


def _common_topics(finding: Merged) -> Iterator[Topic]:
    """Yield the topics of every finding that this one would meet.

    A shared credential, server or host decides. A shared object counts only where none of those
    says that they differ: two servers of one Gateway have nothing to do with each other.
    """
    yield from _subjects(finding)
    mine = _says(finding)
    for ref in _refs(finding):
        for theirs in product((False, True), repeat=len(mine)):
            if not any(one and other for one, other in zip(mine, theirs, strict=True)):
                yield "object", (theirs, ref)


def _subjects(finding: Merged) -> Iterator[Topic]:
    for key in finding.credentials:
        yield "credential", key
    for server in finding.servers:
        yield "server", server
    for host in finding.hosts:
        yield "host", host


def _says(finding: Merged) -> Subjects:
    return bool(finding.credentials), bool(finding.servers), bool(finding.hosts)


def _refs(finding: Merged) -> frozenset[Ref]:
    return frozenset(place.ref for place in finding.objects)
