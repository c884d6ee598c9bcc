"""Questions with remembered answers that know which kinds they rest on."""

from collections.abc import Callable, Iterable
from copy import copy
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from istiodoctor.mesh.logs.table import Meaning
from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Resource
from istiodoctor.model.snapshot import EVERYWHERE, Snapshot

P = ParamSpec("P")
A = TypeVar("A")
R = TypeVar("R", bound=Resource)


class Question(Generic[P, A]):
    """A method of the mesh: asked once, remembered, and declared to rest on certain kinds."""

    def __init__(
        self,
        method: Callable[..., A],
        kinds: frozenset[Kind],
        logs: frozenset[Meaning],
        *,
        searches: bool = False,
    ) -> None:
        """Wrap a method.

        `kinds` are those that it and the questions it asks rest on, `logs` the log lines;
        `searches` says that it looks for Secrets in every namespace.
        """
        self.method = method
        self.name = method.__name__
        self.kinds = kinds
        self.logs = logs
        self.searches = searches
        self.covered: set[Question[Any, Any]] = set()
        """Questions found to rest on nothing that this one does not declare."""
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, mesh: None, owner: type) -> "Question[P, A]": ...
    @overload
    def __get__(self, mesh: "Questions", owner: type) -> Callable[P, A]: ...
    def __get__(self, mesh: "Questions | None", owner: type) -> "Question[P, A] | Callable[P, A]":
        """Bind to a mesh, once; on the class, give the question itself (for its kinds)."""
        if mesh is None:
            return self
        bound = cast("Callable[P, A]", mesh.bind(self))
        vars(mesh)[self.name] = bound
        return bound


def question(
    *kinds: Kind,
    rests_on: Iterable[Question[Any, Any]] = (),
    logs: Iterable[Meaning] = (),
    searches: bool = False,
) -> Callable[[Callable[Concatenate[Any, P], A]], Question[P, A]]:
    """Declare a question: the kinds and log lines it reads itself, and the questions it asks."""
    asked = tuple(rests_on)
    declared = frozenset(kinds).union(*(each.kinds for each in asked))
    lines = frozenset(logs).union(*(each.logs for each in asked))
    wide = searches or any(each.searches for each in asked)

    def declare(method: Callable[Concatenate[Any, P], A]) -> Question[P, A]:
        return Question(method, declared, lines, searches=wide)

    return declare


class Questions:
    """What every room of the mesh shares: the snapshot, the memory, the record of questions."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Ask about one snapshot."""
        self._snapshot = snapshot
        self._answers: dict[Question[Any, Any], dict[tuple[Any, ...], Any]] = {}
        self._asking: list[Question[Any, Any]] = []
        self.asked: set[Kind] = set()
        """The kinds behind every question asked from outside since the record was last cleared."""
        self.asked_logs: set[Meaning] = set()
        """The log lines behind those questions."""
        self.searched = False
        """Whether one of them looks for Secrets in every namespace."""
        self.undeclared: set[tuple[str, Kind]] = set()
        """Questions that read a kind they do not declare; tests hold it empty."""

    def after(self, snapshot: Snapshot, changed: frozenset[Kind]) -> Self:
        """Return the mesh of a later snapshot; answers that the changed kinds leave true stay."""
        later = copy(self)
        for asked in self._answers:
            vars(later).pop(asked.name, None)
        later._snapshot = snapshot
        later._answers = {
            asked: dict(answers)
            for asked, answers in self._answers.items()
            if asked.kinds.isdisjoint(changed)
        }
        return later

    def bind(self, asked: Question[Any, A]) -> Callable[..., A]:
        """Return a question as a function that remembers answers and records being asked."""
        answers: dict[tuple[Any, ...], A] = self._answers.setdefault(asked, {})
        asking, method = self._asking, asked.method

        def ask(*arguments: Any) -> A:
            if not asking:
                self._record(asked, arguments)
            elif asked not in asking[-1].covered:
                self._compare(asked, asking[-1])
            if arguments in answers:
                return answers[arguments]
            asking.append(asked)
            try:
                answer = method(self, *arguments)
            finally:
                asking.pop()
            answers[arguments] = answer
            return answer

        return ask

    def _record(self, asked: Question[Any, Any], arguments: tuple[Any, ...]) -> None:
        self.asked |= asked.kinds
        self.searched |= asked.searches
        if Kind.POD_LOG in asked.kinds:
            self.asked_logs |= asked.logs
            self.asked_logs.update(each for each in arguments if isinstance(each, Meaning))

    def _compare(self, asked: Question[Any, Any], asker: Question[Any, Any]) -> None:
        """Note what a question rests on through another without declaring it."""
        missing = asked.kinds - asker.kinds
        if missing:
            self.undeclared |= {(asker.name, kind) for kind in missing}
        else:
            asker.covered.add(asked)

    def _all(self, of: type[R]) -> tuple[R, ...]:
        self._reads(of.KIND)
        return tuple(self._snapshot.all(of))

    def _get(self, of: type[R], namespace: str, name: str) -> R | None:
        self._reads(of.KIND)
        return self._snapshot.get(of, namespace, name)

    def _is_complete(self, kind: Kind, namespace: str = EVERYWHERE, name: str = "") -> bool:
        self._reads(kind)
        return self._snapshot.is_complete(kind, namespace, name)

    def _reads(self, kind: Kind) -> None:
        if self._asking and kind not in self._asking[-1].kinds:
            self.undeclared.add((self._asking[-1].name, kind))
