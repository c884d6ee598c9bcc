"""What files do not hold, and what nobody looked at, is said, and never called healthy."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cli.process import Done, Shell
from tests.cli.test_plugins import BREAKS_AT_RUN_TIME, GATEWAY, install
from tests.support.clusters import HOST, Manifest, anchors, healthy, without, written

DESTINATION = ("spec", "http", 0, "route", 0, "destination", "host")
Change = Callable[[list[Manifest]], list[Manifest]]


def leaving_out(kind: str, name: str) -> Change:
    return lambda objects: without(objects, kind, name)


def with_value(kind: str, name: str, path: tuple[str | int, ...], value: object) -> Change:
    """Set a field of one object."""

    def change(objects: list[Manifest]) -> list[Manifest]:
        found: Any = next(
            each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)
        )
        for step in path[:-1]:
            found = found[step]
        found[path[-1]] = value
        return objects

    return change


def no_slices(objects: list[Manifest]) -> list[Manifest]:
    return [each for each in objects if each["kind"] != "EndpointSlice"]


@pytest.fixture
def scan(run: Shell) -> Callable[..., Done]:
    roots = anchors(run.folder / "roots.pem")

    def scanned(change: Change | None, *options: str) -> Done:
        objects = healthy(datetime.now(UTC))
        path = written(change(objects) if change else objects, run.folder / "cluster.yaml")
        return run("scan", "-f", path, "--trust-anchors", roots, *options)

    return scanned


def unwell(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the hops that are not well, in words."""
    return [
        (hop["hop"], hop["text"])
        for host in report["hosts"]
        for hop in host["path"]
        if hop["state"] != "ok"
    ]


def hosts(report: Mapping[str, Any]) -> dict[str, str]:
    return {each["host"]: each["verdict"] for each in report["hosts"]}


@pytest.mark.parametrize(
    ("change", "hop", "text", "whole"),
    [
        (
            with_value("VirtualService", "shop", DESTINATION, "gone"),
            "backend",
            "Service shop/gone is not among the files",
            "broken",
        ),
        (
            leaving_out("Service", "ingress"),
            "service",
            "no Service among the files leads to port 443 of the pods",
            "broken",
        ),
        (no_slices, "route", "EndpointSlices", "incomplete"),
        (
            leaving_out("VirtualService", "shop"),
            "route",
            "no VirtualService among the files is bound",
            "degraded",
        ),
    ],
    ids=["destination", "service", "endpoints", "route"],
)
def test_plain_manifests_name_what_is_not_among_them(scan, change, hop, text, whole):
    plain = scan(change, "-o", "json").report
    complete = scan(change, "-o", "json", "--whole-cluster").report

    assert (plain["verdict"], plain["problems"], hosts(plain)) == (
        "incomplete",
        [],
        {HOST: "incomplete"},
    )
    assert any(hop == where and text in said for where, said in unwell(plain))
    assert (complete["verdict"], hosts(complete)[HOST]) == (whole, whole)
    healthier = {run["code"] for run in plain["checks"] if run["outcome"] == "passed"} - {
        run["code"] for run in complete["checks"] if run["outcome"] == "passed"
    }
    assert healthier == set()


def test_the_headline_of_plain_manifests_says_which_kinds_are_not_there(scan):
    done = scan(None)

    assert done.stdout.startswith("? INCOMPLETE  nothing wrong in what could be read")
    assert "not among the files: AuthorizationPolicy, BackendTLSPolicy" in done.stdout
    assert scan(None, "--strict").status == 4


def test_a_check_that_needs_what_the_files_do_not_hold_is_skipped(run: Shell):
    (run.folder / "web.yaml").write_text(GATEWAY.replace("{cred", "{mode: SIMPLE, cred"))

    report = run("scan", "-f", "web.yaml", "-o", "json").report

    runs = {each["code"]: each for each in report["checks"]}
    codes = ("CRED001", "CRED002", "CERT001", "CERT003", "GW001", "VS009", "CM004")
    assert {runs[code]["outcome"] for code in codes} == {"skipped"}
    assert runs["CRED002"]["reason"].startswith("not among the files: ")
    assert {"pods", "secrets", "certificates"} <= {
        f"{each['kind'].lower()}s" for each in report["outside"] if each["reason"] == "not-given"
    }


