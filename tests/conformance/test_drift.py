"""Envoys that hold what real istiod sends are said to lag behind nothing."""

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.in_force import asked_pods
from istiodoctor.mesh.envoy.drift import drifts
from istiodoctor.mesh.listeners import servers_by_workload
from tests.conformance import truth
from tests.conformance.configuration import sent
from tests.conformance.configuration.comparing import mesh_of_sent
from tests.support.envoy_dumps import NOW

EACH = 5
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
