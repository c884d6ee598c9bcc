"""What was recorded: scenarios, the requests of each, and how real istiod and Envoy answered."""

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
"""An object as JSON has it: of Kubernetes, of Envoy, of the recorded truth, of a trace."""

RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Objects that are a whole cluster, and what must come of requests to it."""

    name: str
    objects: list[Json]
    requests: list[Json] = field(default_factory=list)
    """One for each gateway and pod port that a request leads to: `docs/conformance.md` has the
    fields."""
    rule: str = ""
    """What a scenario that was made by hand shows."""
    source: list[str] = field(default_factory=list)
    """Where Istio's source says so."""
    panic: str = ""
    """What istiod said as it broke: no request has an answer then."""
    refused: dict[str, str] = field(default_factory=dict)
    """Listeners that Envoy refuses, and in what words: `GATEWAY INDEX|PORT`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The scenarios of one kind, recorded with one istiod and one Envoy."""

    kind: str
    istio: str
    envoy: str
    scenarios: list[Scenario]


def kinds() -> list[str]:
    """Return the kinds of scenarios that are recorded."""
    return sorted(path.name.removesuffix(".json.xz") for path in RECORDED.glob("*.json.xz"))


def recording(kind: str) -> Recording:
    """Return what is recorded of a kind."""
    return loaded(RECORDED / f"{kind}.json.xz")


def loaded(path: Path) -> Recording:
    """Read a recording."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        head = json.loads(next(lines))
        return Recording(**head, scenarios=[Scenario(**json.loads(line)) for line in lines])


def save(path: Path, what: Recording) -> None:
    """Write a recording: a line of its own for the head and for each scenario."""
    with lzma.open(path, "wt", encoding="utf-8", preset=9 | lzma.PRESET_EXTREME) as file:
        for line in _lines(what):
            file.write(json.dumps(line, separators=(",", ":"), sort_keys=True) + "\n")


def _lines(what: Recording) -> Iterator[Json]:
    yield {"kind": what.kind, "istio": what.istio, "envoy": what.envoy}
    for each in what.scenarios:
        yield {
            "name": each.name,
            "rule": each.rule,
            "source": each.source,
            "refused": each.refused,
            "panic": each.panic,
            "requests": each.requests,
            "objects": each.objects,
        }