def test_the_headline_is_never_better_than_a_host_under_it(scan):
    change = leaving_out("Secret", "shop-cert")

    done = scan(change, "--whole-cluster", "--select", "VS")

    assert done.stdout.startswith("! DEGRADED  no check found why, but 1 host not well")
    assert f"! degraded  {HOST}  certificate:" in done.stdout


@pytest.mark.parametrize("family", ["VS", "CERT001", "OPS", "GWAPI"])
def test_a_host_is_judged_by_what_was_asked_for(scan, family: str):
    done = scan(None, "--whole-cluster", "--select", family, "-o", "json")

    assert (done.report["verdict"], hosts(done.report)) == ("healthy", {HOST: "healthy"})


def test_the_route_of_a_host_is_unknown_where_a_route_could_not_be_read(scan):
    report = scan(
        with_value("VirtualService", "shop", ("spec", "http"), 5), "--whole-cluster", "-o", "json"
    ).report

    assert (report["verdict"], hosts(report)) == ("incomplete", {HOST: "incomplete"})
    assert unwell(report) == [
        (
            "route",
            "VirtualService shop/shop could not be read: what is answered is not known",
        )
    ]


@pytest.mark.parametrize(
    ("options", "status", "verdict", "state"),
    [(("--whole-cluster",), 1, "broken", "broken"), ((), 4, "incomplete", "unknown")],
    ids=["whole", "plain"],
)
def test_a_host_that_nobody_serves_fails_as_its_trace_does(
    scan, run: Shell, options, status, verdict, state
):
    done = scan(None, "-o", "json", "--host", "shpo.example.com", *options)
    traced = run("trace", "https://shpo.example.com/", "-f", "cluster.yaml", *options)

    near = "no gateway has a server for shpo.example.com; did you mean shop.example.com?"
    assert (done.status, traced.status) == (status, status)
    assert done.complaint.endswith(near)
    (host,) = done.report["hosts"]
    assert (done.report["verdict"], host["verdict"]) == (verdict, verdict)
    assert [(hop["state"], hop["text"].endswith(near)) for hop in host["path"]] == [(state, True)]


def test_the_status_of_a_host_that_nobody_serves_can_be_declined(scan):
    options = ("--whole-cluster", "--host", "shpo.example.com")

    assert scan(None, *options, "--exit-zero").status == 0
    assert scan(None, *options, "--fail-on", "never").status == 0


def test_a_host_beneath_a_wildcard_is_shown_where_something_is_found_of_it(scan):
    def change(objects: list[Manifest]) -> list[Manifest]:
        for each in objects:
            if each["kind"] == "Gateway":
                for server in each["spec"]["servers"]:
                    server["hosts"] = ["*.example.com"]
        return with_value("VirtualService", "shop", DESTINATION, "gone")(objects)

    report = scan(change, "--whole-cluster", "-o", "json").report

    assert hosts(report)[HOST] == "broken"
    assert hosts(report)["*.example.com"] != "broken"


def test_a_check_that_breaks_is_in_the_headline_and_on_standard_error(run: Shell):
    plugins = install(run.folder / "site", BREAKS_AT_RUN_TIME)
    (run.folder / "web.yaml").write_text(GATEWAY)
    line = ("scan", "-f", "web.yaml", "--whole-cluster", "--select", "ACME001")

    done, strict = (
        run(*line, *more, env={"PYTHONPATH": str(plugins)}) for more in ([], ["--strict"])
    )

    first = done.stdout.splitlines()[0]
    assert first == "? INCOMPLETE  nothing wrong in what could be read, 1 check broke (ACME001)"
    assert done.complaint == "istiodoctor: the check ACME001 broke: KeyError: 'x'"
    assert (done.status, strict.status) == (0, 4)


def test_a_selected_check_that_could_not_look_says_so(run: Shell):
    (run.folder / "web.yaml").write_text(GATEWAY)

    done = run("scan", "-f", "web.yaml", "--select", "CRED002", "--strict")

    assert done.status == 4
    assert done.complaint.startswith("istiodoctor: CRED002 could not look: not among the files: ")
