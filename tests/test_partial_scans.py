"""A partial scan never turns into a clean bill: each kind in turn is withheld from the demo."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

import pytest

from istiodoctor.diagnosis.report import could_not_look
from istiodoctor.engine import Options, scan
from istiodoctor.finding import Confidence, Severity
from istiodoctor.mesh.facts import Facts
from istiodoctor.model.kind import OPTIONAL_READS, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import (
    EVERYWHERE,
    ClusterInfo,
    Reading,
    Unread,
    UnreadReason,
)
from istiodoctor.model.wanted import Wanted
from istiodoctor.registry import discover
from istiodoctor.report import Outcome, Report, Verdict
from istiodoctor.sources.demo import DemoSource, open_demo
from tests.support.less import contradictions, healthier

NOW = datetime(2026, 5, 14, 9, 30, tzinfo=UTC)
CHECKS = discover().checks
OPTIONS = Options(
    facts=Facts(
        trusted_subjects=frozenset({"CN=ISRG Root X1,O=Internet Security Research Group,C=US"})
    )
)
DEMO = open_demo(now=NOW)
READ = {kind for check in CHECKS for kind in check.needs} - (OPTIONAL_READS - DEMO.offers)
KINDS = sorted(READ, key=str)
GRAVE = frozenset({Severity.CRITICAL, Severity.HIGH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Withholding:
    """The demo to one who may not read a kind, everywhere or in one namespace."""

    kind: Kind
    namespace: str = ""
    source: DemoSource = DEMO

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def taken_at(self) -> datetime:
        return self.source.taken_at

    @property
    def offers(self) -> frozenset[Kind]:
        return self.source.offers

    def describe(self) -> ClusterInfo:
        return self.source.describe()

    def collect(self, kinds: frozenset[Kind]) -> Reading:
        reading = self._withheld(self.source.collect(kinds))
        if self.kind not in kinds or not self.kind.listed:
            return reading
        listed = {kind: where for kind, where in reading.listed.items() if kind is not self.kind}
        if self.namespace:
            others = self._namespaces() - {self.namespace}
            listed[self.kind] = frozenset(others)
        return replace(reading, listed=listed, unread=(self._refusal(self.namespace),))

    def read(self, wanted: Wanted) -> Reading:
        reading = self._withheld(self.source.read(wanted))
        asked = {
            *((Kind.SECRET, *key) for key in wanted.secrets | wanted.secret_names),
            *((Kind.SECRET, EVERYWHERE, name) for name in wanted.secrets_anywhere),
            *((Kind.POD_LOG, target.namespace, target.pod) for target in wanted.logs),
            *wanted.again,
        }
        refused = {each for each in asked if self._hides(each[0], each[1])}
        names = reading.secret_names
        if self.kind is Kind.SECRET:
            names = frozenset(key for key in names if not self._hides(Kind.SECRET, key[0]))
        return replace(
            reading,
            secret_names=names,
            looked_up=reading.looked_up - refused,
            unread=tuple(
                self._refusal(where, name) for _, where, name in sorted(refused, key=str)
            ),
        )

    def _withheld(self, reading: Reading) -> Reading:
        def keep(ref: Ref) -> bool:
            same = (ref.group, ref.kind) == (self.kind.group, self.kind.value.kind)
            return not (same and self._hides(self.kind, ref.namespace))

        return replace(
            reading,
            resources=tuple(each for each in reading.resources if keep(each.ref)),
            credentials=tuple(each for each in reading.credentials if keep(each.ref)),
            documents={ref: each for ref, each in reading.documents.items() if keep(ref)},
            logs=tuple(
                each
                for each in reading.logs
                if not (each.pod and self._hides(Kind.POD_LOG, each.pod.namespace))
            ),
        )

    def _hides(self, kind: Kind, namespace: str) -> bool:
        everywhere = not self.namespace or namespace in (self.namespace, EVERYWHERE)
        return kind is self.kind and everywhere

    def _refusal(self, namespace: str = "", name: str = "") -> Unread:
        return Unread(
            kind=self.kind, namespace=namespace, name=name, reason=UnreadReason.FORBIDDEN
        )

    def _namespaces(self) -> frozenset[str]:
        return frozenset(each.ref.namespace for each in self.source.objects)


@cache
def whole() -> Report:
    return scan(DEMO, CHECKS, OPTIONS)


@cache
def partial(kind: Kind, namespace: str = "") -> Report:
    return scan(Withholding(kind=kind, namespace=namespace), CHECKS, OPTIONS)


def found(report: Report) -> dict[tuple[str, str], frozenset[str]]:
    """Return the fingerprints of everything found, with the code, and the hosts concerned."""
    return {
        (each.code, each.fingerprint): frozenset(each.hosts)
        for problem in report.problems
        for each in (problem.cause, *problem.symptoms)
    }


def outcomes(report: Report) -> dict[str, Outcome]:
    return {run.code: run.outcome for run in report.checks}


def namespaces(kind: Kind) -> Iterable[str]:
    """Return where the demo has objects of a kind; logs are where the pods are."""
    if kind is Kind.POD_LOG:
        return sorted({target.namespace for target in DEMO.logs})
    return sorted({each.ref.namespace for each in DEMO.objects if each.kind is kind} - {""})


CASES = [
    *((kind, "") for kind in KINDS),
    *((kind, namespace) for kind in KINDS for namespace in namespaces(kind)),
]


def name_of(value: object) -> str:
    return str(value) or "everywhere"


@pytest.mark.promise("what it could not look at it says, instead of calling it healthy")
@pytest.mark.parametrize(("kind", "namespace"), CASES, ids=name_of)
def test_what_was_withheld_is_never_called_healthy(kind: Kind, namespace: str) -> None:
    report = partial(kind, namespace)

    assert report.verdict is not Verdict.HEALTHY
    assert not [run for run in report.checks if run.outcome is Outcome.ERRORED]
    assert report.problems or could_not_look(report.checks)


@pytest.mark.parametrize(("kind", "namespace"), CASES, ids=name_of)
def test_nothing_looks_healthier_for_what_was_withheld(kind: Kind, namespace: str) -> None:
    report = partial(kind, namespace)

    assert [*healthier(whole(), report), *contradictions(report)] == []


@pytest.mark.parametrize(("kind", "namespace"), CASES, ids=name_of)
def test_a_problem_is_lost_only_where_its_check_says_that_it_could_not_look(
    kind: Kind, namespace: str
) -> None:
    report = partial(kind, namespace)

    before, after, runs = found(whole()), found(report), outcomes(report)
    lost = {code for code, _ in before.keys() - after.keys()}
    assert {code for code in lost if runs[code] is Outcome.PASSED} == set()


@pytest.mark.parametrize(("kind", "namespace"), CASES, ids=name_of)
def test_what_is_unread_is_told_to_every_check_that_needs_it(kind: Kind, namespace: str) -> None:
    report = partial(kind, namespace)

    runs = outcomes(report)
    read = {each.kind for each in report.unread}
    assert read == {kind.value.kind}
    passed = {
        check.code
        for check in CHECKS
        if kind in check.needs and runs[check.code] is Outcome.PASSED
    }
    # Where else a Secret is that is reported as missing concerns the checks alone that search.
    only_searches = all(each.namespace == EVERYWHERE for each in report.unread)
    assert passed == set() or only_searches


@pytest.mark.parametrize(("kind", "namespace"), CASES, ids=name_of)
def test_no_host_is_accused_because_something_is_unread(kind: Kind, namespace: str) -> None:
    troubled = {host for problem in whole().problems for host in problem.hosts}
    accused = {
        host
        for problem in partial(kind, namespace).problems
        for each in (problem.cause, *problem.symptoms)
        if each.confidence != Confidence.SUSPECTED and each.own_severity in GRAVE
        for host in each.hosts
    }

    assert accused - troubled == set()
