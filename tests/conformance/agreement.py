"""How far traces must agree with the recorded answers: `agreement.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from tests.conformance import folders

PATH = Path(__file__).parent / "agreement.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What is asked of each kind of scenarios."""

    exact: frozenset[str]
    """Kinds of which every answer must be equal, but for the known differences."""
    at_least: Mapping[str, float]
    """Percent of equal answers of the other kinds."""
    differences: Mapping[str, str]
    """Why a request differs, by `SCENARIO ID`."""


@cache
def agreement() -> Agreement:
    """Read what is asked."""
    found = yaml.load(PATH.read_text(encoding="utf-8"), folders.Loader)
    return Agreement(
        exact=frozenset(found["exact"]),
        at_least=found["at_least"],
        differences={each["request"]: each["reason"] for each in found["differences"]},
    )
