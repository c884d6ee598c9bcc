"""The order in which a cluster is read never shows in its report."""

import random
from dataclasses import replace

import pytest

from istiodoctor.engine import Options, scan
from istiodoctor.renderers import RENDERERS, Display
from istiodoctor.sources.demo import open_demo
from istiodoctor.sources.demo.source import DemoSource
from tests.engine.support import CHECKS
from tests.support.sources import NOW

DEMO = open_demo(now=NOW)
"""The largest broken cluster there is: many problems that share gateways and hosts."""


def report_of(source: DemoSource) -> str:
    report = scan(source, CHECKS, Options())
    same_time = replace(report.scan, duration_seconds=0.0)
    return RENDERERS["json"]([replace(report, scan=same_time)], Display())


@pytest.fixture(scope="module")
def expected() -> str:
    return report_of(DEMO)


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_objects_make_the_same_report(seed, expected):
    objects = random.Random(seed).sample(DEMO.objects, len(DEMO.objects))

    assert report_of(replace(DEMO, objects=tuple(objects))) == expected


def test_checks_in_another_order_make_the_same_report(expected):
    def in_order(text: str) -> list[str]:
        return sorted(text.splitlines())

    report = scan(DEMO, tuple(reversed(CHECKS)), Options())
    text = RENDERERS["json"]([replace(report, scan=replace(report.scan, duration_seconds=0.0))], Display())

    assert in_order(text) == in_order(expected)
