import base64
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from istiodoctor.engine import Options, scan
from istiodoctor.mesh.facts import Facts
from istiodoctor.model.credential import KeyState
from istiodoctor.model.kind import Kind
from istiodoctor.model.pods import Pod
from istiodoctor.model.snapshot import EVERYWHERE
from istiodoctor.model.wanted import LogTarget, Wanted
from istiodoctor.problem import Problem
from istiodoctor.registry import discover
from istiodoctor.renderers import RENDERERS, Display
from istiodoctor.report import Outcome, Report, Verdict
from istiodoctor.sources.demo import open_demo
from istiodoctor.sources.demo.source import DemoSource, decoded, read_cluster

NOW = datetime(2026, 5, 14, 9, 30, tzinfo=UTC)
LATER = datetime(2031, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
LEAP_DAY = datetime(2028, 2, 29, 0, 0, tzinfo=UTC)
ISTIOD = LogTarget(namespace="istio-system", pod="istiod-6f7c9d5b84-q8k2x", container="discovery")
OPTIONS = Options(
    facts=Facts(
        trusted_subjects=frozenset({"CN=ISRG Root X1,O=Internet Security Research Group,C=US"})
    )
)
"""What the command line takes from the system's own store."""

INTENDED = {
    "infoedu.example": "CM001",
    "www.infoedu.example": "CM001",
    "xgen.infoedu.example": "CM001",
    "wiki.infoedu.example": "CERT001",
    "courses.infoedu.example": "CERT003",
    "library.infoedu.example": "CERT006",
    "payments.infoedu.example": "CERT008",
    "sale.infoedu.example": "GW002",
    "blog.infoedu.example": "VS001",
    "docs.infoedu.example": "VS009",
    "partners.infoedu.example": "CRED011",
    "chat.infoedu.example": "GW006",
    "exchange.infoedu.example": "MTLS004",
    "events.infoedu.example": "CM005",
    "forum.infoedu.example": "CM016",
    "photos.team.infoedu.example": "SNI003",
    "video.team.infoedu.example": "SNI003",
    "portal.infoedu.example": "GWAPI001",
    "tickets.infoedu.example": "HTTP003",
}
HEALTHY = "status.infoedu.example"


def _report(source: DemoSource) -> Report:
    report = scan(source, discover().checks, OPTIONS)
    return replace(report, scan=replace(report.scan, duration_seconds=0.0))


def _first_codes(report: Report) -> dict[str, str]:
    """Return the code of the worst problem of every host that has one."""
    found: dict[str, str] = {}
    for problem in report.problems:
        for host in problem.hosts:
            found.setdefault(host, problem.cause.code)
    return found


def _codes(problem: Problem) -> list[str]:
    return [problem.cause.code, *sorted(each.code for each in problem.symptoms)]


@pytest.fixture(scope="module")
def report() -> Report:
    return _report(open_demo(now=NOW))


@pytest.mark.parametrize("host", INTENDED)
def test_each_host_has_first_the_problem_that_it_was_given(report, host):
    assert _first_codes(report)[host] == INTENDED[host]


def test_nothing_is_wrong_but_what_was_meant_to_be(report):
    accidental = {
        problem.cause.code: problem.cause.message
        for problem in report.problems
        if problem.cause.code not in INTENDED.values()
    }

    assert accidental == {}


def test_the_article_is_one_problem_with_its_symptoms(report):
    codes = [_codes(problem) for problem in report.problems if "infoedu.example" in problem.hosts]

    assert codes == [["CM001", "CRED001", "SDS011"]]


def test_the_healthy_host_has_no_problem_and_every_hop_is_fine(report):
    (host,) = (each for each in report.hosts if each.host == HEALTHY)

    assert host.verdict is Verdict.HEALTHY
    assert {hop.hop: str(hop.state) for hop in host.path} == {
        "service": "ok",
        "workload": "ok",
        "listener": "ok",
        "server": "ok",
        "certificate": "ok",
        "redirect": "ok",
        "route": "ok",
    }
    assert not any(HEALTHY in problem.hosts for problem in report.problems)


def test_everything_could_be_looked_at(report):
    blind = [run for run in report.checks if run.outcome in (Outcome.SKIPPED, Outcome.ERRORED)]

    assert (blind, report.unread) == ([], ())


@pytest.mark.parametrize(
    "now", [LEAP_DAY, LATER, NOW.astimezone(timezone(timedelta(hours=9)))], ids=str
)
def test_it_never_grows_old(report, now):
    then = _report(open_demo(now=now))

    assert [(each.cause.code, each.hosts) for each in then.problems] == [
        (each.cause.code, each.hosts) for each in report.problems
    ]


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_objects_does_not_matter(seed):
    source = open_demo(now=NOW)
    objects = list(source.objects)
    random.Random(seed).shuffle(objects)

    assert _report(replace(source, objects=tuple(objects))) == _report(source)


def test_no_private_key_gets_out():
    raw = read_cluster(NOW)
    source = decoded(raw, now=NOW)
    everything = Wanted(
        secrets=frozenset(
            (each.ref.namespace, each.ref.name)
            for each in source.objects
            if each.kind is Kind.SECRET
        ),
        logs=frozenset(source.logs),
        log_patterns=("",),
    )
    readings = (source.collect(frozenset(Kind)), source.read(everything))
    report = _report(source)
    rendered = [render((report,), Display()) for render in RENDERERS.values()]

    said = "\n".join((repr(source), repr(readings), repr(report), *rendered, repr(raw)))

    keys = [each["data"]["tls.key"] for each in raw.objects if "tls.key" in each.get("data", {})]
    assert len(keys) > 10
    for key in keys:
        pem = base64.b64decode(key).decode()
        for line in (key, *pem.splitlines()):
            assert line not in said


def test_what_the_secrets_hold_is_known_without_their_keys():
    source = open_demo(now=NOW)
    matches = {
        each.credential.name: (pair.private_key.state, pair.key_matches_leaf)
        for each in source.objects
        if each.credential and (pair := each.credential.pair)
    }

    assert matches.pop("payments-tls") == (KeyState.USABLE, False)
    assert set(matches.values()) == {(KeyState.USABLE, True)}


def test_a_secret_comes_only_by_its_name():
    source = open_demo(now=NOW)

    collected = source.collect(frozenset(Kind))
    read = source.read(Wanted(secrets=frozenset({("istio-system", "wiki-tls"), ("wiki", "none")})))

    assert (collected.credentials, collected.secret_names) == ((), frozenset())
    assert Kind.SECRET not in collected.listed
    assert [str(each.ref) for each in read.credentials] == ["Secret istio-system/wiki-tls"]
    assert read.looked_up == {
        (Kind.SECRET, "istio-system", "wiki-tls"),
        (Kind.SECRET, "wiki", "none"),
    }


def test_of_a_secret_elsewhere_only_the_name_is_told():
    source = open_demo(now=NOW)

    read = source.read(Wanted(secrets_anywhere=frozenset({"infoedu-tls"})))

    assert read.credentials == ()
    assert read.secret_names == {("xgen", "infoedu-tls")}
    assert read.looked_up == {(Kind.SECRET, EVERYWHERE, "infoedu-tls")}


def test_only_kinds_that_were_asked_for_are_given():
    reading = open_demo(now=NOW).collect(frozenset({Kind.ISTIO_GATEWAY, Kind.TLS_ROUTE}))

    assert {each.KIND for each in reading.resources} == {Kind.ISTIO_GATEWAY}
    assert reading.listed == {
        Kind.ISTIO_GATEWAY: frozenset({EVERYWHERE}),
        Kind.TLS_ROUTE: frozenset({EVERYWHERE}),
    }


def test_a_log_gives_the_lines_that_a_pattern_is_found_in():
    source = open_demo(now=NOW)

    read = source.read(Wanted(logs=frozenset({ISTIOD}), log_patterns=("invalid certif", "zzz")))

    (line,) = read.logs
    assert (line.at, str(line.level), line.scope, line.message) == (
        NOW - timedelta(minutes=31),
        "warning",
        "ads",
        'invalid certificates: "kubernetes://wiki-tls": certificate is expired or not yet valid',
    )


def test_logs_are_of_containers_that_exist_and_of_the_last_hour():
    source = open_demo(now=NOW)
    containers = {
        (each.resource.namespace, each.resource.name, container.name)
        for each in source.objects
        if isinstance(each.resource, Pod)
        for container in each.resource.spec.containers
    }

    assert {(each.namespace, each.pod, each.container) for each in source.logs} <= containers
    lines = [line for lines in source.logs.values() for line in lines]
    times = [datetime.fromisoformat(line.partition("\t")[0]) for line in lines]
    assert NOW - timedelta(hours=1) < min(times) <= max(times) < NOW


def test_every_document_is_of_a_kind_that_is_read():
    raw = read_cluster(NOW)

    assert len(decoded(raw, now=NOW).objects) == len(raw.objects)


def test_every_object_is_in_a_namespace_that_exists_and_has_a_name_of_its_own():
    objects = open_demo(now=NOW).objects
    namespaces = {each.ref.name for each in objects if each.kind is Kind.NAMESPACE}

    assert {each.ref.namespace for each in objects} - {""} == namespaces
    assert len({each.ref for each in objects}) == len(objects)
