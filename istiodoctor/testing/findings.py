"""What a check finds, as the text of a `finding` block: one paragraph a finding."""

import textwrap
from collections.abc import Iterable

import yaml

from istiodoctor.check import Check
from istiodoctor.finding import Confidence, Finding
from istiodoctor.mesh import Mesh
from istiodoctor.model.decode import Undecodable
from istiodoctor.model.snapshot import Snapshot
from istiodoctor.testing.examples import Example
from istiodoctor.testing.words import UnknownWords

WIDTH = 99
INDENT = 4
"""Of the docstring of a function."""


class Unreadable(ValueError):
    """A block that is no cluster."""


def found_in(example: Example) -> tuple[Finding, ...]:
    """Return what the check finds in its example."""
    return tuple(example.check.run(Mesh(_read(example))))


def _read(example: Example) -> Snapshot:
    try:
        return example.snapshot()
    except Undecodable as error:
        raise Unreadable(f"{error.ref}: {error}" if error.ref else str(error)) from None
    except (UnknownWords, yaml.YAMLError) as error:
        raise Unreadable(str(error)) from None


def written(check: Check, findings: Iterable[Finding], *, indent: int = INDENT) -> str:
    """Return findings as a block shows them, the gravest first, to stand at an indentation."""
    ranked = sorted(
        ((each.severity or check.severity).rank, _paragraph(check, each, WIDTH - indent))
        for each in findings
    )
    return "\n".join(text for _, text in ranked)


def _paragraph(check: Check, finding: Finding, width: int) -> str:
    severity = finding.severity or check.severity
    sure = finding.confidence is Confidence.CERTAIN
    hosts = ", ".join(sorted(finding.hosts))
    lines = (
        f"{severity if sure else f'{severity}, {finding.confidence}'}: {finding.objects[0]}",
        *([f"hosts: {hosts}"] if hosts else []),
        finding.message,
    )
    return "".join(f"{_wrapped(line, width)}\n" for line in lines)


def _wrapped(line: str, width: int) -> str:
    return textwrap.fill(
        " ".join(line.split()), width, break_long_words=False, break_on_hyphens=False
    )


def is_same(one: str, other: str) -> bool:
    """Whether two blocks say the same; where their lines break does not count."""
    return _words(one) == _words(other)


def _words(text: str) -> list[list[str]]:
    return [paragraph.split() for paragraph in text.strip().split("\n\n")]
