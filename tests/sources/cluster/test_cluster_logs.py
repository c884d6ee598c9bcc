"""Which lines of which logs a scan reads."""

from datetime import UTC, datetime, timedelta

import pytest

from istiodoctor.model.kind import Kind
from istiodoctor.model.log import Level, LogLine
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Unread, UnreadReason
from istiodoctor.model.wanted import LogTarget, Wanted
from tests.apiserver import ApiServer
from tests.sources.cluster.conftest import Open
from tests.sources.cluster.objects import paths, pod

OBJECTS = [
    pod("istio-system/gateway", "istio-proxy", "other"),
    pod("istio-system/istiod", "discovery"),
]
PATTERNS = ("failed to fetch", "handshake (error|failure)")


def logs(*targets: str, patterns: tuple[str, ...] = PATTERNS) -> Wanted:
    split = (target.split("/") for target in targets)
    return Wanted(
        logs=frozenset(LogTarget(namespace=a, pod=b, container=c) for a, b, c in split),
        log_patterns=patterns,
    )


GATEWAY = logs("istio-system/gateway/istio-proxy")


def line(minutes_ago: int, text: str) -> tuple[str, str]:
    time = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return time.isoformat(), text


def messages(lines: tuple[LogLine, ...]) -> list[tuple[str, str, str]]:
    return [(each.pod.name, each.container, each.message) for each in lines]


@pytest.mark.promise("logs of istiod and the gateways, filtered at the source")
def test_only_lines_that_a_pattern_is_found_in_are_kept_and_parsed(connect: Open):
    text = "2026-03-01T12:00:00.000000Z\terror\tads\tfailed to fetch key and certificate"
    with ApiServer(OBJECTS, now="2026-03-01T12:30:00Z") as server:
        server.add_log("istio-system/gateway", "istio-proxy", [text, "all is well"])
        reading = connect(server).read(GATEWAY)

    assert reading.logs == (
        LogLine(
            pod=Ref("", "Pod", "istio-system", "gateway"),
            container="istio-proxy",
            at=datetime(2026, 3, 1, 12, tzinfo=UTC),
            level=Level.ERROR,
            scope="ads",
            message="failed to fetch key and certificate",
        ),
    )


def test_each_container_is_read_under_its_own_name(connect: Open):
    with ApiServer(OBJECTS) as server:
        server.add_log("istio-system/gateway", "istio-proxy", ["handshake error"])
        server.add_log("istio-system/gateway", "other", ["handshake failure"])
        server.add_log("istio-system/istiod", "discovery", ["failed to fetch a"])
        reading = connect(server).read(
            logs(
                "istio-system/gateway/istio-proxy",
                "istio-system/gateway/other",
                "istio-system/istiod/discovery",
            )
        )

    assert messages(reading.logs) == [
        ("gateway", "istio-proxy", "handshake error"),
        ("gateway", "other", "handshake failure"),
        ("istiod", "discovery", "failed to fetch a"),
    ]


def test_lines_from_before_the_time_of_interest_are_left_out(connect: Open):
    lines = [line(90, "handshake error early"), line(10, "handshake error late")]
    with ApiServer(OBJECTS) as server:
        server.add_log("istio-system/gateway", "istio-proxy", lines)
        default = connect(server).read(GATEWAY)
        longer = connect(server, since=timedelta(hours=2)).read(GATEWAY)

    assert [each.message for each in default.logs] == ["handshake error late"]
    assert [each.message for each in longer.logs] == [
        "handshake error early",
        "handshake error late",
    ]


def test_without_patterns_no_log_is_asked_for(server: ApiServer, connect: Open):
    source = connect(server)

    reading = source.read(logs("istio-system/gateway/istio-proxy", patterns=()))

    assert (reading.logs, paths(server)) == ((), [])


def test_a_log_is_never_asked_for_with_a_limit_that_drops_its_newest_lines(
    server: ApiServer, connect: Open
):
    source = connect(server)

    source.read(GATEWAY)

    assert [dict(each.query) for each in server.requests()] == [
        {"container": "istio-proxy", "sinceSeconds": "3600", "tailLines": "20000"}
    ]


