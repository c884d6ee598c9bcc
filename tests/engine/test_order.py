"""The order in which a cluster is read never shows in its report."""

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from istiodoctor.check import Check
from istiodoctor.engine import Options, scan
from istiodoctor.sources.demo import open_demo
from istiodoctor.sources.demo.source import DemoSource
from tests.diagnosis.rules import as_json
from tests.engine.support import CHECKS
from tests.support.sources import NOW

DEMO = open_demo(now=NOW)
"""The largest broken cluster there is: many problems that share gateways and hosts."""


def report_of(source: DemoSource, checks: Iterable[Check] = CHECKS) -> str:
    report = scan(source, tuple(checks), Options())
    same_time = replace(report.scan, duration_seconds=0.0)
    runs = tuple(sorted(report.checks, key=lambda run: run.code))
    return as_json(replace(report, scan=same_time, checks=runs))


@pytest.fixture(scope="module")
def expected() -> str:
    return report_of(DEMO)


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_objects_make_the_same_report(seed: int, expected: str):
    objects = random.Random(seed).sample(DEMO.objects, len(DEMO.objects))

    assert report_of(replace(DEMO, objects=tuple(objects))) == expected


def test_checks_in_another_order_make_the_same_report(expected: str):
    assert report_of(DEMO, reversed(CHECKS)) == expected
