"""`istiodoctor trace URL` as a whole process."""

from pathlib import Path

import pytest

from tests.cli.process import Shell
from tests.support.traces import valid

SHOP = "https://shop.example.com/"


def trace(run: Shell, files: Path, name: str, url: str, *more: str):
    source = ("-f", files / f"{name}.yaml", "--whole-cluster")
    done = run("trace", url, *source, "--trust-anchors", files / "roots.pem", "-o", "json", *more)
    return done.status, valid(done.stdout)


def test_a_request_that_is_answered_ends_well(run: Shell, files: Path):
    status, found = trace(run, files, "healthy", SHOP)

    (leg,) = found["legs"]
    assert (status, found["verdict"], found["stoppedAt"]) == (0, "answered", None)
    assert [(hop["hop"], hop["state"]) for hop in leg["hops"]] == [
        ("service", "ok"),
        ("workload", "ok"),
        ("listener", "ok"),
        ("filter-chain", "ok"),
        ("certificate", "ok"),
        ("virtual-host", "ok"),
        ("route", "ok"),
        ("backend", "ok"),
        ("endpoints", "ok"),
    ]
    assert leg["answer"] == {
        "kind": "backend",
        "outcome": "backend",
        "status": None,
        "location": None,
        "text": "Service shop/shop answers",
        "clusters": [
            {"name": "outbound|8080||shop.shop.svc.cluster.local", "weight": 1, "state": "ok"}
        ],
        "certificate": {"namespace": "istio-system", "name": "shop-cert"},
    }


def test_redirects_are_followed_to_their_end(run: Shell, files: Path):
    status, found = trace(run, files, "healthy", "http://shop.example.com/a?b=c")

    assert status == 0
    assert [(leg["url"], leg["follows"], leg["answer"]["kind"]) for leg in found["legs"]] == [
        ("http://shop.example.com/a?[redacted]", None, "redirect"),
        ("https://shop.example.com/a?[redacted]", 0, "backend"),
    ]


def test_where_it_stops_is_said_with_the_check_that_explains_it(run: Shell, files: Path):
    status, found = trace(run, files, "broken", SHOP)

    stop = found["stoppedAt"]
    assert (status, found["verdict"]) == (1, "stopped")
    assert (stop["leg"], stop["hop"], stop["code"], stop["command"]) == (
        0,
        "certificate",
        "CRED001",
        ["istiodoctor", "explain", "CRED001"],
    )


def test_a_certificate_is_explained_by_the_sni_whatever_the_host(run: Shell, files: Path):
    status, found = trace(run, files, "broken", SHOP, "-H", "host=other.example.com")

    assert (status, found["stoppedAt"]["code"]) == (1, "CRED001")


def test_an_upgrade_is_two_headers(run: Shell, files: Path):
    text = (files / "healthy.yaml").read_text()
    match = "{upgrade: {exact: websocket}, connection: {exact: Upgrade}}"
    routed = text.replace("  - route:\n", f"  - match: [{{headers: {match}}}]\n    route:\n")
    (run.folder / "healthy.yaml").write_text(routed)
    (run.folder / "roots.pem").write_text((files / "roots.pem").read_text())

    plain, _ = trace(run, run.folder, "healthy", SHOP)
    upgraded, _ = trace(run, run.folder, "healthy", SHOP, "--upgrade", "websocket")

    assert (plain, upgraded) == (1, 0)


def test_a_redirect_behind_a_proxy_that_ends_tls_is_a_loop(run: Shell, files: Path):
    (run.folder / "istiodoctor.toml").write_text(
        '[[front_proxy]]\nhosts = ["shop.example.com"]\nterminates_tls = true\n'
    )

    status, found = trace(run, files, "healthy", SHOP)

    answer = found["legs"][0]["answer"]
    assert (status, found["stoppedAt"]["hop"]) == (1, "redirect")
    assert found["stoppedAt"]["text"].endswith("where the request has been before: a loop")
    assert (answer["kind"], answer["outcome"], answer["status"], answer["location"]) == (
        "none",
        "redirect",
        301,
        SHOP,
    )


def test_what_was_not_read_is_unknown_and_neither_right_nor_wrong(run: Shell, files: Path):
    text = (files / "healthy.yaml").read_text()
    gateways = [each for each in text.split("---\n") if "kind: Gateway" in each]
    (run.folder / "gateway.yaml").write_text("---\n".join(gateways))

    done = run("trace", SHOP, "-f", "gateway.yaml", "-o", "json")
    found = valid(done.stdout)

    assert (done.status, found["verdict"], found["stoppedAt"]) == (4, "unknown", None)


def test_the_demo_shows_a_tree(run: Shell):
    done = run("trace", "https://payments.infoedu.example/", "--demo", env={"COLUMNS": "80"})

    lines = done.stdout.splitlines()
    assert done.status == 1
    assert lines[0].startswith("✗ STOPPED  GET https://payments.infoedu.example/")
    assert lines[-1] == "    istiodoctor explain CERT008"
    assert max(map(len, lines)) <= 80


def test_without_a_probe_nothing_is_said_to_be_seen_on_the_wire(run: Shell, files: Path):
    _, found = trace(run, files, "healthy", SHOP)

    (leg,) = found["legs"]
    assert (found["probed"], found["notes"], leg["unseen"]) == (False, [], False)
    assert {(hop["confirmation"], hop["seen"]) for hop in leg["hops"]} == {("not-looked-at", None)}


def test_wrong_usage_is_one_sentence(run: Shell):
    for arguments, sentence in (
        (("shop",), "'shop' cannot be traced: a URL begins with https:// or http:// and a host"),
        ((SHOP, "-H", "x"), "--header takes NAME=VALUE, such as cookie=beta, not 'x'"),
        (
            (SHOP, "--demo", "-n", "shop"),
            "-n goes with --only-namespaces here: a request has no namespace",
        ),
    ):
        done = run("trace", *arguments)

        assert (done.status, done.stdout) == (2, "")
        assert done.complaint == f"istiodoctor: {sentence}"


def test_nothing_to_read_is_status_3_with_a_valid_answer(run: Shell):
    (run.folder / "empty").mkdir()

    done = run("trace", SHOP, "-f", "empty", "-o", "json")

    found = valid(done.stdout)
    assert (done.status, found["verdict"], found["error"]["kind"]) == (3, "unknown", "no-objects")


@pytest.mark.promise("the query is cut in every output")
def test_no_token_in_a_url_reaches_an_output_or_a_complaint(run: Shell, files: Path):
    mark = "Zq-not-to-be-seen-1"
    for output in ("json", "terminal"):
        arguments = ("-f", files / "healthy.yaml", "--whole-cluster", "-o", output)
        url = f"http://user:{mark}@shop.example.com/a?access={mark}"
        one = run("trace", url, *arguments)
        two = run("trace", url, url, *arguments)

        assert mark not in one.stdout + one.stderr + two.stdout + two.stderr
        assert "?[redacted]" in one.stdout

    assert mark not in run("trace", f"ftp://user:{mark}@a.example.com/?c={mark}", "--demo").stderr
