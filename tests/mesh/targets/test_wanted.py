"""What is asked for beyond the objects: fairly shared out, and never left out in silence."""

from collections import Counter

from istiodoctor.mesh.targets.wanted import wanted
from istiodoctor.model.kind import Kind
from istiodoctor.model.wanted import LogTarget, Wanted
from istiodoctor.testing.clusters import mesh

KINDS = frozenset({Kind.POD_LOG, Kind.ENVOY})
ISTIOD = """
apiVersion: v1
kind: Pod
metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod, istio.io/rev: default}}
spec: {containers: [{name: discovery, image: "istio/pilot:1.26.5"}]}
---
"""


def gateway(name: str, pods: int, phase: str = "Running") -> str:
    """Return a Gateway, and the pods that serve it."""
    written = [
        f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{istio: {name}}}
  servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ["{name}.example.com"]}}]
"""
    ]
    written += [
        f"""
apiVersion: v1
kind: Pod
metadata:
  name: {name}-{number:02}
  namespace: istio-system
  labels: {{istio: {name}}}
  ownerReferences: [{{kind: ReplicaSet, name: {name}-5d9, controller: true}}]
spec: {{containers: [{{name: istio-proxy, image: "istio/proxyv2:1.26.5", args: [proxy, router]}}]}}
status: {{phase: {phase}}}
"""
        for number in range(pods)
    ]
    return "---".join(written)


def asked_for(*gateways: str) -> Wanted:
    return wanted(mesh(ISTIOD + "---".join(gateways)), KINDS, ("error",))


def by_gateway(names: list[str]) -> Counter[str]:
    return Counter(name.partition("-")[0] for name in names)


def test_forty_pods_are_asked_and_nothing_is_left_out():
    found = asked_for(gateway("a", 39))

    assert len(found.envoys) == 39
    assert len(found.logs) == 40
    assert found.unasked == frozenset()


def test_pods_beyond_the_most_are_unread_with_a_sentence():
    found = asked_for(gateway("a", 42))

    envoys = [each for each in found.unasked if each.kind is Kind.ENVOY]
    logs = [each for each in found.unasked if each.kind is Kind.POD_LOG]
    assert (len(found.envoys), len(found.logs)) == (40, 40)
    assert found.envoys.isdisjoint((each.namespace, each.name) for each in envoys)
    assert {each.message for each in envoys} == {
        "42 gateway pods are more than the 40 whose Envoy is asked"
    }
    assert {each.message for each in logs} == {"43 logs are more than the 40 that are read"}
    assert (len(envoys), len(logs)) == (2, 3)


def test_a_large_gateway_takes_nothing_from_a_small_one():
    found = asked_for(gateway("large", 60), gateway("small", 3))

    assert by_gateway([name for _, name in found.envoys]) == {"large": 37, "small": 3}
    assert by_gateway([each.pod for each in found.logs]) == {"large": 36, "small": 3, "istiod": 1}


def test_the_control_plane_comes_before_any_gateway():
    found = asked_for(gateway("a", 60))

    assert LogTarget(namespace="istio-system", pod="istiod-0", container="discovery") in found.logs


def test_a_pod_that_has_not_been_started_has_no_envoy_to_ask():
    found = asked_for(gateway("a", 60, phase="Pending"))

    assert found.envoys == frozenset()
    assert {each.kind for each in found.unasked} == {Kind.POD_LOG}


def test_what_was_said_to_be_unasked_is_not_said_again():
    found = asked_for(gateway("a", 42))

    assert not found.minus(found)
    assert found.minus(Wanted()).plus(Wanted()) == found
    assert bool(Wanted(unasked=found.unasked))
