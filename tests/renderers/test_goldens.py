"""Outputs as whole files; `python -m tests.golden_update` writes them anew."""

import pytest

from tests.support.goldens import FOLDER, GOLDENS


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_an_output_is_what_was_last_found_good(name):
    expected = (FOLDER / name).read_text(encoding="utf-8")

    assert GOLDENS[name]() == expected


def test_every_golden_file_is_rendered_by_something():
    assert {path.name for path in FOLDER.glob("*.txt")} == set(GOLDENS)
