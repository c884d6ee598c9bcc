"""What a scan asks a source for, in which order, and how little of it."""

from copy import deepcopy
from dataclasses import replace

import pytest

from istiodoctor.check import Check
from istiodoctor.finding import Severity
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread, UnreadReason
from istiodoctor.model.wanted import Wanted
from istiodoctor.report import Outcome, Verdict
from istiodoctor.sources.source import SourceError, SourceErrorKind
from tests.diagnosis.rules import finding, outline, rule
from tests.engine.support import BY_CODE, CHECKS, scanned
from tests.support.clusters import Manifest, broken, healthy, without
from tests.support.sources import NOW, MemorySource

WRONG_NAMESPACE = BY_CODE["CRED001"]
PROBES = frozenset({Kind.TLS_PROBE, Kind.HTTP_PROBE})
GATEWAY_APIS = frozenset({Kind.ISTIO_GATEWAY, Kind.GATEWAY})
POD = (Kind.POD, "shop", "shop-2")


def source_of(objects: list[Manifest], **options: object) -> MemorySource:
    return MemorySource(objects=objects, **options)  # type: ignore[arg-type]


def secret_in(namespace: str) -> Manifest:
    found = deepcopy(next(each for each in healthy(NOW) if each["kind"] == "Secret"))
    found["metadata"]["namespace"] = namespace
    return found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_a_scan_asks_for_no_kind_that_its_check_does_not_need(check):
    source = source_of(broken(NOW))

    scanned(source, [check])

    asked = {kind for kinds in source.collected for kind in kinds}
    for wanted in source.reads:
        names = wanted.secrets | wanted.secret_names
        asked |= {Kind.SECRET} if names or wanted.secrets_anywhere else set()
        asked |= {Kind.POD_LOG} if wanted.logs else set()
        asked |= {Kind.EVENT} if wanted.events else set()
        asked |= {kind for kind, _, _ in wanted.again}
    assert asked == check.reads


MESH_CONFIG = (Kind.CONFIG_MAP, "istio-system", "istio")
"""What every check wants that asks which namespaces istiod looks at."""


def test_a_secret_is_asked_for_by_name_where_the_pods_are():
    source = source_of(healthy(NOW))

    report = scanned(source, [WRONG_NAMESPACE])

    assert source.reads == [
        Wanted(secrets=frozenset({("istio-system", "shop-cert")}), again=frozenset({MESH_CONFIG}))
    ]
    assert report.verdict is Verdict.HEALTHY


def test_a_missing_name_is_looked_for_elsewhere_once_then_its_absence_is_confirmed():
    source = source_of(broken(NOW))

    report = scanned(source, [WRONG_NAMESPACE])

    shown = [
        (each.secrets, each.secrets_anywhere, each.fallback_namespaces, each.again)
        for each in source.reads
    ]
    here, nothing = frozenset({("istio-system", "shop-cert")}), frozenset[str]()
    assert shown == [
        (here, nothing, nothing, {MESH_CONFIG}),
        (frozenset(), {"shop-cert"}, {"shop"}, frozenset()),
        (frozenset(), nothing, nothing, {(Kind.SECRET, "istio-system", "shop-cert")}),
    ]
    assert outline(report) == [("CRED001",)]


def test_a_secret_that_came_while_the_cluster_was_read_is_not_missing():
    source = source_of(broken(NOW), late=[secret_in("istio-system")])

    report = scanned(source)

    assert (report.problems, report.verdict) == ((), Verdict.HEALTHY)


def test_nor_is_one_that_came_with_values_which_stand_for_others():
    sealed = secret_in("istio-system")
    sealed["data"] = None
    sealed["stringData"] = {"tls.crt": "ENC[AES256_GCM,data:x]", "tls.key": "ENC[AES256_GCM]"}

    report = scanned(source_of(broken(NOW), late=[sealed]))

    assert (report.problems, report.verdict) == ((), Verdict.INCOMPLETE)
    assert [each.reason for each in report.unread] == ["redacted"]


class Refusing(MemorySource):
    """Brings what came late, but may look at nothing else a second time."""

    def read(self, wanted: Wanted) -> Reading:
        reading = super().read(wanted)
        kind, namespace, name = POD
        late = Unread(kind=kind, namespace=namespace, name=name, reason=UnreadReason.FORBIDDEN)
        is_second = any(kind is not Kind.CONFIG_MAP for kind, _, _ in wanted.again)
        return replace(reading, unread=(*reading.unread, late)) if is_second else reading


def absent(*absences: tuple[Kind, str, str]) -> Check:
    return rule(
        "X001", finding(absences=frozenset(absences)), severity=Severity.CRITICAL, needs=[Kind.POD]
    )


def test_a_second_look_that_is_refused_makes_nothing_unread():
    source = Refusing(objects=broken(NOW), late=[secret_in("istio-system")])

    report = scanned(source, [WRONG_NAMESPACE, absent(POD), rule("X002", needs=[Kind.POD])])

    assert [run.outcome for run in report.checks] == [
        Outcome.PASSED,
        Outcome.FAILED,
        Outcome.PASSED,
    ]
    assert report.unread == ()


def test_only_absences_behind_critical_findings_are_looked_at_twice():
    source = source_of(healthy(NOW))
    mild = rule("X001", finding(absences=frozenset({POD}), severity=Severity.HIGH))

    scanned(source, [mild])

    assert source.reads == []


def test_where_very_much_is_missing_not_all_of_it_is_looked_at_twice():
    source = source_of(healthy(NOW))

    scanned(source, [absent(*((Kind.POD, "shop", f"p{number:04}") for number in range(1000)))])

    assert [len(each.again) for each in source.reads] == [200]


def test_logs_that_the_user_does_not_want_are_not_asked_for():
    source = source_of(healthy(NOW))

    report = scanned(source, declined=frozenset({Kind.POD_LOG}))

    assert Kind.POD_LOG not in source.collected[0]
    assert all(not each.logs for each in source.reads)
    assert {run.code for run in report.checks if run.outcome is Outcome.NOT_REQUESTED} == {
        check.code for check in CHECKS if check.needs & {Kind.POD_LOG, Kind.ENVOY, *PROBES}
    }


def test_logs_that_a_source_does_not_have_are_not_missed():
    report = scanned(source_of(healthy(NOW), offers=frozenset()))

    outcomes = {run.outcome for run in report.checks}
    assert outcomes == {Outcome.PASSED, Outcome.NOT_REQUESTED}
    assert report.verdict is Verdict.HEALTHY


def test_a_cluster_without_any_gateway_api_has_nothing_to_diagnose():
    with pytest.raises(SourceError) as raised:
        scanned(source_of([], absent=GATEWAY_APIS))

    assert raised.value.kind is SourceErrorKind.NO_ISTIO


@pytest.mark.parametrize("kind", sorted(GATEWAY_APIS, key=str), ids=str)
def test_one_of_the_gateway_apis_is_enough(kind):
    report = scanned(source_of(without(healthy(NOW), "Gateway", "web"), absent=frozenset({kind})))

    assert report.scan.absent_apis == (str(kind),)
