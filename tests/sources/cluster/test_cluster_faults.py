"""What a scan makes of a server that is overloaded, slow, silent or senseless."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import EVERYWHERE, Unread, UnreadReason
from istiodoctor.model.wanted import Wanted
from istiodoctor.sources.cluster import open_cluster
from istiodoctor.sources.cluster.request_error import of_status
from istiodoctor.sources.source import SourceError, SourceErrorKind
from tests.apiserver import ApiServer
from tests.sources.cluster.conftest import Open
from tests.sources.cluster.objects import gateway, names, paths, service, unread

OBJECTS = [gateway("shop/web"), *(service(f"shop/s{number:04}") for number in range(600))]
ALL_SERVICES = [f"Service shop/s{number:04}" for number in range(600)]

SERVICES = frozenset({Kind.SERVICE})
BOTH = frozenset({Kind.SERVICE, Kind.ISTIO_GATEWAY})
SERVICES_PATH = "/api/v1/services"


@pytest.mark.parametrize(
    ("action", "options"),
    [
        ("status", {"code": 429, "retry_after": 1}),
        ("status", {"code": 500}),
        ("status", {"code": 503}),
        ("cut", {}),
    ],
)
def test_a_passing_fault_does_no_harm(
    server: ApiServer, connect: Open, action: str, options: dict[str, Any]
):
    source = connect(server)
    server.fault(action, f"^{SERVICES_PATH}", times=2, **options)

    reading = source.collect(SERVICES)

    assert (names(reading), reading.unread) == (ALL_SERVICES, ())
    assert paths(server) == [SERVICES_PATH] * 4


def test_a_server_that_asks_for_more_time_than_there_is_is_not_waited_for(
    server: ApiServer, connect: Open
):
    source = connect(server)
    server.fault("status", f"^{SERVICES_PATH}", code=429, retry_after=3600)

    reading = source.collect(BOTH)

    assert names(reading) == ["Gateway shop/web"]
    assert reading.unread == (
        Unread(
            kind=Kind.SERVICE,
            reason=UnreadReason.FAILED,
            message="429 Too Many Requests: Too many requests, please try again later.",
        ),
    )
    assert paths(server).count(SERVICES_PATH) == 1


def test_a_lasting_fault_costs_its_own_kind_alone(server: ApiServer, connect: Open):
    source = connect(server)
    server.fault("status", f"^{SERVICES_PATH}", code=500, message="etcd has no leader")

    reading = source.collect(BOTH)

    assert names(reading) == ["Gateway shop/web"]
    assert reading.unread == (
        Unread(
            kind=Kind.SERVICE,
            reason=UnreadReason.FAILED,
            message="500 Internal Server Error: etcd has no leader",
        ),
    )
    assert reading.listed == {Kind.ISTIO_GATEWAY: frozenset({EVERYWHERE})}


def test_what_came_before_a_fault_is_kept_but_is_not_everything(server: ApiServer, connect: Open):
    source = connect(server)
    server.fault("status", "continue=", code=500)

    reading = source.collect(SERVICES)

    assert names(reading) == ALL_SERVICES[:500]
    assert unread(reading) == ["services: failed"]
    assert reading.listed == {}


def test_a_list_that_expires_between_its_pages_is_read_anew(server: ApiServer, connect: Open):
    source = connect(server)
    server.fault("expire", "continue=", times=1)
    server.after(SERVICES_PATH, apply=[service("shop/s0000-late")])

    reading = source.collect(SERVICES)

    expected = sorted([*ALL_SERVICES, "Service shop/s0000-late"])
    assert (names(reading), reading.unread) == (expected, ())
    server.delete(service("shop/s0000-late"))


def test_a_list_that_always_expires_is_given_up(server: ApiServer, connect: Open):
    source = connect(server)
    server.fault("expire", "continue=")

    reading = source.collect(BOTH)

    assert unread(reading) == ["services: failed"]
    assert "The provided continue parameter is too old" in reading.unread[0].message
    assert paths(server).count(SERVICES_PATH) == 8


def test_an_endpoint_that_hangs_costs_its_own_kind_alone(server: ApiServer, connect: Open):
    source = connect(server, seconds=6)
    server.fault("hang", f"^{SERVICES_PATH}")

    reading = source.collect(BOTH)
    found = source.read(Wanted(again=frozenset({(Kind.SERVICE, "shop", "s0001")})))

    assert names(reading) == ["Gateway shop/web"]
    assert unread(reading) == ["services: timed-out"]
    assert names(found) == ["Service shop/s0001"]


def test_kinds_are_read_side_by_side(server: ApiServer, connect: Open):
    hanging = {Kind.SERVICE, Kind.POD, Kind.VIRTUAL_SERVICE, Kind.ENDPOINT_SLICE}
    source = connect(server, seconds=6)
    server.fault("hang", "/(services|pods|virtualservices|endpointslices)[?]")

    reading = source.collect(frozenset(hanging | {Kind.ISTIO_GATEWAY}))

    assert names(reading) == ["Gateway shop/web"]
    assert {each.kind for each in reading.unread} == hanging


def test_an_answer_that_never_ends_costs_its_own_kind_alone(server: ApiServer, connect: Open):
    source = connect(server, seconds=6)
    server.fault("slow", f"^{SERVICES_PATH}", pieces=2000, delay=0.2)

    reading = source.collect(BOTH)
    found = source.read(Wanted(again=frozenset({(Kind.SERVICE, "shop", "s0001")})))

    assert names(reading) == ["Gateway shop/web"]
    assert unread(reading) == ["services: timed-out"]
    assert names(found) == ["Service shop/s0001"]


def test_an_answer_that_comes_slowly_is_waited_for(server: ApiServer, connect: Open):
    source = connect(server)
    server.fault("slow", f"^{SERVICES_PATH}", pieces=5, delay=0.1)

    assert names(source.collect(SERVICES)) == ALL_SERVICES


def test_a_server_that_falls_silent_ends_the_scan(server: ApiServer, connect: Open):
    source = connect(server, seconds=3)
    server.fault("hang", "^/")

    with pytest.raises(SourceError) as caught:
        source.collect(BOTH)

    assert (caught.value.kind, caught.value.message) == (
        SourceErrorKind.TIMED_OUT,
        f"{server.url} (context test) did not answer in time; check the network, or raise"
        " --timeout",
    )


def test_a_server_that_is_silent_from_the_start_is_said(server: ApiServer, kubeconfig: Path):
    path = server.kubeconfig(kubeconfig)
    server.fault("hang", "^/")

    with pytest.raises(SourceError) as caught:
        open_cluster(kubeconfig=path, timeout=timedelta(seconds=2))

    assert (caught.value.kind, caught.value.message) == (
        SourceErrorKind.TIMED_OUT,
        f"no answer from {server.url} (context test) in time; check the network, or raise"
        " --timeout",
    )


def test_credentials_that_expire_on_the_way_end_a_scan_that_has_nothing_yet(kubeconfig: Path):
    with ApiServer(OBJECTS) as server:
        source = open_cluster(kubeconfig=server.kubeconfig(kubeconfig, name="jane"))
        server.reject("jane")

        with pytest.raises(SourceError) as caught:
            source.collect(BOTH)

    assert caught.value.kind is SourceErrorKind.UNAUTHORIZED


def test_a_page_of_a_proxy_is_no_list(server: ApiServer, connect: Open):
    source = connect(server)
    server.fault("garbage", f"^{SERVICES_PATH}")

    reading = source.collect(BOTH)

    assert names(reading) == ["Gateway shop/web"]
    assert reading.unread == (
        Unread(
            kind=Kind.SERVICE,
            reason=UnreadReason.FAILED,
            message="the answer is no list of Kubernetes objects",
        ),
    )


def test_a_refusal_in_html_is_told_by_its_status_alone():
    headers = {"content-type": "text/html; charset=utf-8"}

    failed = of_status(502, "Bad Gateway", headers, b"<html><body>Oops</body></html>")

    assert failed.message == "502 Bad Gateway"


def test_a_redirect_is_not_followed(server: ApiServer, connect: Open):
    with ApiServer(OBJECTS) as other:
        source = connect(server)
        server.fault("redirect", f"^{SERVICES_PATH}", location=f"{other.url}{SERVICES_PATH}")

        reading = source.collect(BOTH)

        assert other.requests() == []
    assert reading.unread == (
        Unread(
            kind=Kind.SERVICE,
            reason=UnreadReason.FAILED,
            message="302 Found; redirects are not followed",
        ),
    )


def test_an_answer_without_end_is_cut_off_and_tried_in_smaller_pages(
    server: ApiServer, connect: Open
):
    source = connect(server, seconds=60)
    server.fault("huge", f"^{SERVICES_PATH}", times=1, size=80 * 1024 * 1024)

    reading = source.collect(SERVICES)

    limits = [request.query["limit"] for request in server.requests()]
    assert (names(reading), limits) == (ALL_SERVICES, ["500", *["25"] * 24])


def test_an_answer_that_is_too_large_in_any_size_is_unread(server: ApiServer, connect: Open):
    source = connect(server, seconds=60)
    server.fault("huge", f"^{SERVICES_PATH}", size=80 * 1024 * 1024)

    reading = source.collect(BOTH)

    assert reading.unread == (
        Unread(
            kind=Kind.SERVICE,
            reason=UnreadReason.FAILED,
            message="the answer is larger than 64 MiB",
        ),
    )


def test_a_process_ends_while_a_request_hangs(server: ApiServer, kubeconfig: Path):
    """An interrupt does not wait for the threads that read."""
    path = server.kubeconfig(kubeconfig)
    server.fault("hang", f"^{SERVICES_PATH}")
    code = (
        "import signal, sys; from pathlib import Path\n"
        "from istiodoctor.model.kind import Kind\n"
        "from istiodoctor.sources.cluster import open_cluster\n"
        "source = open_cluster(kubeconfig=Path(sys.argv[1]))\n"
        "signal.alarm(1); signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
        "try: source.collect(frozenset({Kind.SERVICE}))\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )

    found = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=15,
    )

    assert (found.stdout, found.stderr) == ("interrupted\n", "")
