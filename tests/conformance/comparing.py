"""Where a trace and the recorded truth differ."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.conformance.product import asked
from tests.conformance.said import Said, said
from tests.conformance.truth import Json, Scenario

NOTHING = ("refused", "reset", "not-found")
"""No answer but Envoy's own: for the outcome they are one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One request of the truth, and what the product says of it."""

    scenario: Scenario
    entry: Json
    difference: str | None
    """The kind of disagreement; None where both are equal."""
    is_outcome_right: bool
    said: Said | None
    trace: Json

    def __str__(self) -> str:
        """Name the request, as the known differences do."""
        return f"{self.scenario.name} {self.entry['id']}"


def compared(scenario: Scenario, traces: dict[str, Json]) -> Iterator[Comparison]:
    """Yield a comparison for each request of a scenario."""
    for entry in scenario.requests:
        trace = traces[asked(entry)]
        difference, is_right, product = _compared(entry, trace)
        yield Comparison(
            scenario=scenario,
            entry=entry,
            difference=difference,
            is_outcome_right=is_right,
            said=product,
            trace=trace,
        )


Verdict = tuple[str | None, bool, Said | None]


def _compared(entry: Json, trace: Json) -> Verdict:
    if trace.get("error"):
        return f"failed: {trace['error']['message']}"[:80], False, None
    truth = entry["answer"]
    is_nothing = truth["kind"] in (*NOTHING, "no-port")
    legs = [leg for leg in trace["legs"] if leg["follows"] is None]
    if not legs:
        return "no leg", False, None
    mine = [leg for leg in legs if through(leg) == entry["gateway"]]
    if not mine:  # no gateway takes it, or only others do
        missing = None if is_nothing else f"no way through this gateway != {truth['kind']}"
        return missing, is_nothing, said(legs[0])
    if not entry["services"]:
        claims = [each for each in map(said, mine) if each.kind != "no-port"]
        return "a port that no Service has" if claims else None, not claims, said(mine[0])
    by_service = [leg for leg in mine if _service(leg) in entry["services"]]
    if not by_service:
        return "way through a Service not shown", is_nothing, said(mine[0])
    product = said(by_service[0])
    found = different(product, truth)
    is_alike = truth["kind"] in NOTHING and product.kind in NOTHING
    return found, found is None or is_alike, product


def through(leg: Json) -> str | None:
    """Return the gateway of a leg, `NS/NAME`."""
    gateway = leg["gateway"]
    return f"{gateway['namespace']}/{gateway['name']}" if gateway else None


def _service(leg: Json) -> str | None:
    refs = (hop["ref"] for hop in leg["hops"] if hop["hop"] == "service" and hop["ref"])
    return next((f"{ref['namespace']}/{ref['name']}" for ref in refs), None)


def different(product: Said, truth: Json) -> str | None:
    """Return in what an answer differs from the true one."""
    kind = truth["kind"]
    if product.kind == "unknown":
        return f"unknown at {product.hop} != {kind}"
    if product.kind != kind:
        return f"{product.kind} != {kind}"
    if kind in ("redirect", "direct", "error") and product.status != truth["status"]:
        return f"status of {kind}"
    if kind == "redirect" and product.location != truth["location"]:
        return "location of redirect"
    if truth["clusters"] and (found := _different_clusters(product, truth)):
        return found
    return "certificate" if product.certificate != truth["certificate"] else None


def true_clusters(truth: Json) -> dict[str, str]:
    """Return the state of each cluster that gets requests."""
    total = sum(weight for _, weight in truth["clusters"])
    return {
        name: truth["dead"].get(name, "ok")
        for name, weight in truth["clusters"]
        if weight or not total
    }


def _different_clusters(product: Said, truth: Json) -> str | None:
    real, shown = true_clusters(truth), product.clusters
    if set(shown) != set(real):
        return "which backends"
    wrong = next((name for name in shown if shown[name] != real[name]), None)
    return f"backend {shown[wrong]} != {real[wrong]}" if wrong else None


def share(comparisons: Iterable[Comparison]) -> str:
    """Return `equal X/Y (Z %), outcome right X/Y (Z %)`."""
    found = list(comparisons)
    return f"equal {_ratio([each.difference is None for each in found])}, outcome right " + _ratio(
        [each.is_outcome_right for each in found]
    )


def _ratio(of: list[bool]) -> str:
    return f"{sum(of)}/{len(of)} ({100 * sum(of) / max(1, len(of)):.1f} %)"
