"""Questions as functions: what they remember, what is known of them without asking."""

import dis
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import pytest

from istiodoctor.mesh.bytecode import loads
from istiodoctor.mesh.log_meanings import Meaning
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import OpenQuestion, Question, question, reads_of
from istiodoctor.model.kind import Kind
from istiodoctor.model.pods import Pod
from tests.mesh import rooms
from tests.support.objects import pod, service, snapshot_of

POD, SERVICE, NAMESPACE, SECRET, LOG = (
    Kind.POD,
    Kind.SERVICE,
    Kind.NAMESPACE,
    Kind.SECRET,
    Kind.POD_LOG,
)

ILLUSTRATED = (frozenset({POD}), frozenset({LOG}), frozenset({Meaning.SDS_PUSHED}))


@pytest.fixture
def mesh() -> Mesh:
    return Mesh(snapshot_of(pod("a"), service("b", "istio-system", 80)))


def counting() -> tuple[Question[..., int], list[tuple[object, ...]]]:
    """Return a question about pods, and the arguments for which it was worked out."""
    worked: list[tuple[object, ...]] = []

    @question(Kind.POD)
    def count(mesh: Mesh, *arguments: object) -> int:
        worked.append(arguments)
        return len(mesh.all(Pod))

    return count, worked


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        (rooms.pods, {POD}),
        (rooms.both, {POD, SERVICE}),
        (rooms.in_a_comprehension, {POD}),
        (rooms.in_a_lambda, {POD}),
        (rooms.in_an_inner_function, {POD}),
        (rooms.in_a_default, {POD}),
        (rooms.through_a_function, {POD}),
        (rooms.through_a_generator, {POD}),
        (rooms.through_a_wrapped_function, {POD}),
        (rooms.through_a_class, {POD, SERVICE}),
        (rooms.through_a_subclass, {POD, SERVICE}),
        (rooms.through_a_module, {NAMESPACE}),
        (rooms.attributes_of_that_name, set()),
        (rooms.through_a_table, set()),
        (rooms.through_a_table_declared, {POD}),
        (rooms.asks_itself, {POD}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_a_question_rests_on_follows_from_what_its_code_names(
    asked: Question[..., Any], kinds: set[Kind]
):
    assert asked.kinds == kinds


@pytest.mark.parametrize("ring", [rooms.ring_a, rooms.ring_b, rooms.ring_c])
def test_questions_that_ask_each_other_rest_on_the_same(ring: Question[..., Any]):
    assert ring.kinds == {POD, SERVICE, NAMESPACE, SECRET}


def test_what_a_closure_holds_is_named():
    asked = rooms.pods

    @question()
    def enclosed(mesh: Mesh) -> int:
        return len([each for _ in range(1) for each in asked(mesh)])

    assert enclosed.kinds == {POD}


def test_a_variable_that_hides_one_of_a_closure_is_not_it():
    asked = rooms.pods

    @question()
    def enclosed(mesh: Mesh) -> object:
        def inner(asked: int) -> Callable[[], int]:
            return lambda: asked

        return inner(1)()

    assert (asked.kinds, enclosed.kinds) == (frozenset({POD}), frozenset())


def test_what_it_can_do_without_is_no_need():
    found = rooms.with_evidence

    assert (found.kinds, found.evidence, found.logs) == ILLUSTRATED


def test_what_one_can_do_without_another_that_asks_it_can_too():
    found = rooms.with_evidence_below

    assert (found.kinds, found.evidence, found.logs) == ILLUSTRATED


def test_what_one_can_do_without_another_may_need():
    found = rooms.for_want_of_evidence

    assert (found.kinds, found.evidence) == (frozenset({POD, LOG}), frozenset())


@pytest.mark.parametrize(("asked", "wide"), [(rooms.secrets, True), (rooms.pods, False)])
def test_a_search_for_secrets_is_known_of_those_who_ask_for_it(
    asked: Question[[], Any], wide: bool
):
    def judge(mesh: Mesh) -> object:
        return asked(mesh)

    assert reads_of(judge).searches is wide


def test_what_code_that_is_no_question_rests_on_is_known_too():
    def judge(mesh: Mesh) -> int:
        return rooms.both(mesh) + rooms.pushes(mesh)

    found = reads_of(judge, evidence=[rooms.pushes])

    assert (found.kinds, found.evidence) == (frozenset({POD, SERVICE}), frozenset({LOG}))
    assert found.questions == {rooms.both, rooms.pods, rooms.services, rooms.pushes}


def codes_of(value: CodeType) -> Iterator[CodeType]:
    yield value
    for each in value.co_consts:
        if isinstance(each, CodeType):
            yield from codes_of(each)


def test_the_names_in_bytecode_are_those_that_the_disassembler_of_this_python_tells():
    functions = [each for each in vars(dis).values() if isinstance(each, FunctionType)]
    for code in (code for each in functions for code in codes_of(each.__code__)):
        told = {
            each.argval
            for each in dis.get_instructions(code)
            if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")
        }

        assert {path[0] for path in loads(code)} == told


def test_a_question_with_very_many_names_is_read_as_well():
    source = "def many(mesh):\n" + "".join(f"    name_{number}\n" for number in range(700))
    space = {"name_699": rooms.pods, "__name__": __name__}
    exec(compile(source, "many", "exec"), space)

    assert reads_of(space["many"]).kinds == {POD}  # type: ignore[arg-type]


def test_a_question_is_worked_out_once_for_each_mesh_and_arguments(mesh: Mesh):
    count, worked = counting()
    other = Mesh(mesh.snapshot)

    found = [count(mesh), count(mesh), count(mesh, 1), count(mesh, 1), count(other)]

    assert (found, worked) == ([1] * 5, [(), (1,), ()])


def test_a_question_asked_while_it_is_being_answered_is_named(mesh: Mesh):
    with pytest.raises(OpenQuestion, match="asks_itself was asked while it was being answered"):
        rooms.asks_itself(mesh)


def test_a_question_that_failed_can_be_asked_again(mesh: Mesh):
    for _ in range(2):
        with pytest.raises(OpenQuestion):
            rooms.asks_itself(mesh)

    assert rooms.pods(mesh) == mesh.all(Pod)


def test_a_question_may_ask_itself_of_something_else(mesh: Mesh):
    assert rooms.ring_a(mesh, 3) == 3


def test_an_answer_of_none_is_an_answer(mesh: Mesh):
    worked = []

    @question()
    def nothing(mesh: Mesh) -> None:
        worked.append(1)

    nothing(mesh)
    nothing(mesh)

    assert worked == [1]


@pytest.mark.parametrize("is_remembered", [False, True])
def test_asking_is_recorded_whether_or_not_the_answer_was_remembered(
    mesh: Mesh, is_remembered: bool
):
    if is_remembered:
        rooms.both(mesh)

    with mesh.recording() as record:
        rooms.both(mesh)

    assert record.kinds == {POD, SERVICE}


def test_what_a_question_asks_by_itself_is_not_recorded_for_the_asker(mesh: Mesh):
    with mesh.recording() as record:
        rooms.services(mesh)

    assert record.kinds == {SERVICE}


def test_what_is_read_beside_all_questions_is_recorded(mesh: Mesh):
    with mesh.recording() as record:
        mesh.all(Pod)

    assert record.kinds == {POD}


def test_nothing_is_recorded_before_and_after(mesh: Mesh):
    rooms.pods(mesh)
    with mesh.recording() as record:
        pass
    rooms.services(mesh)

    assert record.kinds == set()


@pytest.mark.parametrize("is_remembered", [False, True])
def test_what_a_question_reads_undeclared_is_told(mesh: Mesh, is_remembered: bool):
    if is_remembered:
        rooms.pods(mesh)

    with mesh.recording() as record:
        rooms.careless(mesh)
        rooms.through_a_table(mesh)
        rooms.both(mesh)

    assert record.undeclared == {(rooms.careless, POD), (rooms.through_a_table, POD)}


def test_log_lines_that_are_asked_for_and_not_declared_are_told(mesh: Mesh):
    @question(LOG)
    def lines(mesh: Mesh, meaning: Meaning) -> int:
        return len(mesh.snapshot.logs)

    @question()
    def rejected(mesh: Mesh) -> int:
        return lines(mesh, Meaning.SECRET_REJECTED)

    with mesh.recording() as record:
        rejected(mesh)
        lines(mesh, Meaning.SDS_PUSHED)

    assert record.undeclared == {(rejected, Meaning.SECRET_REJECTED)}
    assert record.logs == {Meaning.SDS_PUSHED}


def test_a_question_that_fails_leaves_the_record_in_order(mesh: Mesh):
    with mesh.recording() as record:
        with pytest.raises(TypeError):
            rooms.pods(mesh, "too many")  # type: ignore[call-arg]
        rooms.services(mesh)

    assert (record.asking, record.undeclared) == ([], frozenset())


@pytest.mark.parametrize(
    ("changed", "worked_again"),
    [
        (frozenset[Kind](), False),
        (frozenset({SERVICE}), False),
        (frozenset({POD}), True),
        (frozenset({POD, SECRET}), True),
    ],
)
def test_answers_that_rest_on_nothing_that_changed_are_kept(
    mesh: Mesh, changed: frozenset[Kind], worked_again: bool
):
    count, worked = counting()
    count(mesh)

    count(mesh.after(mesh.snapshot, changed))

    assert len(worked) == 1 + worked_again


def test_answers_are_not_kept_where_what_only_illustrates_them_changed(mesh: Mesh):
    rooms.with_evidence(mesh)

    later = mesh.after(mesh.snapshot, frozenset({LOG}))

    assert rooms.with_evidence not in later.memory
    assert rooms.pods in later.memory


def test_a_later_mesh_does_not_change_the_one_before(mesh: Mesh):
    later = mesh.after(snapshot_of(pod("a"), pod("b")), frozenset({POD}))

    assert (len(rooms.pods(later)), len(rooms.pods(mesh))) == (2, 1)


def test_what_the_user_said_is_known_to_a_later_mesh(mesh: Mesh):
    assert mesh.after(mesh.snapshot, frozenset()).facts is mesh.facts
