"""What a check's examples hold is found where a cluster is read in rounds, by name."""

import pytest

from istiodoctor.report import Outcome
from tests.engine.support import CHECKS, of_example, scanned
from tests.support.examples import Example, examples

EXAMPLES = [example for check in CHECKS for example in examples(check)]
EXPECTED = {"bad": Outcome.FAILED, "good": Outcome.PASSED}


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_what_a_check_judges_is_among_what_is_read(example: Example) -> None:
    report = scanned(of_example(example), [example.check])

    assert report.checks[0].outcome is EXPECTED[example.verdict], report.checks[0].reason
