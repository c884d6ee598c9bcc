"""Knowing less never looks healthier: not the verdict, not a host, not the outcome of a check.

Held against every example of every check: each kind in turn is forbidden, everywhere and in one
namespace, a namespace is read alone, and the objects are given as plain manifests.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from istiodoctor.check import Check
from istiodoctor.diagnosis import Judgement, diagnose
from istiodoctor.diagnosis.runs import run_checks
from istiodoctor.engine import Options, scan, with_last
from istiodoctor.mesh import Mesh
from istiodoctor.model.kind import OPTIONAL_READS, kind_of
from istiodoctor.model.snapshot import Snapshot
from istiodoctor.registry import discover
from istiodoctor.report import Outcome, Report, Verdict
from istiodoctor.sources.cluster import open_cluster
from istiodoctor.testing.clusters import cluster_of
from istiodoctor.testing.examples import Example, examples_of
from tests.apiserver import ApiServer
from tests.conformance import certificates, sets, truth
from tests.support import less
from tests.support.clusters import broken, healthy
from tests.support.less import Less, contradictions, healthier

EXAMPLES = tuple(examples_of("istiodoctor_checks"))
CHECKS = discover().checks
EVERY = 8
"""Of so many examples one is judged by all checks together."""
WAYS = (
    less.forbidden,
    less.forbidden_in_namespaces,
    less.only_one_namespace,
    less.plain,
)
FEW = 2
"""Scenarios of each recording."""
RECORDED = [each for each in truth.kinds() if not each.endswith(sets.OLDER)]
NEEDED = frozenset(kind for check in CHECKS for kind in check.needs)
FAMILIES = sorted({each.check.family for each in EXAMPLES})


def judged(snapshot: Snapshot, checks: tuple[Check, ...]) -> Report:
    mesh = Mesh(snapshot)
    first = tuple(each for each in checks if not each.is_last_resort)
    runs = run_checks(first, mesh, snapshot)
    judgement = Judgement(snapshot=snapshot, mesh=mesh, runs=runs, tool_version="test")
    return diagnose(with_last(judgement, checks))


def unseen(part: Less, report: Report, checks: Iterable[Check]) -> Iterator[str]:
    """Yield the checks that passed without having seen what they need."""
    needs = {each.code: each.needs for each in checks}
    for run in report.checks:
        if run.outcome is Outcome.PASSED and not part.kinds.isdisjoint(needs[run.code]):
            yield f"{run.code} passed"


def faults(
    example: Example, way: Callable[[Snapshot], Iterable[Less]], checks: tuple[Check, ...]
) -> Iterator[str]:
    snapshot = example.snapshot()
    whole = judged(snapshot, checks)
    for part in way(snapshot):
        report = judged(part.snapshot, checks)
        for fault in (
            *healthier(whole, report),
            *contradictions(report),
            *unseen(part, report, checks),
        ):
            yield f"{example} {part.name}: {fault}"


@cache
def of_family(family: str) -> tuple[Example, ...]:
    return tuple(each for each in EXAMPLES if each.check.family == family)


@pytest.mark.parametrize("way", WAYS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_check_that_is_told_less_says_nothing_better(family: str, way):
    found = [fault for each in of_family(family) for fault in faults(each, way, (each.check,))]

    assert found == []


@pytest.mark.parametrize("way", WAYS, ids=lambda each: each.__name__)
def test_all_checks_that_are_told_less_say_nothing_better(way):
    found = [fault for each in EXAMPLES[::EVERY] for fault in faults(each, way, CHECKS)]

    assert found == []


# A cluster whose API server refuses a kind


@pytest.fixture(scope="module", params=[healthy, broken], ids=["healthy", "broken"])
def running(request: pytest.FixtureRequest) -> Iterator[ApiServer]:
    with ApiServer(request.param(datetime.now(UTC))) as server:
        yield server


@pytest.mark.parametrize("namespace", [None, ""], ids=["everywhere", "all-at-once"])
def test_a_kind_that_the_api_server_refuses_makes_nothing_look_better(
    running: ApiServer, tmp_path: Path, namespace: str | None
):
    running.permit_all()
    path = running.kubeconfig(tmp_path / "kubeconfig")
    objects = [*healthy(datetime.now(UTC)), *broken(datetime.now(UTC))]
    there = {kind_of(each["apiVersion"].rpartition("/")[0], each["kind"]) for each in objects}
    kinds = sorted((each for each in there if each and each.listed), key=str)

    def scanned() -> Report:
        source = open_cluster(kubeconfig=path, timeout=timedelta(seconds=20))
        return scan(source, CHECKS, Options(declined=OPTIONAL_READS))

    whole, found = scanned(), []
    for kind in kinds:
        running.permit_all()
        running.forbid(kind.resource, group=kind.group, namespace=namespace)
        part = scanned()
        found += [f"{kind}: {fault}" for fault in (*healthier(whole, part), *contradictions(part))]
        if part.verdict is Verdict.HEALTHY and kind in NEEDED:
            found.append(f"{kind}: healthy")

    assert len(kinds) > 8
    assert found == []


# Scenarios to which real Envoys have answered


@pytest.mark.parametrize("recording", RECORDED)
def test_a_scenario_of_which_less_is_known_looks_no_better(recording: str):
    scenarios = [each for each in truth.recording(recording).scenarios if not each.panic]
    found = []
    for scenario in scenarios[:: max(1, len(scenarios) // FEW)][:FEW]:
        snapshot = cluster_of(certificates.filled(scenario.objects))
        whole = judged(snapshot, CHECKS)
        for part in less.forbidden(snapshot):
            report = judged(part.snapshot, CHECKS)
            found += [
                f"{scenario.name} {part.name}: {fault}"
                for fault in (
                    *healthier(whole, report),
                    *contradictions(report),
                    *unseen(part, report, CHECKS),
                )
            ]

    assert found == []
