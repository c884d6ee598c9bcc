from dataclasses import replace

import pytest
import yaml

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.methods import Questions, question
from istiodoctor.model.decode import decode_object
from istiodoctor.model.kind import Kind, kind_of
from istiodoctor.model.kubernetes import Pod, Service
from istiodoctor.model.snapshot import Reading, Snapshot
from istiodoctor.registry import discover
from tests.support.answers import answers, differences, open_questions
from tests.support.examples import Example, examples, materialized
from tests.support.objects import Manifest, gateway, https, mesh_of, pod, service, snapshot_of

EXAMPLES = [next(examples(check)) for check in discover().checks]
SOME = EXAMPLES[::8]
"""Enough of them to have every family among them; the law is the same for all."""


class Room(Questions):
    """A mesh of few questions, which counts how often it works."""

    worked = 0

    @question(Kind.POD)
    def pods(self) -> tuple[Pod, ...]:
        """Return the pods."""
        Room.worked += 1
        return self._all(Pod)

    @question(Kind.SERVICE)
    def services(self) -> tuple[Service, ...]:
        """Return the Services."""
        return self._all(Service)

    @question(rests_on=[pods, services])
    def both(self) -> int:
        """Return how many there are of both."""
        return len(self.pods()) + len(self.services())

    @question(rests_on=[services])
    def careless(self) -> int:
        """Ask what it does not declare."""
        return len(self.services()) + len(self.pods()) + len(self._all(Pod))

    @question(Kind.POD)
    def named(self, name: str) -> bool:
        """Whether a pod of this name exists."""
        return any(each.name == name for each in self.pods())


@pytest.fixture
def room() -> Room:
    Room.worked = 0
    return Room(snapshot_of(pod("a"), service("b", "istio-system", 80)))


def test_a_question_rests_on_the_kinds_of_those_it_asks():
    assert Room.both.kinds == {Kind.POD, Kind.SERVICE}


def test_a_question_is_worked_out_once(room: Room):
    room.pods()
    room.both()

    assert Room.worked == 1


def test_a_question_is_answered_for_each_argument(room: Room):
    assert [room.named("a"), room.named("b"), room.named("a")] == [True, False, True]


@pytest.mark.parametrize("is_remembered", [False, True])
def test_asking_is_recorded_whether_or_not_the_answer_was_remembered(
    room: Room, is_remembered: bool
):
    if is_remembered:
        room.both()
        room.asked.clear()

    room.both()

    assert room.asked == {Kind.POD, Kind.SERVICE}


def test_what_a_question_asks_by_itself_is_not_recorded_for_the_asker(room: Room):
    room.services()

    assert room.asked == {Kind.SERVICE}


def test_what_a_question_reads_or_asks_undeclared_is_told(room: Room):
    room.careless()

    assert room.undeclared == {("careless", Kind.POD)}


def test_undeclared_asking_is_told_when_the_answer_was_remembered(room: Room):
    room.pods()
    room.careless()

    assert room.undeclared == {("careless", Kind.POD)}


def test_a_question_that_fails_leaves_the_record_in_order(room: Room):
    with pytest.raises(TypeError):
        room.named("a", "too many")  # type: ignore[call-arg]
    room.services()

    assert room.undeclared == set()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (frozenset[Kind](), 1),
        (frozenset({Kind.SERVICE}), 1),
        (frozenset({Kind.POD}), 2),
        (frozenset({Kind.POD, Kind.SECRET}), 2),
    ],
)
def test_answers_that_rest_on_nothing_that_changed_are_kept(
    room: Room, changed: frozenset[Kind], expected: int
):
    room.pods()

    room.after(snapshot_of(pod("a")), changed).pods()

    assert Room.worked == expected


def test_a_later_mesh_does_not_change_the_one_before(room: Room):
    later = room.after(snapshot_of(pod("a"), pod("b")), frozenset({Kind.POD}))

    assert (len(later.pods()), len(room.pods())) == (2, 1)


def split(example: Example, kind: Kind) -> tuple[Snapshot, Reading]:
    """Return an example's cluster without the objects of a kind, and a reading that has them."""
    documents = [each for each in yaml.safe_load_all(example.text) if each]
    rest = [each for each in documents if kind_in(each) is not kind]
    found = [
        decoded
        for each in documents
        if kind_in(each) is kind and (decoded := decode_object(materialized(each)))
    ]
    reading = Reading(
        resources=tuple(each.resource for each in found if each.resource),
        credentials=tuple(each.credential for each in found if each.credential),
    )
    return replace(example, text=yaml.safe_dump_all(rest)).snapshot(), reading


def kind_in(document: Manifest) -> Kind | None:
    return kind_of(document["apiVersion"].rpartition("/")[0], document["kind"])


def kinds_in(example: Example) -> list[Kind]:
    found = {kind_in(each) for each in yaml.safe_load_all(example.text) if each}
    return sorted((each for each in found if each), key=str)


@pytest.mark.parametrize("example", SOME, ids=str)
def test_a_later_mesh_answers_as_a_new_one_would(example: Example):
    for kind in kinds_in(example):
        early, reading = split(example, kind)
        mesh = Mesh(early)
        answers(mesh)
        late = early.plus(reading)

        assert list(differences(mesh.after(late, reading.kinds), Mesh(late))) == []


@pytest.mark.parametrize("example", SOME, ids=str)
def test_no_question_reads_what_it_does_not_declare(example: Example):
    mesh = Mesh(example.snapshot())

    answers(mesh)

    assert mesh.undeclared == set()


def test_there_are_questions_to_compare():
    assert {"workloads", "listeners", "credential_uses", "attachments"} <= set(open_questions())


def test_a_difference_between_two_clusters_shows():
    one = mesh_of(pod(), gateway("web", "shop", https("a.com")))
    other = mesh_of(pod(), gateway("web", "shop", https("b.com")))

    assert "tls_hosts" in set(differences(one, other))
