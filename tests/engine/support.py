"""Scans of clusters in memory by the installed checks."""

from collections.abc import Iterable
from typing import Any

import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from istiodoctor.check import Check
from istiodoctor.engine import Options, scan
from istiodoctor.mesh.facts import Facts
from istiodoctor.model.kind import Kind
from istiodoctor.model.wanted import LogTarget
from istiodoctor.model.x509_facts import facts_of
from istiodoctor.registry import discover
from istiodoctor.report import Report
from istiodoctor.testing.clusters import materialized
from istiodoctor.testing.examples import Example
from tests.support.clusters import ROOT
from tests.support.sources import MemorySource

CHECKS = discover().checks
BY_CODE = {check.code: check for check in CHECKS}
ISTIOD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "istiod-0", "namespace": "istio-system", "labels": {"app": "istiod"}},
    "spec": {"containers": [{"name": "discovery"}]},
}
"""Where the logs of istiod come from in examples that leave it out."""


def trusting() -> Facts:
    """Return the facts of a user whose clients trust the clusters' authority."""
    root = facts_of(ROOT.certificate.public_bytes(Encoding.DER))
    assert root
    return Facts(
        trust_anchors=frozenset({root.fingerprint_sha256}),
        trusted_subjects=frozenset({root.subject}),
    )


def scanned(source: MemorySource, checks: Iterable[Check] = CHECKS, **options: Any) -> Report:
    return scan(source, tuple(checks), Options(facts=trusting(), **options))


def of_example(example: Example) -> MemorySource:
    """Return an example as a cluster that is read in rounds, with its logs."""
    objects = [materialized(each) for each in yaml.safe_load_all(example.text) if each]
    logs = {}
    for where, text in example.logs:
        namespace, pod, container = where.split("/")
        target = LogTarget(namespace=namespace, pod=pod, container=container)
        logs[target] = tuple(text.splitlines())
    pods = {(each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects}
    wants_istiod = any((each.namespace, each.pod) == ("istio-system", "istiod-0") for each in logs)
    if wants_istiod and ("istio-system", "istiod-0") not in pods:
        objects.append(ISTIOD)
    offers = {Kind.POD_LOG}
    if example.envoys:
        offers |= {Kind.ENVOY, Kind.ENVOY_CONFIGURATION}
    if example.wire:
        offers |= {Kind.TLS_PROBE, Kind.HTTP_PROBE}
    return MemorySource(objects=objects, logs=logs, offers=frozenset(offers), seen=example.seen())
