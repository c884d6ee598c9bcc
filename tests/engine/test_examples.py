"""What checks make of clusters that are read in rounds, by name, and not always completely."""

import pytest

from istiodoctor.check import Check
from istiodoctor.diagnosis.runs import Run, run_checks
from istiodoctor.engine import collect
from istiodoctor.finding import Confidence, Severity
from istiodoctor.mesh.facts import Facts
from istiodoctor.model.kind import Kind
from istiodoctor.report import Outcome
from istiodoctor.sources.source import SourceError
from istiodoctor.testing.examples import Example, examples
from tests.engine.support import CHECKS, of_example
from tests.support.sources import MemorySource

EXAMPLES = [example for check in CHECKS for example in examples(check)]
GOOD = [example for example in EXAMPLES if example.verdict == "good"]
EXPECTED = {"bad": Outcome.FAILED, "good": Outcome.PASSED}
GRAVE = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)
TEMPLATES = frozenset({Kind.DEPLOYMENT, Kind.DAEMON_SET})
"""Examples show these in place of pods. In a cluster, pods that were read say more."""


def judged(check: Check, source: MemorySource, *forbidden: Kind) -> Run:
    source.forbidden = frozenset(forbidden)
    collected = collect(source, (check,), check.needs, Facts())
    (run,) = run_checks((check,), collected.mesh, collected.snapshot)
    return run


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_what_a_check_judges_is_among_what_is_asked_for(example: Example) -> None:
    run = judged(example.check, of_example(example))

    assert run.outcome is EXPECTED[example.verdict], run.reason


@pytest.mark.parametrize("example", GOOD, ids=str)
def test_nobody_is_accused_because_something_could_not_be_read(example: Example) -> None:
    source = of_example(example)
    accused = []
    for kind in sorted(example.check.needs - TEMPLATES, key=str):
        try:
            run = judged(example.check, source, kind)
        except SourceError:  # where that was all there was to read
            continue
        accused += [
            (str(kind), finding.message)
            for finding in run.findings
            if finding.confidence is Confidence.CERTAIN
            and (finding.severity or run.check.severity) in GRAVE
        ]

    assert accused == []
