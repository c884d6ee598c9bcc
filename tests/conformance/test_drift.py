"""Envoys that hold what real istiod sends are said to lag behind nothing."""

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.in_force import asked_pods
from istiodoctor.mesh.envoy.drift import drifts
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from tests.conformance import truth
from tests.conformance.configuration import sent
from tests.conformance.configuration.comparing import mesh_of_sent
from tests.conformance.withheld import kinds_of, without
from tests.support.envoy_dumps import NOW

EACH, EACH_WITHHELD = 5, 15
"""One of so many scenarios is looked at."""


@pytest.mark.parametrize("kind", sent.kinds())
def test_nothing_that_istiod_sends_is_drift(kind: str):
    recorded = sent.recorded(kind)
    scenarios = [each for each in truth.recording(kind).scenarios if each.name in recorded]

    asked, found = 0, []
    for each in scenarios[::EACH]:
        mesh = Mesh(mesh_of_sent(each, recorded[each.name]).snapshot.at(NOW))
        asked += sum(len(asked_pods(mesh, workload)) for workload in servers_by_workload(mesh))
        found += [f"{each.name}: {drift.difference}" for drift in drifts(mesh)]

    assert found == []
    assert asked >= len(scenarios[::EACH]) // 2


@pytest.mark.parametrize("kind", sent.kinds())
def test_what_could_not_be_read_makes_no_drift(kind: str):
    recorded = sent.recorded(kind)
    scenarios = [each for each in truth.recording(kind).scenarios if each.name in recorded]

    found = []
    for each in scenarios[::EACH_WITHHELD]:
        whole = mesh_of_sent(each, recorded[each.name]).snapshot.at(NOW)
        for withheld in kinds_of(whole) & drifts.reads:
            mesh = Mesh(without(whole, withheld))
            found += [f"{each.name} without {withheld}: {d.difference}" for d in drifts(mesh)]

    assert found == []
