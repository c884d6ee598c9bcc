"""What is looked at when a scan was asked about some hosts only."""

from dataclasses import dataclass, field

import pytest

from istiodoctor.diagnosis.scope import Scope
from istiodoctor.engine import Options, judged
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.targets.probing import probe_targets
from istiodoctor.model.observation import ProbeTargets
from istiodoctor.probes import Probing
from istiodoctor.registry import discover
from tests.support.objects import Manifest, gateway, https, server, snapshot_of
from tests.support.scans import control_plane, ingress
from tests.support.sources import MemorySource

A, B, WILD = "a.example.com", "b.example.com", "*.example.org"


def objects(*more: Manifest) -> tuple[Manifest, ...]:
    servers = (https(A, name="a"), https(B, name="b"), https(WILD, name="w"))
    return (
        *control_plane(),
        *ingress(type="ClusterIP"),
        gateway("web", "shop", *servers, server(80, "HTTP", A, B)),
        *more,
    )


def names(found: ProbeTargets) -> set[str]:
    return {each.sni for each in found.tls if each.host}


def test_without_hosts_everything_is_looked_at():
    mesh = Mesh(snapshot_of(*objects()))

    assert probe_targets(mesh, ()) == probe_targets(mesh)
    assert {A, B} < names(probe_targets(mesh))


@pytest.mark.parametrize(
    ("host", "expected"),
    [(A, {A}), ("c.example.org", {"c.example.org"}), ("x.example.net", set())],
)
def test_only_what_is_about_the_hosts_is_looked_at(host: str, expected: set[str]):
    found = probe_targets(Mesh(snapshot_of(*objects())), (host,))

    assert {name for name in names(found) if not name.endswith(".invalid")} == expected
    assert {each.host for each in found.http if each.host} == expected


def test_gateways_of_other_hosts_are_not_missed():
    other = {"istio": "other"}
    far = gateway("far", "shop", https("far.example.net"), selector=other)
    lost = ingress("other", labels=other, type="ClusterIP")
    for each in lost:
        if each["kind"] == "Pod":
            each["status"] = {"phase": "Pending"}
    mesh = Mesh(snapshot_of(*objects(*lost, far)))

    assert [str(ref) for ref, _ in probe_targets(mesh).blind] == ["Pod istio-system/other-pod"]
    assert probe_targets(mesh, (A,)).blind == ()
    assert probe_targets(mesh, ("far.example.net",)).blind != ()


@dataclass(slots=True, kw_only=True)
class Lending(MemorySource):
    """A cluster in memory that lends connections to nowhere, and notes to which pods."""

    lent: list[str] = field(default_factory=list)

    def connector(self, namespace: str, pod: str, port: int) -> "Lending":
        """Return a way on which nobody listens."""
        self.lent.append(f"{namespace}/{pod}:{port}")
        return self

    def connect(self, timeout: float) -> None:
        """Refuse."""
        raise ConnectionRefusedError("nobody listens")


def test_the_hosts_of_a_scan_narrow_its_probes():
    source = Lending(objects=objects())
    options = Options(scope=Scope(hosts=(A,)), probing=Probing(seconds=20.0))

    seen = judged(source, discover().checks, options).snapshot.tls_observations

    assert source.lent
    assert {each.target.host for each in seen} <= {A, ""}
    assert A in {each.target.host for each in seen}
