"""What holds for all findings, whatever checks there are."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from istiodoctor.check import Check
from istiodoctor.diagnosis.folding import NEVER
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.fix import Fix
from istiodoctor.model.ref import Place
from istiodoctor.problem import Diagnosis, Problem
from istiodoctor.report import Report
from tests.diagnosis.rules import as_json, finding, gateway, judged, rule, secret

EXPLAINS = {
    "A001": ("B001", "C001"),
    "A002": ("B001",),
    "B001": ("C001", "D001"),
    "C001": ("D001",),
    "D001": (),
}
SUBJECTS = [gateway("one"), gateway("two"), secret("cert")]


LAW = settings(max_examples=60, deadline=None)


def some(*values: object) -> st.SearchStrategy[list[object]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True)


FINDINGS = st.builds(
    finding,
    st.sampled_from(SUBJECTS),
    st.sampled_from(["", "h1"]),
    objects=some(*SUBJECTS),
    hosts=some("h1", "h2", "h3"),
    servers=some("s1", "s2"),
    credentials=some(("ns", "c1"), ("ns", "c2")),
    message=st.sampled_from(["wrong", "very wrong"]),
    evidence=some(*(Evidence(text=text) for text in "abc")).map(tuple),
    fixes=some(*(Fix(title=title) for title in "xy")).map(tuple),
    severity=st.none() | st.sampled_from(Severity),
    confidence=st.sampled_from(Confidence),
    deadline=st.none()
    | st.integers(0, 3).map(lambda days: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=days)),
)
FOUND = st.dictionaries(
    st.sampled_from(sorted(EXPLAINS)), st.lists(FINDINGS, max_size=4), min_size=1
)


def checks(found: dict[str, list[Finding]]) -> list[Check]:
    return [rule(code, *each, explains=EXPLAINS[code]) for code, each in found.items()]


def members(problem: Problem) -> tuple[Diagnosis, ...]:
    return (problem.cause, *problem.symptoms)


def every(report: Report) -> Iterator[Diagnosis]:
    for problem in report.problems:
        yield from members(problem)


def rank(problem: Problem) -> tuple[object, ...]:
    return (
        problem.severity.rank,
        -len(problem.hosts),
        problem.confidence.rank,
        problem.deadline or NEVER,
        problem.cause.code,
        problem.cause.identity,
    )


@LAW
@given(FOUND, st.randoms(use_true_random=False))
def test_the_order_of_findings_and_checks_never_shows(found, random):
    report = as_json(judged(*sorted(checks(found), key=lambda check: check.code)))

    for findings in found.values():
        random.shuffle(findings)
    shuffled = checks(found)
    random.shuffle(shuffled)
    again = judged(*shuffled)

    in_order = tuple(sorted(again.checks, key=lambda run: run.code))
    assert as_json(replace(again, checks=in_order)) == report


@LAW
@given(FOUND)
def test_nothing_found_is_lost_or_said_twice(found):
    report = judged(*checks(found))

    said = [(each.code, each.identity) for each in every(report)]
    assert sorted(said) == sorted(
        {(code, str(each.identity)) for code, findings in found.items() for each in findings}
    )


@LAW
@given(FOUND)
def test_folding_takes_nothing_from_the_damage(found):
    report = judged(*checks(found))

    for problem in report.problems:
        parts = members(problem)
        assert problem.severity == min((p.own_severity for p in parts), key=lambda s: s.rank)
        assert problem.confidence == min((p.confidence for p in parts), key=lambda c: c.rank)
        assert problem.hosts == tuple(sorted({host for part in parts for host in part.hosts}))
        assert problem.deadline == min((p.deadline for p in parts if p.deadline), default=None)


@LAW
@given(FOUND)
def test_problems_are_ranked_by_severity_hosts_confidence_deadline_code_and_identity(found):
    report = judged(*checks(found))

    assert [problem.rank for problem in report.problems] == list(
        range(1, len(report.problems) + 1)
    )
    assert list(report.problems) == sorted(report.problems, key=rank)


@LAW
@given(FOUND)
def test_a_symptom_stands_under_the_highest_ranked_of_the_causes_it_names(found):
    report = judged(*checks(found))

    ranks = {problem.cause.fingerprint: problem.rank for problem in report.problems}
    for problem in report.problems:
        assert problem.cause.caused_by == ()
        for symptom in problem.symptoms:
            named = [ranks[each] for each in symptom.caused_by]
            assert problem.rank == min(named)


@LAW
@given(FOUND)
def test_a_symptom_has_a_code_that_its_cause_explains_directly_or_not(found):
    report = judged(*checks(found))

    for problem in report.problems:
        assert {each.code for each in problem.symptoms} <= explained_by(problem.cause.code)


def explained_by(code: str) -> set[str]:
    direct = EXPLAINS[code]
    return set(direct).union(*(explained_by(each) for each in direct))


@LAW
@given(FOUND, st.sets(st.sampled_from(["h4", "h5"]), min_size=1))
def test_hosts_that_are_added_change_no_fingerprint(found, hosts):
    wider = {
        code: [replace(each, hosts=each.hosts | hosts) for each in findings]
        for code, findings in found.items()
    }

    assert fingerprints(judged(*checks(wider))) == fingerprints(judged(*checks(found)))


def fingerprints(report: Report) -> set[str]:
    return {each.fingerprint for each in every(report)}


def test_places_are_compared_by_object_and_field():
    """Two findings whose places differ only in what a plugin left out can be ordered."""
    one = finding(objects=[Place(gateway("web"), "/spec", "web.yaml", 3)])
    other = finding(objects=[Place(gateway("web"), "/spec")])

    assert len(judged(rule("X001", one, other)).problems) == 1
