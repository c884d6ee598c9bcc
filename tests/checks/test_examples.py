"""Every check's documentation holds: what it shows of findings is what the check finds."""

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
from istiodoctor.testing import Example, examples, examples_of, verify

CHECKS = discover().checks
EXAMPLES = examples_of("istiodoctor_checks")


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_says_what_its_check_finds(example: Example) -> None:
    verify(example, must_tell=True)


def test_every_check_has_its_examples() -> None:
    assert {each.check.code for each in EXAMPLES} == {each.code for each in CHECKS}


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
