"""Who may read less is never told that all is well."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from istiodoctor.check import Check
from istiodoctor.model.kind import OPTIONAL_READS, Kind
from istiodoctor.report import Outcome, Verdict
from istiodoctor.sources.source import SourceError, SourceErrorKind
from tests.engine.support import CHECKS, scanned
from tests.support.clusters import broken, healthy
from tests.support.sources import NOW, MemorySource

UNOFFERED = OPTIONAL_READS - MemorySource(objects=()).offers
ABLE = [check for check in CHECKS if not check.needs & UNOFFERED]
"""The checks that such a source can serve: the others are not requested."""
KINDS = sorted({kind for check in ABLE for kind in check.needs}, key=str)
"""Without the kinds that only illustrate: of a healthy cluster nobody asks for them."""
HEALTHY, BROKEN = healthy(NOW), broken(NOW)


def verdict(objects, *forbidden: Kind) -> Verdict:
    source = MemorySource(objects=objects, forbidden=frozenset(forbidden))
    return scanned(source).verdict


def test_a_cluster_read_completely_is_what_it_is():
    assert (verdict(HEALTHY), verdict(BROKEN)) == (Verdict.HEALTHY, Verdict.BROKEN)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_healthy_cluster_of_which_a_kind_is_unread_is_incomplete_and_accused_of_nothing(kind):
    report = scanned(MemorySource(objects=HEALTHY, forbidden=frozenset({kind})))

    assert (report.verdict, report.problems) == (Verdict.INCOMPLETE, ())


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_check_that_needs_an_unread_kind_says_so(kind):
    report = scanned(MemorySource(objects=HEALTHY, forbidden=frozenset({kind})))

    skipped = {run.code for run in report.checks if run.outcome is Outcome.SKIPPED}
    assert skipped == {check.code for check in ABLE if kind in needed(check)}


def needed(check: Check) -> frozenset[Kind]:
    """Return what a check needs, and what was asked for on top and tells it more."""
    return check.needs | (check.evidence & OPTIONAL_READS)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_broken_cluster_of_which_a_kind_is_unread_is_not_healthy(kind):
    assert verdict(BROKEN, kind) in (Verdict.BROKEN, Verdict.INCOMPLETE)


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(KINDS), min_size=2, max_size=len(KINDS) // 2))
def test_nor_is_it_healthy_when_several_kinds_are_unread(kinds):
    assert verdict(HEALTHY, *kinds) is Verdict.INCOMPLETE
    assert verdict(BROKEN, *kinds) in (Verdict.BROKEN, Verdict.INCOMPLETE)


def test_who_may_read_nothing_at_all_has_scanned_nothing():
    with pytest.raises(SourceError) as raised:
        verdict(HEALTHY, *Kind)

    assert raised.value.kind is SourceErrorKind.UNAUTHORIZED
    assert "istiodoctor manifests" in raised.value.message
