"""Hosts and answers under everything that files can mean: what differs is not known."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace as changed
from itertools import zip_longest

from msgspec.structs import replace

from istiodoctor.diagnosis.agreement import Case, Names
from istiodoctor.model.ref import Ref
from istiodoctor.report import Hop, HopState, HostReport, Verdict

DIFFERS = "depends on which of the files count, or on a namespace that they do not name"

_Key = tuple[str, Ref | None]


def agreed_hosts(
    first: Iterable[HostReport],
    others: Sequence[tuple[Case, tuple[HostReport, ...]]],
    names: Names,
    doubted: frozenset[str] = frozenset(),
) -> tuple[HostReport, ...]:
    """Return the hosts of all cases; one that is not served the same in all is incomplete.

    So is one that is doubted: something was found for it in some of the cases.
    """
    by_case: list[Mapping[_Key, HostReport]] = [
        {
            (each.host, names.of(each.gateway, case) if each.gateway else None): each
            for each in found
        }
        for case, found in others
    ]
    known = {(each.host, each.gateway): each for each in first}
    found: list[HostReport] = []
    for key in dict.fromkeys((*known, *(key for each in by_case for key in each))):
        several = [each.get(key) for each in (known, *by_case)]
        there = [each for each in several if each is not None]
        report = there[0]
        if len(there) == len(several) and len({*map(_summary, there)}) == 1:
            found.append(_doubted(report) if report.host in doubted else report)
            continue
        is_worse = all(each and each.verdict is Verdict.BROKEN for each in several)
        found.append(
            changed(
                report,
                gateway=key[1],
                verdict=Verdict.BROKEN if is_worse else Verdict.INCOMPLETE,
                path=unsure(report.path, [each.path for each in there[1:]]),
            )
        )
    return tuple(sorted(found, key=lambda each: (each.host, each.gateway or Ref("", "", "", ""))))


def _summary(report: HostReport) -> tuple[Verdict, tuple[tuple[str, HopState], ...]]:
    return report.verdict, tuple((hop.hop, hop.state) for hop in report.path)


def _doubted(report: HostReport) -> HostReport:
    """Return a host that seems well as one of which that is not known."""
    if report.verdict is not Verdict.HEALTHY:
        return report
    *before, last = report.path
    path = (*before, replace(last, state=HopState.UNKNOWN, text=DIFFERS, code=""))
    return changed(report, verdict=Verdict.INCOMPLETE, path=path)


def unsure(path: tuple[Hop, ...], others: Iterable[tuple[Hop, ...]]) -> tuple[Hop, ...]:
    """Return a path with those hops unknown that are another in one of the others."""
    rest = tuple(others)
    hops: list[Hop] = []
    for several in zip_longest(path, *rest):
        own = several[0]
        if own is None:
            break
        kinds = {(each.hop, each.state) if each else None for each in several}
        same = len(kinds) == 1 and rest
        hops.append(own if same else replace(own, state=HopState.UNKNOWN, text=DIFFERS, code=""))
    return tuple(hops)
