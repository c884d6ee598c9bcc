"""A finding holds under everything that the files may mean: law, and random folders."""

import json
import random
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from istiodoctor.diagnosis.tracing import trace
from istiodoctor.engine import Options, judged
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.requests.request_paths import request_paths
from istiodoctor.model.kind import kind_of
from istiodoctor.model.ref import UNKNOWN_NAMESPACE, Ref
from istiodoctor.report import HopState, Report, Verdict
from istiodoctor.sources.files import open_files
from istiodoctor.testing import examples_of
from istiodoctor.testing.clusters import materialized
from istiodoctor.testing.examples import BAD, GOOD
from istiodoctor.testing.words import NOW
from istiodoctor.trace_report import AnswerKind, Trace, TraceVerdict
from tests.support import objects as kubernetes
from tests.support.objects import Manifest
from tests.support.scans import (
    CHECKS,
    backend,
    certificate,
    control_plane,
    ingress,
    scanned_folder,
)

Said = frozenset[tuple[str, str, str, str]]
EXAMPLES = {
    verdict: {
        each.check.code: [
            materialized(document) for document in yaml.safe_load_all(each.text) if document
        ]
        for each in reversed(examples_of("istiodoctor_checks"))
        if each.verdict == verdict and not (each.logs or each.envoys or each.wire)
    }
    for verdict in (BAD, GOOD)
}
CODES = sorted(set(EXAMPLES[BAD]) & set(EXAMPLES[GOOD]))
SAMPLE = random.Random(5).sample(CODES, 40)


def said(report: Report) -> Said:
    """Return code, kind, namespace and name of everything that a report says, symptoms too."""
    return frozenset(
        (each.code, each.subject.kind, each.subject.namespace, each.subject.name)
        for problem in report.problems
        for each in (problem.cause, *problem.symptoms)
    )


def written(folder: Path, objects: Iterable[Manifest], *, one_file: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    texts = [json.dumps(each, indent=1) for each in objects]
    if one_file:
        (folder / "objects.yaml").write_text("\n---\n".join(texts))
        return folder
    for number, text in enumerate(texts):
        (folder / f"{number:03}.json").write_text(text)
    return folder


def ref(manifest: Manifest) -> Ref:
    metadata = manifest["metadata"]
    group = manifest["apiVersion"].rpartition("/")[0]
    return Ref(group, manifest["kind"], metadata.get("namespace", ""), metadata["name"])


@pytest.mark.parametrize("code", SAMPLE)
def test_shuffled_split_and_repeated_objects_say_the_same(tmp_path: Path, code: str):
    objects = EXAMPLES[BAD][code]
    chance = random.Random(code)
    mixed = chance.sample(objects, len(objects)) + chance.choices(objects, k=3)

    expected = scanned_folder(written(tmp_path / "whole", objects))
    report = scanned_folder(written(tmp_path / "split", mixed, one_file=False))

    assert (said(report), report.verdict) == (said(expected), expected.verdict)


@pytest.mark.promise("what is said holds under everything that its files may mean")
@pytest.mark.parametrize("code", SAMPLE)
def test_of_two_clusters_in_one_folder_nothing_is_said_that_is_said_of_neither(
    tmp_path: Path, code: str
):
    bad, good = EXAMPLES[BAD][code], EXAMPLES[GOOD][code]
    alone = [
        said(scanned_folder(written(tmp_path / name, objects)))
        for name, objects in (("a", bad), ("b", good))
    ]
    both = tmp_path / "both"
    written(both / "one", bad)
    written(both / "other", good)
    different = {ref(each) for each in bad} & {ref(each) for each in good if each not in bad}

    report = scanned_folder(both)

    for problem in report.problems if different else ():
        for each in (problem.cause, *problem.symptoms):
            objects = {place.ref for place in each.objects}
            is_in_both = objects <= {*map(ref, bad)} & {*map(ref, good)}
            key = (each.code, each.subject.kind, each.subject.namespace, each.subject.name)
            assert key in (alone[0] & alone[1] if is_in_both else alone[0] | alone[1])


@pytest.mark.parametrize("code", SAMPLE)
def test_objects_without_their_namespace_say_less_and_nothing_else(tmp_path: Path, code: str):
    objects = EXAMPLES[BAD][code]
    namespaces = sorted({each.namespace for each in map(ref, objects) if each.namespace})
    expected = said(scanned_folder(written(tmp_path / "named", objects)))

    for namespace in namespaces:
        report = scanned_folder(
            written(tmp_path / f"without-{namespace}", without(objects, namespace))
        )
        back = {
            (code, kind, namespace if where == UNKNOWN_NAMESPACE else where, name)
            for code, kind, where, name in said(report)
        }
        assert back <= expected


def without(objects: Sequence[Manifest], namespace: str) -> list[Manifest]:
    """Return objects of which those in one namespace do not say that they are there."""
    return [
        {**each, "metadata": {k: v for k, v in each["metadata"].items() if k != "namespace"}}
        if each["metadata"].get("namespace") == namespace
        else each
        for each in objects
    ]


GATEWAY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "edge", "namespace": "web"},
    "spec": {
        "selector": {"istio": "ingressgateway"},
        "servers": [
            {
                "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
                "hosts": ["a.example.com"],
                "tls": {"mode": "SIMPLE", "credentialName": "edge-cert"},
            }
        ],
    },
}


