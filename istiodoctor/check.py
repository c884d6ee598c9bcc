"""What a check author imports: `@check` and, beside it, the parts of a finding."""

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from istiodoctor.finding import Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.logs.meaning import PATTERNS, Meaning
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.question import Question, Reads, reads_of
from istiodoctor.model.kind import Kind

DISTRIBUTION = "istiodoctor"

Judge = Callable[[Mesh], Iterable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What an index tells of a check, so that its module need not be imported."""

    title: str
    rests: Reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One failure mode: its metadata and the function that looks for it."""

    code: str
    """Family and three digits: `CRED001`."""
    name: str
    """The function's name with dashes: `secret-wrong-namespace`."""
    severity: Severity
    explains: frozenset[str] = frozenset()
    """Codes that a finding of this check can be the cause of."""
    judge: Judge
    origin: str = ""
    """The distribution it came from; set by the registry."""
    illustrated_by: tuple[Question[..., Any], ...] = ()
    """Questions it can do without: they illustrate findings, make them surer, or add some that
    the objects alone do not tell."""
    is_last_resort: bool = False
    """Whether it tells that something fails and not why: of a host only where no other check does.
    It runs after the others."""
    claims: Claim | None = None
    """What it says that clients meet: Envoy and the wire, once looked at, confirm or belie it."""
    listed: Listed | None = None
    """Set where it comes from an index."""

    @property
    def rests(self) -> Reads:
        """What the questions that its body names rest on."""
        return self.listed.rests if self.listed else _rests(self.judge, self.illustrated_by)

    @property
    def needs(self) -> frozenset[Kind]:
        """The kinds it cannot do without.

        They plan the collection, word a skip and make the RBAC rules.
        """
        return self.rests.kinds

    @property
    def evidence(self) -> frozenset[Kind]:
        """Kinds that show more where they are read.

        They are collected and granted like `needs`, but a check is not skipped for want of them,
        unless they are logs, Envoys or probes that were asked for in vain.
        """
        return self.rests.evidence

    @property
    def reads(self) -> frozenset[Kind]:
        """Every kind it asks about."""
        return self.needs | self.evidence

    @property
    def logs(self) -> frozenset[Meaning]:
        """The log lines it reads: nothing else of a log is kept."""
        return self.rests.logs

    @property
    def log_patterns(self) -> tuple[str, ...]:
        """Regular expressions for those log lines, to be searched in the raw text."""
        return tuple(PATTERNS[meaning] for meaning in sorted(self.logs))

    @property
    def searches(self) -> bool:
        """Whether it may look for Secrets in every namespace."""
        return self.rests.searches

    @property
    def is_built_in(self) -> bool:
        """Whether it came with the tool."""
        return self.origin.partition(" ")[0] == DISTRIBUTION

    @property
    def source(self) -> tuple[str, str]:
        """The module and the name of its function."""
        if isinstance(self.judge, Deferred):
            return self.judge.module, self.judge.function
        return self.judge.__module__, self.judge.__name__

    @property
    def documentation(self) -> str:
        """The docstring: the documentation page, in Markdown."""
        judge = self.judge.load() if isinstance(self.judge, Deferred) else self.judge
        return inspect.cleandoc(judge.__doc__ or "")

    @property
    def title(self) -> str:
        """The first line of the documentation, without its full stop."""
        if self.listed:
            return self.listed.title
        return self.documentation.partition("\n")[0].rstrip(".")

    @property
    def family(self) -> str:
        """The letters of the code."""
        return self.code.rstrip("0123456789")

    def run(self, mesh: Mesh) -> Iterator[Finding]:
        """Yield what it finds."""
        yield from self.judge(mesh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """The judge of a check whose module is imported when it is first needed."""

    module: str
    function: str

    def __call__(self, mesh: Mesh) -> Iterable[Finding]:
        """Judge."""
        return self.load()(mesh)

    def load(self) -> Judge:
        """Import the module and return the check's own function."""
        found = getattr(importlib.import_module(self.module), self.function)
        if not isinstance(found, Check):
            raise TypeError(f"{self.module}.{self.function} is no check")
        return found.judge


@cache
def _rests(judge: Judge, illustrated_by: tuple[Question[..., Any], ...]) -> Reads:
    return reads_of(judge, illustrated_by)


def check(
    code: str,
    *,
    severity: Severity,
    explains: Iterable[str] = (),
    evidence: Iterable[Question[..., Any]] = (),
    claims: Claim | None = None,
    is_last_resort: bool = False,
) -> Callable[[Judge], Check]:
    """Turn a function over the mesh into a Check; nothing is registered, discovery finds it.

    What it needs follows from the questions that its body names; `evidence` are those among them
    that it can do without. A check of last resort tells of a host only what no other explains.
    """

    def declare(judge: Judge) -> Check:
        return Check(
            code=code,
            name=judge.__name__.replace("_", "-"),
            severity=severity,
            explains=frozenset(explains),
            illustrated_by=tuple(evidence),
            claims=claims,
            is_last_resort=is_last_resort,
            judge=judge,
        )

    return declare
