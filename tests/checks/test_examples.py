"""Every check's documentation holds: its bad clusters fire, its good ones do not."""

from dataclasses import replace

import pytest
import yaml

from istiodoctor.check import Check
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.logs.meaning import Meaning
from istiodoctor.mesh.mesh import Asked
from istiodoctor.model.kind import Kind, kind_of
from istiodoctor.model.snapshot import Reading, Unread, UnreadReason
from istiodoctor.registry import discover
from tests.support.examples import Example, examples

CHECKS = discover().checks
EXAMPLES = [example for check in CHECKS for example in examples(check)]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_a_bad_example_fires_and_a_good_one_does_not(example: Example) -> None:
    findings = list(example.check.run(Mesh(example.snapshot())))

    assert bool(findings) == (example.verdict == "bad"), [each.message for each in findings]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_every_check_has_a_bad_and_a_good_example(check: Check) -> None:
    verdicts = {example.verdict for example in examples(check)}

    assert verdicts == {"bad", "good"}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_what_a_check_rests_on_is_exactly_what_the_questions_it_asks_do(check: Check) -> None:
    asked: set[Kind] = set()
    undeclared: set[tuple[Asked, Kind | Meaning]] = set()
    logs: set[Meaning] = set()
    for example in examples(check):
        mesh = Mesh(example.snapshot())
        with mesh.recording() as record:
            list(check.run(mesh))
        asked |= record.kinds
        undeclared |= record.undeclared
        logs |= record.logs

    assert (set(check.reads), set(check.logs), undeclared) == (asked, logs, set())


ILLUSTRATED = [example for example in EXAMPLES if example.check.evidence]


@pytest.mark.parametrize("example", ILLUSTRATED, ids=str)
def test_what_only_illustrates_findings_decides_none_of_them(example: Example) -> None:
    decisive = [
        each
        for each in yaml.safe_load_all(example.text)
        if kind_of(each["apiVersion"].rpartition("/")[0], each["kind"])
        not in example.check.evidence
    ]
    unread = tuple(map(refusal, example.check.evidence))
    plain = replace(example, text=yaml.safe_dump_all(decisive, sort_keys=False)).snapshot()

    found = example.check.run(Mesh(plain.plus(Reading(unread=unread))))

    assert [replace(each, evidence=()) for each in found] == [
        replace(each, evidence=()) for each in example.check.run(Mesh(example.snapshot()))
    ]


def refusal(kind: Kind) -> Unread:
    return Unread(kind=kind, reason=UnreadReason.FORBIDDEN)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_a_kind_that_a_check_needs_is_more_than_an_illustration(check: Check) -> None:
    assert not check.needs & check.evidence


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_remembered_answers_are_recorded_like_fresh_ones(example: Example) -> None:
    mesh = Mesh(example.snapshot())
    with mesh.recording() as fresh:
        list(example.check.run(mesh))
    with mesh.recording() as remembered:
        list(example.check.run(mesh))

    assert remembered.kinds == fresh.kinds
