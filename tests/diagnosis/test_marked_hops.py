"""A hop of a trace that works by the objects is marked where a grave finding is about it."""

from dataclasses import replace

import pytest

from istiodoctor.diagnosis.tracing import trace
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.report import HopState
from istiodoctor.testing.examples import Example, examples_of
from istiodoctor.trace_report import Trace
from tests.support.judgements import judged

CODES = ("SDS010", "CERT006", "CERT022")
"""Of high severity: Envoy goes on, or some clients do."""
EXAMPLES = tuple(
    each
    for each in examples_of("istiodoctor_checks")
    if each.check.code in CODES and each.verdict == "bad"
)


REACHED = """
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: sds, namespace: istio-system}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get, watch, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: sds, namespace: istio-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: sds}
subjects: [{kind: ServiceAccount, name: default, namespace: istio-system}]
"""
"""What the examples leave out: a way to the gateway, and its rights."""


def traced(example: Example) -> tuple[Trace, ...]:
    """Return the traces of the hosts that a check names."""
    judgement = judged(replace(example, text=example.text + REACHED).snapshot())
    hosts = sorted(
        host
        for run in judgement.runs
        if run.check.code == example.check.code
        for finding in run.findings
        for host in finding.hosts
        if not host.startswith("*")
    )
    return tuple(trace(judgement, Request.of_url(f"https://{host}/")) for host in hosts)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_a_hop_that_something_grave_is_said_of_is_not_simply_fine(example: Example):
    for each in traced(example):
        said = {hop.code: hop.state for leg in each.legs for hop in leg.hops if hop.code}
        assert said[example.check.code] is not HopState.OK


def test_what_envoy_refused_is_not_known_to_be_in_force():
    example = next(each for each in EXAMPLES if each.check.code == "SDS010")

    (found, *_) = traced(example)

    (listener,) = (hop for leg in found.legs for hop in leg.hops if hop.hop == "listener")
    assert listener.state is HopState.UNKNOWN
