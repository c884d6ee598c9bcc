"""Every failure mode of the catalogue is found, or it is said why not."""

from pathlib import Path

import pytest

from istiodoctor.docs import catalogue, coverage
from istiodoctor.docs.files import stale
from istiodoctor.registry import discover

ROOT = Path(__file__).parent.parent
CHECKS = tuple(each for each in discover(by_index=False).checks if each.is_built_in)
CODES = {check.code for check in CHECKS}
MODES = catalogue(ROOT)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.code)
def test_a_mode_has_either_a_check_or_a_reason_for_having_none(mode):
    assert (mode.code in CODES) is not bool(mode.reason)


def test_a_check_that_the_catalogue_does_not_list_is_covered_by_what_it_reads():
    table = coverage(CHECKS, ()).splitlines()

    rows = {row.split(" | ")[0].strip("| "): row for row in table if row.startswith("| ")}
    assert rows.keys() >= CODES
    assert "| expired | live objects" in rows["CERT001"]
    assert "| stale-proxy-configuration | Envoy | yes |" in rows["SDS016"]


def test_the_catalogue_has_each_code_once_and_in_order():
    codes = [mode.code for mode in MODES]

    assert codes == sorted(set(codes))


def test_the_generated_documentation_is_fresh():
    assert stale(CHECKS, ROOT) == ()
