"""Questions of no use but to be read: each names others in a way of its own."""

from collections.abc import Iterator
from functools import cache, partial

from istiodoctor.mesh.log_meanings import Meaning
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import Question, question
from istiodoctor.model.kind import Kind
from istiodoctor.model.pods import Pod
from istiodoctor.model.services import Service
from tests.mesh import other_room


@question(Kind.POD)
def pods(mesh: Mesh) -> tuple[Pod, ...]:
    """Return the pods."""
    return mesh.all(Pod)


@question(Kind.SERVICE)
def services(mesh: Mesh) -> tuple[Service, ...]:
    """Return the Services."""
    return mesh.all(Service)


@question(Kind.POD_LOG, logs={Meaning.SDS_PUSHED})
def pushes(mesh: Mesh) -> int:
    """Count the log lines that say a push."""
    return len(mesh.snapshot.logs)


@question(Kind.SECRET, searches=True)
def secrets(mesh: Mesh) -> int:
    """Count the Secrets."""
    return len(mesh.snapshot.secret_names)


@question()
def both(mesh: Mesh) -> int:
    """Return how many pods and Services there are."""
    return len(pods(mesh)) + len(services(mesh))


@question()
def in_a_comprehension(mesh: Mesh) -> list[int]:
    """Ask within a comprehension."""
    return [len(pods(mesh)) for _ in range(2)]


@question()
def in_a_lambda(mesh: Mesh) -> int:
    """Ask within a lambda."""
    return (lambda: len(pods(mesh)))()


@question()
def in_an_inner_function(mesh: Mesh) -> int:
    """Ask within a function of its own."""

    def count() -> int:
        return len(pods(mesh))

    return count()


@question()
def in_a_default(mesh: Mesh, asked: Question[[], tuple[Pod, ...]] = pods) -> int:
    """Ask what a parameter's default names."""
    return len(asked(mesh))


def _count(mesh: Mesh) -> int:
    return len(pods(mesh))


def _each(mesh: Mesh) -> Iterator[Pod]:
    yield from pods(mesh)


@cache
def _remembered(mesh: Mesh) -> int:
    return _count(mesh)


@question()
def through_a_function(mesh: Mesh) -> int:
    """Ask through a plain function."""
    return _count(mesh)


@question()
def through_a_generator(mesh: Mesh) -> int:
    """Ask through a generator."""
    return len([*_each(mesh)])


@question()
def through_a_wrapped_function(mesh: Mesh) -> int:
    """Ask through a function that a decorator has wrapped."""
    return _remembered(mesh)


class Counter:
    """Counts what there is."""

    def __init__(self, mesh: Mesh) -> None:
        """Count in a mesh."""
        self.mesh = mesh

    @staticmethod
    def of(mesh: Mesh) -> int:
        """Return how many pods there are."""
        return len(pods(mesh))

    @property
    def services(self) -> int:
        """How many Services there are."""
        return len(services(self.mesh))


@question()
def through_a_class(mesh: Mesh) -> int:
    """Ask through a method of a class that it names."""
    return Counter.of(mesh)


class _Teller(Counter):
    """Counts as the class below it does."""


@question()
def through_a_subclass(mesh: Mesh) -> int:
    """Ask through what a class has from another."""
    return _Teller.of(mesh)


@question()
def through_a_module(mesh: Mesh) -> int:
    """Ask by way of a module."""
    return other_room.namespaces(mesh)


class _Holder:
    pods = 0
    services = 1


@question()
def attributes_of_that_name(mesh: Mesh) -> str:
    """Use attributes, strings and variables that have the name of a question."""
    services = _Holder
    return f"pods{services.services}"


_TABLE = {"pods": pods}
_BOUND = partial(lambda asked, mesh: len(asked(mesh)), pods)


@question()
def through_a_table(mesh: Mesh) -> int:
    """Ask what a table holds, and say nothing of it."""
    return len(_TABLE["pods"](mesh))


@question(rests_on=[pods])
def through_a_table_declared(mesh: Mesh) -> int:
    """Ask what a table holds, and say so."""
    return len(_TABLE["pods"](mesh)) + _BOUND(mesh)


@question(evidence=[pushes])
def with_evidence(mesh: Mesh) -> int:
    """Ask one question that it can do without."""
    return len(pods(mesh)) + pushes(mesh)


@question()
def with_evidence_below(mesh: Mesh) -> int:
    """Ask one that asks a question that it can do without."""
    return with_evidence(mesh)


@question()
def for_want_of_evidence(mesh: Mesh) -> int:
    """Ask both: what one can do without, the other needs."""
    return with_evidence(mesh) + pushes(mesh)


@question(Kind.NAMESPACE)
def ring_a(mesh: Mesh, left: int) -> int:
    """Go round."""
    return ring_b(mesh, left - 1) if left else 0


@question(Kind.SECRET)
def ring_b(mesh: Mesh, left: int) -> int:
    """Go round."""
    return ring_c(mesh, left)


@question(Kind.POD)
def ring_c(mesh: Mesh, left: int) -> int:
    """Go round, and look beyond."""
    return ring_a(mesh, left) + len(services(mesh))


@question()
def asks_itself(mesh: Mesh) -> int:
    """Never come to an end."""
    return _count(mesh) + asks_itself(mesh)


@question()
def careless(mesh: Mesh) -> int:
    """Read what it does not declare."""
    return len(services(mesh)) + len(mesh.all(Pod))
