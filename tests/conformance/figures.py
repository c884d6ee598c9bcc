"""The tables of `docs/conformance.md`: `python -m tests.conformance --write`."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.conformance.agreement import agreement
from tests.conformance.comparing import Comparison
from tests.conformance.truth import Recording

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def figures(found: Iterable[tuple[Recording, list[Comparison]]]) -> str:
    """Return the table of how often traces are equal, by kind."""
    rows = ["| recorded | istiod | Envoy | scenarios | answers | equal | outcome right |"]
    rows.append("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for recording, comparisons in found:
        equal = [each.difference is None for each in comparisons]
        right = [each.is_outcome_right for each in comparisons]
        cells = (
            f"`{recording.kind}`",
            recording.istio.removeprefix("v0.0.0-"),
            recording.envoy,
            str(len(recording.scenarios)),
            str(len(comparisons)),
            _percent(equal),
            _percent(right),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _percent(of: list[bool]) -> str:
    return f"{100 * sum(of) / max(1, len(of)):.2f} %"


def differences() -> str:
    """Return the table of known differences."""
    known = agreement().differences
    if not known:
        return "None."
    rows = ["| request | reason |", "| --- | --- |"]
    rows += [f"| `{request}` | {reason} |" for request, reason in known.items()]
    return "\n".join(rows)


def block(name: str) -> str:
    """Return what the page has under a name."""
    found = _pattern(name).search(PAGE.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{PAGE} has no block {name}")
    return found[2].strip()


def write(name: str, text: str) -> None:
    """Put a text into the page under a name."""
    page = PAGE.read_text(encoding="utf-8")
    written = _pattern(name).sub(lambda found: f"{found[1]}\n{text}\n{found[3]}", page)
    PAGE.write_text(written, encoding="utf-8")


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(f"(<!-- {name} -->)(.*?)(<!-- end of {name} -->)", re.DOTALL)
