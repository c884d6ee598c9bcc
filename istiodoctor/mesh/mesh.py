"""One snapshot as questions see it: what was read, what the user says, the answers so far."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol, TypeVar

from istiodoctor.mesh.facts import Facts
from istiodoctor.mesh.log_meanings import Meaning
from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Resource
from istiodoctor.model.snapshot import EVERYWHERE, Snapshot

R = TypeVar("R", bound=Resource)
Arguments = tuple[Any, ...]


MOST_KEPT = 100
"""Answers of one question that take no room worth forgetting."""


class Asked(Protocol):
    """What the mesh knows of a question."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def reads(self) -> frozenset[Kind]:
        """Every kind that its answer may rest on."""

    @property
    def logs(self) -> frozenset[Meaning]:
        """The log lines that its answer may rest on."""

    @property
    def searches(self) -> bool:
        """Whether it looks for Secrets in every namespace."""


class Record:
    """What was asked and read of a mesh while it was recorded."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.asking: list[Asked] = []
        """The questions that are being answered, each asked by the one before it."""
        self._asked: set[tuple[Asked | None, Asked]] = set()
        self._read: set[tuple[Asked | None, Kind]] = set()
        self._lines: set[tuple[Asked | None, Meaning]] = set()

    def asks(self, question: Asked, arguments: Arguments) -> None:
        """Note that a question is asked, by the one that is being answered or from outside."""
        asker = self._asker
        self._asked.add((asker, question))
        self._lines.update((asker, each) for each in arguments if isinstance(each, Meaning))

    def reads(self, kind: Kind) -> None:
        """Note that objects of a kind are read."""
        self._read.add((self._asker, kind))

    @property
    def _asker(self) -> Asked | None:
        return self.asking[-1] if self.asking else None

    @property
    def _outside(self) -> Iterator[Asked]:
        return (asked for asker, asked in self._asked if asker is None)

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds behind everything that was asked from outside."""
        read = (kind for asker, kind in self._read if asker is None)
        return frozenset(read).union(*(each.reads for each in self._outside))

    @property
    def logs(self) -> frozenset[Meaning]:
        """The log lines behind everything that was asked from outside."""
        lines = (line for asker, line in self._lines if asker is None)
        return frozenset(lines).union(*(each.logs for each in self._outside))

    @property
    def searched(self) -> bool:
        """Whether something that was asked from outside looks for Secrets in every namespace."""
        return any(each.searches for each in self._outside)

    @property
    def questions(self) -> frozenset[Asked]:
        """Every question that was asked, from outside or by another."""
        return frozenset(asked for _, asked in self._asked)

    @property
    def undeclared(self) -> frozenset[tuple[Asked, Kind | Meaning]]:
        """Questions with what their answers rest on and nobody could know before."""
        pairs: set[tuple[Asked | None, Kind | Meaning]] = {*self._read, *self._lines}
        for asker, asked in self._asked:
            pairs.update((asker, each) for each in _all_of(asked))
        return frozenset(
            (asker, each) for asker, each in pairs if asker and each not in _all_of(asker)
        )


def _all_of(asked: Asked) -> frozenset[Kind | Meaning]:
    return frozenset[Kind | Meaning](asked.reads | asked.logs)


class Mesh:
    """Everything a check may ask about one snapshot: pass it to a question.

    `answers`, `memory`, `being_answered` and `record` are for the questions' own machinery.
    """

    __slots__ = (
        "answers",
        "being_answered",
        "facts",
        "memory",
        "record",
        "snapshot",
        "undeclared",
    )

    def __init__(self, snapshot: Snapshot, facts: Facts | None = None) -> None:
        """Ask about a snapshot, with the facts that the user gave."""
        self.snapshot = snapshot
        self.facts = facts or Facts()
        self.memory: dict[Asked, dict[Arguments, Any]] = {}
        """Every answer that was found."""
        self.answers: Mapping[Asked, dict[Arguments, Any]] = self.memory
        """Where a question looks first: the memory, or nothing while there is a record, so that
        only a recorded mesh pays for it."""
        self.being_answered: dict[Asked, list[Arguments]] = {}
        self.record: Record | None = None
        self.undeclared: frozenset[tuple[Asked, Kind | Meaning]] = frozenset()
        """Of the questions that were answered while there was a record, what it tells of them:
        remembered, since a remembered answer tells nothing more."""

    @property
    def taken_at(self) -> datetime:
        """The one clock: when the snapshot was taken."""
        return self.snapshot.taken_at

    def after(self, snapshot: Snapshot, changed: frozenset[Kind]) -> "Mesh":
        """Return the mesh of a later snapshot; answers that the changed kinds leave true stay."""
        later = Mesh(snapshot, self.facts)
        later.undeclared = self.undeclared
        for asked, answers in self.memory.items():
            if asked.reads.isdisjoint(changed):
                later.memory[asked] = dict(answers)
                later.being_answered[asked] = []
        return later

    @contextmanager
    def recording(self) -> Iterator[Record]:
        """Record what is asked and read, whether or not the answer was remembered."""
        record, before = Record(), (self.record, self.answers)
        self.record, self.answers = record, {}
        try:
            yield record
        finally:
            self.record, self.answers = before
            self.undeclared |= record.undeclared

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """Forget, at the end, the answers of questions that were asked many times meanwhile.

        For what is asked of each host once and takes much room.
        """
        before = {asked: len(answers) for asked, answers in self.memory.items()}
        try:
            yield
        finally:
            for asked, answers in self.memory.items():
                kept = before.get(asked, 0)
                if len(answers) > kept + MOST_KEPT:
                    while len(answers) > kept:  # the newest are the last
                        answers.popitem()

    def all(self, of: type[R]) -> tuple[R, ...]:
        """Return every object of a type, ordered by namespace and name."""
        if self.record is not None:
            self.record.reads(of.KIND)
        return tuple(self.snapshot.all(of))

    def get(self, of: type[R], namespace: str, name: str) -> R | None:
        """Return one object, or None when it was not read."""
        if self.record is not None:
            self.record.reads(of.KIND)
        return self.snapshot.get(of, namespace, name)

    def is_complete(self, kind: Kind, namespace: str = EVERYWHERE, name: str = "") -> bool:
        """Whether an object of this kind that is not here does not exist."""
        if self.record is not None:
            self.record.reads(kind)
        return self.snapshot.is_complete(kind, namespace, name)
