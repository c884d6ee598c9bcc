"""The whole chain: scenarios through istiod, Envoy and the client into one recording."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, repeat

from tests.conformance.recording import envoy, istiod
from tests.conformance.recording.answers import answered, gateway_pods, unusable
from tests.conformance.recording.listeners import Gateway
from tests.conformance.recording.tools import Tools
from tests.conformance.truth import Json, Scenario

CLIENTS = 6
"""Scenarios whose requests are sent at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A scenario that istiod has taken; its requests have no answers yet."""

    scenario: Scenario
    gateways: list[Json]

    def runnable(self) -> list[Gateway]:
        """Return its gateways as Envoy takes them."""
        pods = gateway_pods(self.scenario.objects)
        secrets = frozenset(
            f"{each['metadata']['namespace']}/{each['metadata']['name']}"
            for each in self.scenario.objects
            if each["kind"] == "Secret"
        )
        return [
            Gateway(
                name=f"{self.scenario.name}|{index}",
                sent=sent,
                pod_address=pods[sent["name"]]["status"]["podIP"],
                secrets=secrets,
            )
            for index, sent in enumerate(self.gateways)
        ]


def recorded(scenarios: Iterable[Scenario], tools: Tools) -> tuple[list[Scenario], Counter[str]]:
    """Return the scenarios with answers, and why others were left out."""
    asked = list(scenarios)
    outputs = istiod.sent(tools.istiod, {each.name: each.objects for each in asked}, tools.jobs)
    left_out: Counter[str] = Counter()
    prepared: list[Prepared] = []
    for scenario in asked:
        output = outputs[scenario.name]
        objects = istiod.accepted(scenario.objects, output["rejected"])
        panic = output.get("panic", "")
        why = f"istiod panics: {panic}" if panic else unusable(objects)
        if why and not scenario.rule:
            left_out[why] += 1
            continue
        kept = dataclasses.replace(scenario, objects=objects, panic=panic)
        prepared.append(Prepared(scenario=kept, gateways=output["gateways"] or []))
    found: list[Scenario] = []
    for start in range(0, len(prepared), envoy.BATCH):
        found += _asked(prepared[start : start + envoy.BATCH], tools.envoy)
    return found, left_out


def _asked(batch: list[Prepared], binary: str) -> list[Scenario]:
    """Send the requests of scenarios that share one Envoy."""
    with (
        envoy.running(binary, [each.runnable() for each in batch]) as running,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        return list(pool.map(_answered, count(), batch, repeat(running)))


def _answered(index: int, prepared: Prepared, running: envoy.Running) -> Scenario:
    scenario = prepared.scenario
    entries = answered(scenario.requests, scenario.objects, prepared.gateways, running, index)
    refused = {
        name.split("|", 1)[1]: re.sub(r"'127\.[\d.]+:", "':", why)
        for name, why in running.refused.items()
        if name.split("|", 1)[0] == scenario.name
    }
    return dataclasses.replace(scenario, requests=list(entries), refused=refused)