def test_a_log_of_many_lines_is_read_from_its_end(connect: Open):
    lines = [f"handshake error {number}" for number in range(20_100)]
    with ApiServer(OBJECTS) as server:
        server.add_log("istio-system/gateway", "istio-proxy", lines)
        reading = connect(server).read(GATEWAY)

    assert (reading.logs[0].message, reading.logs[-1].message) == (
        "handshake error 100",
        "handshake error 20099",
    )
    assert reading.notes == (
        "only the newest lines of the log of istio-system/gateway (istio-proxy) were read",
    )


def test_a_log_of_many_bytes_is_read_from_its_end(connect: Open):
    lines = [f"handshake error {number} {'x' * 1000}" for number in range(15_000)]
    with ApiServer(OBJECTS) as server:
        server.add_log("istio-system/gateway", "istio-proxy", lines)
        source = connect(server)
        reading = source.read(GATEWAY)
        asked = [int(each.query["tailLines"]) for each in server.requests()]

    assert reading.logs[-1].message.startswith("handshake error 14999 ")
    assert (len(reading.logs), len(asked)) == (asked[-1], 2)
    assert reading.notes == (
        "only the newest lines of the log of istio-system/gateway (istio-proxy) were read",
    )


def test_a_line_without_end_is_cut_even_inside_of_a_character(connect: Open):
    with ApiServer(OBJECTS) as server:
        endless = "handshake error x" + "é" * 5_000_000
        server.add_log("istio-system/gateway", "istio-proxy", [endless])
        reading = connect(server).read(GATEWAY)

    (found,) = reading.logs
    assert (found.message[:18], len(found.message) < 16_384) == ("handshake error xé", True)


def test_a_line_is_not_searched_without_end(connect: Open):
    lines = ["x" * 15_000 + "handshake error", "x" * 17_000 + "handshake error"]
    with ApiServer(OBJECTS) as server:
        server.add_log("istio-system/gateway", "istio-proxy", lines)
        reading = connect(server).read(GATEWAY)

    assert len(reading.logs) == 1


def test_a_forbidden_log_is_unread_and_the_others_are_kept(server: ApiServer, connect: Open):
    source = connect(server)
    server.add_log("istio-system/istiod", "discovery", ["failed to fetch b"])
    server.forbid("pods/log", name="gateway")

    reading = source.read(
        logs("istio-system/gateway/istio-proxy", "istio-system/istiod/discovery")
    )

    assert messages(reading.logs) == [("istiod", "discovery", "failed to fetch b")]
    assert reading.unread == (
        Unread(
            kind=Kind.POD_LOG,
            namespace="istio-system",
            name="gateway",
            reason=UnreadReason.FORBIDDEN,
            message='403 Forbidden: pods "gateway" is forbidden: User "tester" cannot get'
            ' resource "pods/log" in API group "" in the namespace "istio-system"',
        ),
    )


def test_a_container_that_is_not_there_is_unread(server: ApiServer, connect: Open):
    reading = connect(server).read(logs("istio-system/gateway/none"))

    assert [(each.reason, each.message) for each in reading.unread] == [
        (
            UnreadReason.FAILED,
            "400 Bad Request: container none is not valid for pod gateway",
        )
    ]


def test_a_log_that_hangs_costs_itself_alone(connect: Open):
    with ApiServer(OBJECTS) as server:
        server.add_log("istio-system/istiod", "discovery", ["failed to fetch c"])
        server.fault("hang", "/pods/gateway/log")
        source = connect(server, seconds=6)
        reading = source.read(
            logs("istio-system/gateway/istio-proxy", "istio-system/istiod/discovery")
        )

    assert messages(reading.logs) == [("istiod", "discovery", "failed to fetch c")]
    assert [(each.name, each.reason) for each in reading.unread] == [
        ("gateway", UnreadReason.TIMED_OUT)
    ]
