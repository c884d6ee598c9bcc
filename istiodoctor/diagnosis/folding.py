"""Fold symptoms under their causes, and rank the problems."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush

from istiodoctor.diagnosis.linking import causes, roots
from istiodoctor.diagnosis.merging import Merged
from istiodoctor.finding import Confidence, Severity
from istiodoctor.model.ref import Place
from istiodoctor.problem import Diagnosis, Problem, ProvenFix

NEVER = datetime.max.replace(tzinfo=UTC)
Locate = Callable[[Place], Place]
Rank = tuple[int, int, int, datetime, str, str]


def fold(findings: Iterable[Merged], locate: Locate) -> tuple[Problem, ...]:
    """Return the problems in order of rank, each with its symptoms.

    A symptom with several causes stands under the highest-ranked of them and names all.
    """
    every = tuple(findings)
    direct = causes(every)
    bottoms = {each: roots(each, direct) for each in every}
    groups: dict[Merged, list[Merged]] = defaultdict(list)
    for finding, found in bottoms.items():
        for cause in found or (finding,):
            groups[cause].append(finding)
    return tuple(
        _problem(position, cause, members, bottoms, locate)
        for position, (cause, members) in enumerate(_ranked(groups), start=1)
    )


def _ranked(groups: Mapping[Merged, list[Merged]]) -> Iterator[tuple[Merged, list[Merged]]]:
    """Yield each cause, the worst first, with its symptoms that no worse cause has taken.

    A group without the symptoms that others took is never worse than it was before: so the one at
    the top of the heap is the worst if it still has them all.
    """
    waiting = [
        (rank(cause, members), number, len(members), cause)
        for number, (cause, members) in enumerate(groups.items())
    ]
    heapify(waiting)
    taken: set[Merged] = set()
    while waiting:
        _, number, size, cause = heappop(waiting)
        members = [each for each in groups[cause] if each not in taken]
        if len(members) < size:
            heappush(waiting, (rank(cause, members), number, len(members), cause))
            continue
        taken.update(members)
        yield cause, members


def rank(cause: Merged, members: Iterable[Merged]) -> Rank:
    """Order problems: severity, hosts, confidence, deadline, code, identity; smaller is first."""
    every = (cause, *members)
    return (
        _severity(every).rank,
        -len(_hosts(every)),
        _confidence(every).rank,
        _deadline(every) or NEVER,
        cause.code,
        str(cause.identity),
    )


def _problem(
    position: int,
    cause: Merged,
    members: list[Merged],
    bottoms: Mapping[Merged, tuple[Merged, ...]],
    locate: Locate,
) -> Problem:
    symptoms = sorted((each for each in members if each is not cause), key=_alone)
    return Problem(
        rank=position,
        cause=_diagnosis(cause, (), locate),
        severity=_severity(members),
        confidence=_confidence(members),
        hosts=tuple(sorted(_hosts(members))),
        deadline=_deadline(members),
        symptoms=tuple(_diagnosis(each, bottoms[each], locate) for each in symptoms),
    )


def _alone(finding: Merged) -> Rank:
    return rank(finding, (finding,))


def _diagnosis(finding: Merged, caused_by: tuple[Merged, ...], locate: Locate) -> Diagnosis:
    return Diagnosis(
        code=finding.code,
        name=finding.check.name,
        title=finding.title,
        own_severity=finding.severity,
        confidence=finding.confidence,
        message=finding.message,
        objects=tuple(locate(place) for place in finding.objects),
        hosts=tuple(sorted(finding.hosts)),
        evidence=finding.evidence,
        fixes=tuple(ProvenFix(fix=fix) for fix in finding.fixes),
        fingerprint=finding.fingerprint,
        identity=str(finding.identity),
        deadline=finding.deadline,
        is_settling=finding.is_settling,
        docs=f"docs/checks/{finding.code}.md",
        caused_by=tuple(each.fingerprint for each in sorted(caused_by, key=_alone)),
        corroboration=finding.corroboration,
    )


def _severity(findings: Iterable[Merged]) -> Severity:
    return min((each.severity for each in findings), key=lambda severity: severity.rank)


def _confidence(findings: Iterable[Merged]) -> Confidence:
    return min((each.confidence for each in findings), key=lambda confidence: confidence.rank)


def _hosts(findings: Iterable[Merged]) -> frozenset[str]:
    return frozenset().union(*(each.hosts for each in findings))


def _deadline(findings: Iterable[Merged]) -> datetime | None:
    return min((each.deadline for each in findings if each.deadline), default=None)
