"""`istiodoctor trace` for many requests: several URLs, and `--requests FILE`."""

import json
from pathlib import Path

import pytest

from tests.cli.process import Done, Shell, batch
from tests.support.traces import valid

SHOP = "https://shop.example.com/"
PLAIN = "http://shop.example.com/"
NOBODY = "https://nobody.example.org/"


def lines(*requests: dict[str, object]) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in requests)


def trace(
    run: Shell, files: Path, *arguments: str, name: str = "healthy", stdin: str = ""
) -> Done:
    source = ("-f", files / f"{name}.yaml", "--whole-cluster")
    return run("trace", *arguments, *source, "--trust-anchors", files / "roots.pem", stdin=stdin)


def ends(done: Done) -> list[tuple[str, str, str, str]]:
    """Return id, URL, verdict and the outcome of the first leg, in order."""
    return [
        (each["id"], each["url"], each["verdict"], each["legs"][0]["answer"]["outcome"])
        for each in valid(done.stdout)["traces"]
    ]


@pytest.mark.promise("in the order of the file")
def test_a_file_of_requests_is_answered_in_its_order(run: Shell, files: Path):
    requests = lines(
        {"id": "b", "url": NOBODY},
        {"url": PLAIN, "method": "POST", "unknown": {"field": [1]}},
        {"id": "b", "url": SHOP, "headers": None},
    )
    (run.folder / "requests.jsonl").write_text("\ufeff" + requests.replace("\n", "\r\n\n"))

    done = trace(run, files, "--requests", "requests.jsonl", "-o", "json")

    assert (done.status, done.stderr) == (1, "")
    assert ends(done) == [
        ("b", NOBODY, "stopped", "reset"),
        ("3", PLAIN, "answered", "redirect"),
        ("b", SHOP, "answered", "backend"),
    ]
    assert [each["method"] for each in valid(done.stdout)["traces"]] == ["GET", "POST", "GET"]


def test_one_request_in_a_file_is_still_a_list(run: Shell, files: Path):
    done = trace(run, files, "--requests", "-", "-o", "json", stdin=lines({"url": SHOP}))

    assert (done.status, ends(done)) == (0, [("1", SHOP, "answered", "backend")])


def test_several_urls_are_counted_and_share_the_options(run: Shell, files: Path):
    done = trace(run, files, SHOP, SHOP, "-H", "host=other.example.com", "-o", "json")

    assert done.status == 1
    assert ends(done) == [(number, SHOP, "stopped", "not-found") for number in ("1", "2")]


def test_a_trace_of_many_is_the_trace_of_one_alone(run: Shell, files: Path):
    one = valid(trace(run, files, NOBODY, "-o", "json").stdout)
    (first, _) = valid(trace(run, files, NOBODY, SHOP, "-o", "json").stdout)["traces"]

    assert {"id": "1", **one} == {
        **first,
        **{key: one[key] for key in ("schemaVersion", "tool", "scan")},
    }


def test_the_way_goes_through_the_workload_that_a_line_names(run: Shell, files: Path):
    own = valid(trace(run, files, SHOP, "-o", "json").stdout)["legs"][0]["gateway"]
    name = f"{own['namespace']}/{own['name']}"
    stdin = lines({"url": SHOP, "workload": name}, {"url": SHOP, "workload": "shop/other"})

    done = trace(run, files, "--requests", "-", "-o", "json", stdin=stdin)

    found = [each["legs"][0] for each in valid(done.stdout)["traces"]]
    assert [each["gateway"] for each in found] == [own, None]
    assert found[1]["hops"][0]["text"] == "no gateway's pods are shop/other"


def test_the_sni_is_apart_from_the_host(run: Shell, files: Path):
    stdin = lines(
        {"url": SHOP, "serverName": "nobody.example.org"},
        {"url": NOBODY, "serverName": "SHOP.example.com"},
        {"url": NOBODY, "serverName": "shop.example.com", "headers": {"Host": "shop.example.com"}},
    )

    done = trace(run, files, "--requests", "-", "-o", "json", stdin=stdin)
    typed = trace(run, files, NOBODY, "--sni", "shop.example.com", "-o", "json")

    assert [outcome for *_, outcome in ends(done)] == ["reset", "not-found", "backend"]
    assert valid(typed.stdout)["legs"] == valid(done.stdout)["traces"][1]["legs"]


@pytest.mark.promise("with `--strict`, 4 when one is not known")
@pytest.mark.parametrize(("more", "status"), [((), 0), (("--strict",), 4)])
def test_what_is_not_known_of_many_is_an_end_of_its_own_when_strict(
    run: Shell, files: Path, more: tuple[str, ...], status: int
):
    text = (files / "healthy.yaml").read_text()
    gateways = [each for each in text.split("---\n") if "kind: Gateway" in each]
    (run.folder / "gateway.yaml").write_text("---\n".join(gateways))

    done = run("trace", SHOP, SHOP, "-f", "gateway.yaml", "-o", "json", *more)

    assert done.status == status
    assert [verdict for _, _, verdict, _ in ends(done)] == ["unknown", "unknown"]


def test_one_that_stops_outweighs_one_that_is_not_known(run: Shell, files: Path):
    done = trace(run, files, SHOP, NOBODY, "--strict", "-o", "json=out.json", "-o", "terminal")

    assert done.status == 1
    assert len(valid((run.folder / "out.json").read_text())["traces"]) == 2
    assert done.stdout.startswith("✗ 2 requests: 1 stopped, 1 answered")


