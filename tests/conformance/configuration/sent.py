"""What real istiod sends to the gateways of recorded scenarios, as it was recorded."""

import json
import lzma
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.truth import Json

SENT = Path(__file__).parent / "sent"
OLDER = "-"
"""What the names of kinds have that were recorded with an older istiod."""
UNUSED = frozenset(
    {
        "accessLog",
        "body",
        "decorator",
        "includeRequestAttemptCount",
        "internalAddressConfig",
        "requestHeadersToAdd",
        "requestHeadersToRemove",
        "requestIdExtension",
        "responseHeadersToAdd",
        "responseHeadersToRemove",
        "retryPolicy",
        "sdsConfig",
        "setCurrentClientCertDetails",
        "tracing",
    }
)
"""Fields of which nothing is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What istiod sends to one gateway pod."""

    pod: str
    """`namespace/name`."""
    listeners: list[Json]
    routes: list[Json]
    clusters: Mapping[str, str]
    """The type of each cluster by name."""
    endpoints: Mapping[str, int]
    """How many endpoints those have that have any."""


Scenarios = Mapping[str, list[Sent]]
"""By the name of the scenario, one for each gateway pod."""


def kinds() -> list[str]:
    """Return the kinds of scenarios of which this is recorded."""
    return sorted(path.name.removesuffix(".json.xz") for path in SENT.glob("*.json.xz"))


def recorded(kind: str) -> Scenarios:
    """Return what is recorded of a kind."""
    with lzma.open(SENT / f"{kind}.json.xz", "rt", encoding="utf-8") as lines:
        found = map(json.loads, lines)
        return {each["name"]: [Sent(**one) for one in each["gateways"]] for each in found}


def save(kind: str, scenarios: Mapping[str, list[Json]], folder: Path = SENT) -> Path:
    """Write istiod's output of scenarios, without what nobody reads."""
    path = folder / f"{kind}.json.xz"
    with lzma.open(path, "wt", encoding="utf-8", preset=9 | lzma.PRESET_EXTREME) as file:
        for name, gateways in scenarios.items():
            line = {"name": name, "gateways": [_kept(each) for each in gateways]}
            file.write(json.dumps(line, separators=(",", ":"), sort_keys=True) + "\n")
    return path


def _kept(gateway: Json) -> Json:
    return {
        "pod": gateway["name"],
        "listeners": _slim(gateway["listeners"] or []),
        "routes": _slim(gateway["routes"] or []),
        "clusters": gateway["clusters"],
        "endpoints": gateway["endpoints"],
    }


def _slim(value: object) -> object:
    if isinstance(value, dict):
        kept = {name: _slim(each) for name, each in value.items() if name not in UNUSED}
        if "httpFilters" in kept:
            names = [{"name": each["name"]} for each in _mappings(kept["httpFilters"])]
            kept["httpFilters"] = names
        return kept
    return [_slim(each) for each in value] if isinstance(value, list) else value


def _mappings(value: object) -> Iterable[Json]:
    return value if isinstance(value, list) else []
