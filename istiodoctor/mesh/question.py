"""Questions: functions of the mesh that remember their answers and know what those rest on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from istiodoctor.mesh.following import named_through
from istiodoctor.mesh.log_meanings import Meaning
from istiodoctor.mesh.mesh import Arguments, Mesh
from istiodoctor.model.kind import SUBJECTS, Kind

P = ParamSpec("P")
A = TypeVar("A")


_UNKNOWN: Any = object()


class OpenQuestion(Exception):
    """A question depends on its own answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What the answers of some code rest on, through every question that the code names."""

    kinds: frozenset[Kind] = frozenset()
    """Kinds without which nothing certain can be said."""
    evidence: frozenset[Kind] = frozenset()
    """Kinds beyond those, which only show more where they are read."""
    logs: frozenset[Meaning] = frozenset()
    """The log lines that are read."""
    searches: bool = False
    """Whether Secrets are looked for in every namespace."""
    questions: frozenset["Question[Any, Any]"] = frozenset()
    """Those questions, and all that they ask in turn."""


class Question(Generic[P, A]):
    """A function of the mesh: worked out once for each mesh and arguments."""

    def __init__(
        self,
        function: Callable[Concatenate[Mesh, P], A],
        *,
        kinds: frozenset[Kind],
        logs: frozenset[Meaning],
        searches: bool,
        evidence: tuple["Question[Any, Any]", ...],
        rests_on: tuple["Question[Any, Any]", ...],
    ) -> None:
        """Wrap a function with what it declares of itself."""
        self.function: Callable[..., A] = function
        self.name = function.__name__
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self.own = Reads(kinds=kinds, logs=logs, searches=searches)
        """What it reads itself."""
        self.illustrated_by = evidence
        self.rests_on = rests_on

    def _ask(self, mesh: Mesh, *arguments: Any) -> A:
        try:
            answers = mesh.answers[self]
        except KeyError:
            return self._begin(mesh, arguments)
        answer: A = answers.get(arguments, _UNKNOWN)
        return self._find(mesh, arguments) if answer is _UNKNOWN else answer

    __call__ = cast("Callable[Concatenate[Question[P, A], Mesh, P], A]", _ask)

    def _begin(self, mesh: Mesh, arguments: Arguments) -> A:
        """Answer for the first time in a mesh, or by the record."""
        remembered = mesh.memory.setdefault(self, {})
        mesh.being_answered.setdefault(self, [])
        record = mesh.record
        if record is None:
            return self._find(mesh, arguments)
        record.asks(self, arguments)
        if arguments in remembered:
            answer: A = remembered[arguments]
            return answer
        record.asking.append(self)
        try:
            return self._find(mesh, arguments)
        finally:
            record.asking.pop()

    def _find(self, mesh: Mesh, arguments: Arguments) -> A:
        """Work out an answer, and remember it."""
        answering = mesh.being_answered[self]
        if arguments in answering:
            raise OpenQuestion(f"{self.name} was asked while it was being answered")
        answering.append(arguments)
        try:
            answer = self.function(mesh, *arguments)
        finally:
            answering.pop()
        mesh.memory[self][arguments] = answer
        return answer

    @cached_property
    def asks(self) -> frozenset["Question[Any, Any]"]:
        """The questions that it cannot do without: those its code names, and declared ones."""
        return (named_through(self.function, Question) | {*self.rests_on}) - {*self.illustrated_by}

    @cached_property
    def rests(self) -> Reads:
        """Everything that its answers rest on."""
        return _union([self])

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that it and the questions its code names need."""
        return self.rests.kinds

    @property
    def evidence(self) -> frozenset[Kind]:
        """The kinds that show more where they are read."""
        return self.rests.evidence

    @property
    def reads(self) -> frozenset[Kind]:
        """Every kind that its answers may rest on."""
        return self.rests.kinds | self.rests.evidence

    @property
    def logs(self) -> frozenset[Meaning]:
        """The log lines that its answers may rest on."""
        return self.rests.logs

    @property
    def searches(self) -> bool:
        """Whether it, or one it asks, looks for Secrets in every namespace."""
        return self.rests.searches

    def __repr__(self) -> str:
        """`<question istiodoctor.mesh.workloads.workloads.workloads>`."""
        return f"<question {self.__module__}.{self.name}>"


@overload
def question(function: Callable[Concatenate[Mesh, P], A], /) -> Question[P, A]: ...
@overload
def question(
    *kinds: Kind,
    logs: Iterable[Meaning] = (),
    searches: bool = False,
    evidence: Iterable[Question[Any, Any]] = (),
    rests_on: Iterable[Question[Any, Any]] = (),
) -> Callable[[Callable[Concatenate[Mesh, P], A]], Question[P, A]]: ...
def question(
    *kinds: Any,
    logs: Iterable[Meaning] = (),
    searches: bool = False,
    evidence: Iterable[Question[Any, Any]] = (),
    rests_on: Iterable[Question[Any, Any]] = (),
) -> Any:
    """Make a question of a function, and declare what it reads itself, if anything.

    What it reads through others follows from the questions that its code names. `evidence` are
    those among them that it can do without: what they rest on shows more where it is read.
    `rests_on` are those that it calls and does not name: through a table, or a partial.
    """
    if kinds and isinstance(kinds[0], FunctionType):
        return question()(kinds[0])

    def declare(function: Callable[..., Any]) -> Question[..., Any]:
        return Question(
            function,
            kinds=frozenset(kinds),
            logs=frozenset(logs),
            searches=searches,
            evidence=tuple(evidence),
            rests_on=tuple(rests_on),
        )

    return declare


def reads_of(function: Callable[..., Any], evidence: Iterable[Question[Any, Any]] = ()) -> Reads:
    """Return what a function that is no question itself rests on: the body of a check."""
    optional = tuple(evidence)
    return _union(named_through(function, Question) - {*optional}, optional)


def _union(
    starts: Iterable[Question[Any, Any]], evidence: Iterable[Question[Any, Any]] = ()
) -> Reads:
    """Return what some questions rest on together; questions that ask each other are no trouble.

    What is known of a question already is not worked out again.
    """
    starts = tuple(starts)
    needed = _reached(starts, lambda each: each.asks)
    every = _reached((*starts, *evidence), lambda each: (*each.asks, *each.illustrated_by))
    kinds = frozenset[Kind]().union(*(_known(each).kinds for each in needed))
    rests = tuple(map(_known, every))
    read = frozenset[Kind]().union(*(each.kinds | each.evidence for each in rests))
    kinds |= read & SUBJECTS
    return Reads(
        kinds=kinds,
        evidence=read - kinds,
        logs=frozenset[Meaning]().union(*(each.logs for each in rests)),
        searches=any(each.searches for each in rests),
        questions=frozenset(every).union(*(each.questions for each in rests)),
    )


def _known(asked: Question[Any, Any]) -> Reads:
    """Return everything a question rests on where that is known, else what it reads itself."""
    known: Reads = vars(asked).get("rests", asked.own)
    return known


def _reached(
    starts: Iterable[Question[Any, Any]],
    following: Callable[[Question[Any, Any]], Iterable[Question[Any, Any]]],
) -> tuple[Question[Any, Any], ...]:
    """Return the questions that lead on from some, up to those of which everything is known."""
    found = dict.fromkeys(starts)
    todo = list(found)
    while todo:
        asked = todo.pop()
        if "rests" in vars(asked):
            continue
        new = [each for each in following(asked) if each not in found]
        found.update(dict.fromkeys(new))
        todo += new
    return tuple(found)