def test_the_terminal_has_a_line_for_each_and_the_hops_of_those_that_stop(run: Shell, files: Path):
    done = trace(run, files, SHOP, name="broken")
    both = trace(run, files, SHOP, "http://nobody.example.org/", name="broken")

    assert "✗ 1  GET https://shop.example.com/  stops at the certificate: " in both.stdout
    assert done.stdout.partition("\n\n")[2] in both.stdout
    assert max(map(len, both.stdout.splitlines())) <= 80


def test_nothing_to_read_is_status_3_with_every_request_unknown(run: Shell):
    (run.folder / "empty").mkdir()

    done = run("trace", SHOP, NOBODY, "-f", "empty", "-o", "json")

    found = valid(done.stdout)["traces"]
    assert done.status == 3
    assert [(each["verdict"], each["error"]["kind"]) for each in found] == [
        ("unknown", "no-objects")
    ] * 2


NO_JSON = "it is no JSON: "
BAD = {
    "{": f"{NO_JSON}Input data was truncated",
    "shop": f"{NO_JSON}JSON is malformed: invalid character (byte 0)",
    "[]": "Expected `object`, got `array`",
    '"https://a/"': "Expected `object`, got `str`",
    "{}": "Object missing required field `url`",
    '{"url": 5}': "Expected `str`, got `int` - at `$.url`",
    '{"url": "https://a/", "id": 5}': "Expected `str | null`, got `int` - at `$.id`",
    '{"url": "shop"}': "'shop' cannot be traced: a URL begins with https:// or http:// and a host",
    '{"url": "ftp://a/"}': "'ftp://a/' cannot be traced:"
    " a URL begins with https:// or http:// and a host",
    '{"url": "https://a/", "method": "G T"}': "'https://a/' cannot be traced: 'G T' is no method",
    '{"url": "https://a/", "headers": ["x"]}': "Expected `object | null`, got `array`"
    " - at `$.headers`",
    '{"url": "https://a/", "headers": {"x": 1}}': "Expected `str`, got `int`"
    " - at `$.headers[...]`",
    '{"url": "https://a/", "headers": {":path": "/"}}': "'https://a/' cannot be traced:"
    " ':path' is no name of a header",
    '{"url": "https://a/", "headers": {"x": "a\\nb"}}': "'https://a/' cannot be traced:"
    " the header x has control characters or more than 8000 others",
    '{"url": "https://a/", "serverName": "a b"}': "'https://a/' cannot be traced: 'a b' is no SNI",
    '{"url": "http://a/", "serverName": "a"}': "'http://a/' cannot be traced:"
    " only https:// has an SNI",
    '{"url": "https://a/", "workload": "a"}': "'https://a/' cannot be traced:"
    " a workload is named NAMESPACE/NAME, not 'a'",
    f'{{"url": "https://a/", "x": "{"a" * 65_536}"}}': "a line is at most 65,536 bytes long",
    f'{{"url": "https://a/", "x": {"[" * 20_000}': f"{NO_JSON}maximum recursion depth exceeded"
    " while deserializing an object",
    '{"url": "https://a/\udcff"}': "it is not UTF-8",
}
REFUSED = {
    "": "name a URL, several, or a file of requests with --requests",
    "https://a/ --requests r": "name a URL, several, or a file of requests with --requests",
    "--requests r --probe": "--probe sends one request along its way: name one URL",
    "https://a/ https://b/ --probe": "--probe sends one request along its way: name one URL",
    "--requests r -H a=b": "each line of --requests says its own method, headers and SNI",
    "--requests r -X POST": "each line of --requests says its own method, headers and SNI",
    "--requests r --sni a": "each line of --requests says its own method, headers and SNI",
    "--requests - -f -": "standard input is either the requests or the manifests",
    "--requests none": "none cannot be read: No such file or directory",
    "--requests .": ". is a folder: --requests takes one file",
    "--requests empty": "empty holds no request: one JSON object a line, each with a url",
    "https://a/ b": "'b' cannot be traced: a URL begins with https:// or http:// and a host",
    "http://a/ --sni a": "'http://a/' cannot be traced: only https:// has an SNI",
    "https://a/ -H :path=/": "--header takes NAME=VALUE, such as cookie=beta, not ':path=/'",
}


@pytest.mark.promise("A line that is no request is refused with its number")
def test_a_bad_line_is_one_sentence_with_its_place_and_nothing_is_half_done(tmp_path: Path):
    good = lines({"url": SHOP}, {})
    for number, text in enumerate(BAD):
        content = good.replace("{}", text) + "{"  # the first bad line is the one that is said
        (tmp_path / f"r{number}").write_text(content, "utf-8", errors="surrogateescape")
    output = ("--demo", "-o", "json=out.json")

    done = batch(
        [(["trace", "--requests", f"r{each}", *output], tmp_path) for each in range(len(BAD))],
        tmp_path,
    )

    expected = [f"istiodoctor: r{each}:2: {text}" for each, text in enumerate(BAD.values())]
    assert [each.complaint for each in done] == expected
    assert {(each.status, each.stdout) for each in done} == {(2, "")}
    assert not (tmp_path / "out.json").exists()


def test_wrong_usage_is_one_sentence(tmp_path: Path):
    (tmp_path / "r").write_text(lines({"url": SHOP}))
    (tmp_path / "empty").write_text("\n \n")

    done = batch([(["trace", *text.split()], tmp_path) for text in REFUSED], tmp_path)

    assert [each.complaint for each in done] == [
        f"istiodoctor: {each}" for each in REFUSED.values()
    ]
    assert {(each.status, each.stdout) for each in done} == {(2, "")}


def test_a_file_without_end_is_refused(run: Shell):
    done = run("trace", "--requests", "/dev/zero", "--demo")

    assert (done.status, done.complaint) == (2, "istiodoctor: /dev/zero is larger than 64 MiB")