def gateway(*hosts: str, **metadata: str) -> Manifest:
    spec: Any = json.loads(json.dumps(GATEWAY["spec"]))
    spec["servers"][0]["hosts"] = list(hosts)
    return {**GATEWAY, "metadata": {"name": "edge", "namespace": "web", **metadata}, "spec": spec}


def routes(host: str, name: str = "site", namespace: str = "web", **spec: Any) -> Manifest:
    destination = {"destination": {"host": "site"}}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "spec": {
            "hosts": [host],
            "gateways": ["web/edge"],
            "http": [{"route": [destination]}],
            **spec,
        },
    }


def test_a_fault_of_one_version_alone_is_withheld(tmp_path):
    written(tmp_path / "a", [gateway("a.example.com")])
    written(tmp_path / "b", [gateway("b.example.com")])
    written(tmp_path, [routes("b.example.com")])

    report = scanned_folder(tmp_path)

    assert (said(report), report.verdict) == (frozenset(), Verdict.INCOMPLETE)
    assert {each.verdict for each in report.hosts} == {Verdict.INCOMPLETE}
    assert any("Gateway web/edge (" in note for note in report.scan.notes)
    assert any(note.startswith("withheld") and "VS003" in note for note in report.scan.notes)


def test_a_fault_of_every_version_is_said(tmp_path):
    written(tmp_path / "a", [gateway("a.example.com")])
    written(tmp_path / "b", [gateway("b.example.com")])
    written(tmp_path, [routes("c.example.com")])

    assert ("VS003", "VirtualService", "web", "site") in said(scanned_folder(tmp_path))


def test_what_one_environment_has_wrong_by_itself_is_said(tmp_path):
    written(tmp_path / "dev", [gateway("a.example.com"), routes("x.example.com", "lost")])
    written(tmp_path / "prod", [gateway("b.example.com"), routes("b.example.com")])

    assert said(scanned_folder(tmp_path)) == {("VS003", "VirtualService", "web", "lost")}


def test_neighbours_in_folders_for_environments_do_not_meet(tmp_path):
    """Two Gateways with one host are a fault in one cluster, and none in two."""
    rivals = [gateway("a.example.com"), gateway("a.example.com", name="rival")]
    written(tmp_path / "together", rivals)
    written(tmp_path / "apart" / "dev", rivals[:1])
    written(tmp_path / "apart" / "prod", rivals[1:])

    together = said(scanned_folder(tmp_path / "together"))

    assert together
    assert said(scanned_folder(tmp_path / "apart")) == frozenset()


def test_versions_in_one_file_are_alternatives_too(tmp_path):
    written(
        tmp_path,
        [gateway("a.example.com"), gateway("b.example.com"), routes("a.example.com")],
    )

    assert said(scanned_folder(tmp_path)) == frozenset()


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (["web/a.example.com"], frozenset()),
        (["elsewhere/a.example.com"], frozenset()),
        (["b.example.com"], {("VS003", "VirtualService", UNKNOWN_NAMESPACE, "site")}),
    ],
)
def test_a_namespace_that_is_not_said_may_be_any(tmp_path, hosts, expected):
    written(tmp_path, [gateway(*hosts), routes("a.example.com", namespace="")])

    report = scanned_folder(tmp_path)

    assert said(report) == expected
    assert not any("default" in each.cause.message for each in report.problems)


def test_an_object_without_a_namespace_is_named_without_one(tmp_path):
    written(tmp_path, [gateway("b.example.com"), routes("a.example.com", namespace="")])

    (problem,) = scanned_folder(tmp_path).problems

    assert problem.cause.message.startswith("VirtualService site has the host a.example.com")
    commands = [each for fix in problem.cause.fixes for each in fix.fix.commands]
    assert all(UNKNOWN_NAMESPACE not in words for command in commands for words in command)


MARKS = (
    "${DOMAIN}", "$(DOMAIN)", "<your-domain>", "{{ .Values.host }}", "@DOMAIN@", "#{domain}#",
    "__DOMAIN__", "%DOMAIN%", "((domain))", "DOMAIN_NAME", "[DOMAIN]", "{domain}", "$[[ domain ]]",
    "YOUR-DOMAIN", "CHANGEME", "TODO", "...",
)  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("pattern", ["{}", "*.{}", "a.{}.example.com"])
def test_a_host_that_is_to_be_filled_in_is_compared_with_nothing(tmp_path, mark, pattern):
    host = pattern.format(mark)
    for name, objects in (
        ("gateway", [gateway(host), routes("a.example.com")]),
        ("routes", [gateway("a.example.com"), routes(host)]),
        ("name", [gateway("a.example.com"), routes("a.example.com", f"site-{mark}")]),
    ):
        report = scanned_folder(written(tmp_path / name, objects))

        assert (said(report), report.verdict) == (frozenset(), Verdict.INCOMPLETE), name


