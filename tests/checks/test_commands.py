"""No name that is read from a cluster becomes an option of a command that is printed."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from istiodoctor.check import Check
from istiodoctor.command import Command
from istiodoctor.diagnosis import diagnose
from istiodoctor.diagnosis.tracing import trace
from istiodoctor.finding import Finding
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.model.decode import Undecodable
from istiodoctor.model.snapshot import Snapshot
from istiodoctor.registry import discover
from istiodoctor.renderers import RENDERERS, TRACE_RENDERERS, Display
from istiodoctor.testing.examples import examples
from tests.support.command_lines import Misread, commands_in, recognise, understand
from tests.support.hostile import IMPOSSIBLE, ODD, OPTIONS, Renamed, renamings
from tests.support.judgements import judged

CHECKS = discover().checks
WIDE = Display(width=160)
UNNAMED = frozenset({"GWAPI008", "CRED012", "OPS013", "REQ002", "SDS012", "SDS017"})
"""Their commands hold no name that is read."""
BEYOND = frozenset({"DR011", "MTLS016", "OPS012", "SDS005", "SDS013", "SDS018"})
"""What they name is found by a name that is fixed, or said in a log or the mesh configuration:
renamed, it is not found."""
ALONE = {"GW002": frozenset({"kubectl delete"})}
"""Parts of a fix that are all of it where there are no routes to bind anew."""


@cache
def renamed(check: Check) -> tuple[Renamed, ...]:
    """Return the bad examples of a check, each with each of its names to be made another."""
    bad = (each for each in examples(check) if each.verdict == "bad")
    return tuple(cluster for example in bad for cluster in renamings(example))


def read(cluster: Renamed, wanted: str) -> Snapshot | None:
    """Return the cluster with that name; None where it is a word of the API, and no name."""
    try:
        return replace(cluster, wanted=wanted).snapshot()
    except Undecodable:
        return None


def found(cluster: Renamed, wanted: str) -> Iterator[tuple[Finding, Fix]]:
    """Yield the fixes of a check for its example with a name made another."""
    if snapshot := read(cluster, wanted):
        for finding in cluster.example.check.run(Mesh(snapshot)):
            for fix in finding.fixes:
                yield finding, fix


def commands(fix: Fix) -> list[tuple[str, ...]]:
    return [words for words in (*fix.commands, fix.verify, fix.undo) if words]


def deeds(fix: Fix) -> frozenset[str]:
    """Return what the commands of a fix do: `kubectl delete`."""
    return frozenset(" ".join(words[:2]) for words in fix.commands)


def texts(finding: Finding, fix: Fix) -> Iterable[str]:
    evidence = (each.text for each in finding.evidence)
    return (finding.title, finding.message, fix.title, fix.why, *evidence)


def tells_to_run(text: str, name: str) -> bool:
    """Whether prose tells to run something with this name as a word."""
    told = rf"\b(?:kubectl|istioctl|cmctl|openssl|curl|dig) [^.;:“]*(?<!\S){re.escape(name)}(?!\S)"
    return bool(re.search(told, text))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_a_command_is_one_that_its_program_takes(check: Check):
    for cluster in examples(check):
        for finding in check.run(Mesh(cluster.snapshot())):
            for fix in finding.fixes:
                for words in commands(fix):
                    assert isinstance(words, Command)
                    understand(words)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_no_name_becomes_an_option(check: Check):
    names = (*IMPOSSIBLE, *ODD)
    for number, cluster in enumerate(renamed(check)):
        for wanted in {OPTIONS[number % len(OPTIONS)], names[number % len(names)]}:
            for _, fix in found(cluster, wanted):
                for words in commands(fix):
                    understand(words)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_what_no_object_can_be_called_gets_no_command_and_the_fix_says_so(check: Check):
    everything = [each for cluster in renamed(check) for each in found(cluster, "--all")]
    withheld = [fix for _, fix in everything if fix.withheld]
    printed = [
        fix
        for each in examples(check)
        for finding in check.run(Mesh(each.snapshot()))
        for fix in finding.fixes
        if fix.patches or commands(fix)
    ]

    whole = {frozenset(), ALONE.get(check.code, frozenset()), *map(deeds, printed)}
    for finding, fix in everything:
        for words in commands(fix):
            understand(words)
        assert deeds(fix) in whole, "half of a fix"
        assert not [text for text in texts(finding, fix) if tells_to_run(text, "--all")]
    assert [fix for fix in withheld if commands(fix)] == []
    assert [fix for fix in withheld if "No command is printed: " not in fix.why] == []
    assert bool(withheld) == (bool(printed) and check.code not in UNNAMED | BEYOND)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_nothing_that_any_check_prints_of_a_cluster_is_misread(data: st.DataObject):
    clusters = renamed(data.draw(st.sampled_from(CHECKS)))
    cluster = data.draw(st.sampled_from(clusters)) if clusters else None
    wanted = data.draw(st.sampled_from((*IMPOSSIBLE, *ODD)) | st.text(max_size=20))
    snapshot = read(cluster, wanted) if cluster else None
    if cluster is None or snapshot is None:
        return

    for shown in shown_of(snapshot):
        understand(shown)


def shown_of(snapshot: Snapshot) -> Iterator[list[str]]:
    """Yield every command of the report of a cluster, and of traces, in each output."""
    judgement = judged(snapshot)
    report = diagnose(judgement)
    yield from commands_of(json.loads(RENDERERS["json"]([report], WIDE)))
    yield from commands_in(RENDERERS["terminal"]([report], WIDE))
    for host in islice(report.hosts, 2):
        try:
            request = Request.of_url(f"https://{host.host}/")
        except ValueError:
            continue
        traced = trace(judgement, request)
        yield from commands_of(json.loads(TRACE_RENDERERS["json"](traced, WIDE)))
        yield from commands_in(TRACE_RENDERERS["terminal"](traced, WIDE))


def commands_of(value: Any) -> Iterator[list[str]]:
    """Yield the commands in a report that a program reads."""
    match value:
        case dict():
            yield from value.get("commands", ())
            one = (value.get(key) for key in ("verify", "undo", "command"))
            yield from (words for words in one if words)
            for each in value.values():
                yield from commands_of(each)
        case list():
            for each in value:
                yield from commands_of(each)


def credential(wanted: str) -> Snapshot:
    """Return a cluster with a Gateway whose credential is called this."""
    cluster = next(
        each
        for check in CHECKS
        if check.code == "CRED002"
        for each in renamed(check)
        if each.name == "shop-cert"
    )
    snapshot = read(cluster, wanted)
    assert snapshot
    return snapshot


def test_a_report_of_a_cluster_with_a_plain_name_shows_commands_with_it_in_every_output():
    shown = [" ".join(words) for words in shown_of(credential("shop-tls"))]

    command = "kubectl create secret tls shop-tls -n istio-system"
    assert sum(line.startswith(command) for line in shown) == 2
    assert "kubectl delete secret/shop-tls -n istio-system" in shown


# Of a name with a slash, CRED003 takes what follows it: a name of its own.
@pytest.mark.parametrize("wanted", [each for each in IMPOSSIBLE if "/" not in each])
def test_a_credential_that_no_secret_can_be_called_is_in_no_command(wanted: str):
    for words in shown_of(credential(wanted)):
        understand(words)
        assert not [word for word in words if word == "secret" or word.startswith("secret/")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_a_command_in_the_documentation_is_one_that_its_program_has(check: Check):
    for line in re.findall(r"`((?:kubectl|istioctl|cmctl|openssl|curl) [^`]+)`", prose(check)):
        recognise(shlex.split(line))


def prose(check: Check) -> str:
    return " ".join(check.documentation.partition("\n```")[0].split())


@pytest.mark.parametrize(
    "line",
    [
        "kubectl delete secret --all -n shop",
        "kubectl delete secret web -n shop",
        "kubectl delete secret -n shop -- web",
        "kubectl delete secret/--all -n shop",
        "kubectl delete secret/web -n -A",
        "kubectl delete secret/web --now=true",
        "kubectl delete pods -n shop",
        "kubectl get pods -n shop -l app",
        "kubectl logs pod/web -c -p",
        "kubectl create secret tls -n shop --cert=a.pem --key=b.pem -- web",
        "kubectl create secret tls a b -n shop",
        "kubectl label namespace/shop mesh=member",
        "kubectl patch secret/web -p --all",
        "istioctl proxy-config secret web -n shop",
        "istioctl proxy-config cluster pod/web.shop --fqdn -A",
        "cmctl renew web -n shop",
        "cmctl renew -n shop -- --all",
        "dig +short shop.example.com",
        "dig +short -q -x",
        "sh -c 'kubectl get pods; kubectl delete secret/web'",
        "helm uninstall web",
        "istiodoctor explain --all",
    ],
)
def test_what_a_program_would_not_take_or_take_for_another_thing_is_misread(line: str):
    with pytest.raises(Misread):
        understand(shlex.split(line))