@pytest.mark.parametrize("mark", ["REPLACE_ME", "CHANGEME", "YOUR-GATEWAY", "web/TODO"])
def test_a_gateway_that_is_to_be_filled_in_is_not_missed(tmp_path, mark):
    written(tmp_path, [gateway("a.example.com"), routes("a.example.com", gateways=[mark])])

    report = scanned_folder(tmp_path, whole_cluster=True)

    assert not {code for code, *_ in said(report)} & {"VS001", "VS002"}


@pytest.mark.parametrize("name", ["Edge", "web/EDGE", "changeme", "your-gateway"])
def test_a_gateway_that_is_written_wrong_is_missed(tmp_path, name):
    written(tmp_path, [gateway("a.example.com"), routes("a.example.com", gateways=[name])])

    codes = {code for code, *_ in said(scanned_folder(tmp_path, whole_cluster=True))}

    assert codes & {"VS001", "VS002"}


def test_a_host_with_a_fault_in_one_version_is_not_well(tmp_path):
    """A finding that is withheld leaves its host unknown, where nothing else shows it."""
    edge = kubernetes.gateway(
        "edge", "web", kubernetes.https("a.example.com", credential="edge-cert")
    )
    secret = certificate("a.example.com", "edge-cert")
    there = [*control_plane(), *ingress(), materialized(secret), edge, *backend("site", "web")]
    found = {}
    for ports in ((80,), (81,), (80, 81)):
        folder = written(tmp_path / f"{ports}", there)
        for port in ports:
            http = [kubernetes.route("site", port={"number": port})]
            written(folder / str(port), [routes("a.example.com", http=http)])
        report = scanned_folder(folder, whole_cluster=True)
        (host,) = report.hosts
        found[ports] = "VS010" in {code for code, *_ in said(report)}, host.verdict

    assert found == {
        (80,): (False, Verdict.HEALTHY),
        (81,): (True, Verdict.BROKEN),
        (80, 81): (False, Verdict.INCOMPLETE),
    }


def traced(folder: Path, url: str) -> Trace:
    source = open_files(
        [str(folder)], whole_cluster=True, stdin=None, since=timedelta(hours=1), now=NOW
    )
    return trace(judged(source, CHECKS, Options(kinds=request_paths.reads)), Request.of_url(url))


def plain_gateway(host: str) -> Manifest:
    return kubernetes.gateway("edge", "web", kubernetes.server(80, "HTTP", host))


def cluster(folder: Path) -> Path:
    """Write what answers every host under example.com, but for the Gateway."""
    answer = {"directResponse": {"status": 200}}
    site = routes("*.example.com", http=[answer])
    return written(folder, [*control_plane(), *ingress(), site])


def test_a_request_that_is_answered_by_some_versions_alone_is_unknown(tmp_path):
    for name in ("both", "alone"):
        cluster(tmp_path / name)
        written(tmp_path / name / "b", [plain_gateway("b.example.com")])
    written(tmp_path / "both" / "a", [plain_gateway("a.example.com")])

    alone = traced(tmp_path / "alone", "http://a.example.com/")
    both = traced(tmp_path / "both", "http://a.example.com/")

    assert (alone.verdict, both.verdict) == (TraceVerdict.STOPPED, TraceVerdict.UNKNOWN)
    assert both.stopped_at is None
    assert [(leg.answer.kind, leg.hops[-1].state) for leg in both.legs] == [
        (AnswerKind.UNKNOWN, HopState.UNKNOWN)
    ]


def test_a_request_that_every_version_answers_is_answered(tmp_path):
    cluster(tmp_path)
    written(tmp_path / "a", [plain_gateway("a.example.com")])
    written(tmp_path / "b", [plain_gateway("*.example.com")])

    assert traced(tmp_path, "http://a.example.com/").verdict is TraceVerdict.ANSWERED
    assert traced(tmp_path, "http://c.example.org/").verdict is TraceVerdict.STOPPED


def test_regular_expressions_are_no_placeholders(tmp_path):
    match = [{"uri": {"regex": "^/(?<id>[a-z]{2,3})$"}, "headers": {"x": {"exact": "<a>"}}}]
    http = [{"match": match, "route": [{"destination": {"host": "site"}}]}]
    written(tmp_path, [gateway("b.example.com"), routes("a.example.com", http=http)])

    assert said(scanned_folder(tmp_path)) == {("VS003", "VirtualService", "web", "site")}


def test_the_kinds_of_examples_are_known():
    """The sample would be empty otherwise."""
    kinds = {
        kind_of(each["apiVersion"].rpartition("/")[0], each["kind"])
        for code in SAMPLE
        for each in EXAMPLES[BAD][code]
    }

    assert len(kinds - {None}) > 8
