"""Wrong usage and wrong configuration: one sentence and status 2, before anything is read."""

import json
from pathlib import Path

import pytest

from tests.cli.process import Done, Shell, batch

GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec: {selector: {istio: ingressgateway}, servers: []}
"""

ONE_SOURCE = "choose one source: --file, --demo, or a cluster by --context"
LISTED = "'istiodoctor checks' lists"
TYPED = {
    "--bogus": "No such option: --bogus (see 'istiodoctor --help')",
    "scan --since": "Option '--since' requires an argument.",
    "scan x": "Got unexpected extra argument(s) (x) (see 'istiodoctor scan --help')",
    "scan -f a --demo": ONE_SOURCE,
    "scan -f a --context b": ONE_SOURCE,
    "scan --demo --kubeconfig k": ONE_SOURCE,
    "scan --context a --all-contexts": "--context and --all-contexts exclude each other",
    "scan --whole-cluster": "--whole-cluster says something about files: name them with -f",
    "scan --render": "--render says something about files: name them with -f",
    "trace https://a.b/ --assume-namespace shop": "--assume-namespace says something about files:"
    " name them with -f",
    "scan --only-namespaces": "--only-namespaces needs at least one -n NAMESPACE",
    "scan -f a -o json=": "--output json= names no file after the =",
    "scan -f a -o json -o terminal": "only one --output can go to stdout;"
    " give the others a file: NAME=FILE",
    "scan -f a -o json=r -o terminal=r": "two --output options name the same file",
    "scan -f a -o json=.": ". cannot be written: it is a folder",
    "scan -f a -o json=no/r": "no/r cannot be written: there is no folder no",
    "scan -f none.yaml": "none.yaml: there is no such file or folder",
    "explain NOPE001": f"no check is called NOPE001; {LISTED} them",
    "checks --output xml": "--output xml is not known; there is terminal, json",
}
MEANT = {
    "--fail-on x": "--fail-on takes one of critical, high, medium, low, never, not x",
    "--select NOPE001": f"no check is called NOPE001; {LISTED} codes, families and names",
    "--select CRAD001": "no check is called CRAD001; did you mean CRED001?"
    f" {LISTED} codes, families and names",
    "--ignore secret-missng": "no check is called secret-missng; did you mean secret-missing?"
    f" {LISTED} codes, families and names",
    "--ignore CRED001,no-such": f"no check is called no-such; {LISTED} codes, families and names",
    "--select CRED001 --ignore CRED": "--select and --ignore leave no check to run",
    "--since soon": "--since takes a duration such as 90s, 30m or 1h, not 'soon'",
    "--since 999999d": "--since takes ten years at most, not 999999d",
    "--timeout -1s": "--timeout takes a duration such as 90s, 30m or 1h, not '-1s'",
    "--gateway web": "--gateway takes NAMESPACE/NAME, not 'web'",
    "--assume-namespace a/b": "--assume-namespace takes the name of one namespace, not 'a/b'",
    "--istio-version newest": "--istio-version takes a release such as 1.27.1, not 'newest'",
    "-n shop/web": "--namespace takes the name of one namespace, not 'shop/web'",
    "--host https://shop.example.com/": "--host takes a name such as shop.example.com,"
    " without https:// or port, not 'https://shop.example.com/'",
    "--trust-anchors no.pem": "--trust-anchors no.pem cannot be read: No such file or directory",
    "--trust-anchors web.yaml": "--trust-anchors web.yaml holds no PEM certificate",
    "--config none.toml": "none.toml cannot be read: No such file or directory",
}
CONFIGURED = {
    "selct = []": "is no istiodoctor configuration: there is no key selct, did you mean select?"
    "; there are select, ignore, fail_on, ignores, front_proxy",
    '[[ignores]]\ncode = "CRED001"\nwhy = "x"': "in [[ignores]] there is no key why;"
    " there are code, fingerprint, reason, until",
    '[[front_proxy]]\nhost = ["a"]': "there is no key host, did you mean hosts?",
    "fail_on = 3": "Expected `str | null`, got `int` - at `$.fail_on`",
    'fail_on = "urgent"': "fail_on is one of critical, high, medium, low, never",
    "select = [": "is no istiodoctor configuration: Invalid",
    'select = ["NOPE001"]': "no check is called NOPE001;",
    '[[ignores]]\nreason = "x"': "[[ignores]] number 1 needs a code or a fingerprint",
    '[[ignores]]\ncode = "CRED001"': "Object missing required field `reason`",
    '[[ignores]]\ncode = "CRED001"\nreason = " "': "[[ignores]] number 1 needs a reason",
    '[[ignores]]\ncode = "NOPE*"\nreason = "x"': "names the code NOPE*, which no check has",
    '[[ignores]]\ncode = "CRED*"\nreason = "x"\nuntil = "soon"': "Expected `date | null`, got",
    '[[front_proxy]]\nhosts = ["a"]\nsends_x_forwarded_proto = "htps"': "'htps'",
}
ALL = {**TYPED, **MEANT}
Answers = dict[str, Done]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """How every line of the tables ended."""
    home = tmp_path_factory.mktemp("home")
    (home / "web.yaml").write_text(GATEWAY)
    lines: list[tuple[list[str], Path]] = [(text.split(), home) for text in TYPED]
    lines += [(["scan", "-f", "web.yaml", *text.split()], home) for text in MEANT]
    for number, text in enumerate(CONFIGURED):
        folder = home / str(number)
        folder.mkdir()
        (folder / "istiodoctor.toml").write_text(text)
        lines.append((["scan", "-f", "/dev/null"], folder))
    return dict(zip((*TYPED, *MEANT, *CONFIGURED), batch(lines, home), strict=True))


@pytest.mark.parametrize("text", [*TYPED, *MEANT])
def test_what_is_typed_wrongly_is_said_in_one_sentence(text: str, answers: Answers):
    done = answers[text]

    assert done.complaint == f"istiodoctor: {ALL[text]}"
    assert (done.status, done.stdout) == (2, "")


@pytest.mark.parametrize("text", CONFIGURED)
def test_a_configuration_says_where_it_is_wrong(text: str, answers: Answers):
    done = answers[text]

    where, _, why = done.complaint.partition("istiodoctor.toml")
    assert where.startswith("istiodoctor: /")
    assert CONFIGURED[text] in why
    assert (done.status, done.stdout) == (2, "")


def test_an_output_that_is_not_known_is_answered_with_those_that_are(run: Shell):
    done = run("scan", "-f", "a", "-o", "yaml")

    assert done.complaint.startswith("istiodoctor: --output yaml is not known; there is terminal")
    assert (done.status, done.stdout) == (2, "")


def test_wrong_usage_comes_before_what_cannot_be_read(run: Shell):
    assert run("scan", "--select", "NOPE001").status == 2
    assert run("scan", "--select", "CRED001").status == 3


RETIRED = "istiodoctor: CERT005 is retired: CERT003 finds the same, and more\n"


def test_a_retired_code_selects_its_successor_and_says_so(run: Shell, tmp_path: Path):
    (tmp_path / "a.yaml").write_text(GATEWAY)
    done = run("scan", "-f", tmp_path, "--select", "CERT005", "-o", "json")

    assert RETIRED in done.stderr
    assert [each["code"] for each in json.loads(done.stdout)["checks"]] == ["CERT003"]


def test_ignoring_a_retired_code_leaves_nothing_out(run: Shell, tmp_path: Path):
    (tmp_path / "a.yaml").write_text(GATEWAY)
    arguments = ("--select", "CERT003,CERT004", "--ignore", "wildcard-depth", "-o", "json")
    done = run("scan", "-f", tmp_path, *arguments)

    assert "wildcard-depth is retired: CERT003 finds the same" in done.stderr
    assert len(json.loads(done.stdout)["checks"]) == 2


def test_a_retired_code_is_explained_by_its_successor(run: Shell):
    done = run("explain", "cert005")

    assert done.stdout.startswith("# CERT003 ")
    assert "CERT003 finds the same" in done.stderr


def test_no_command_shows_the_help(run: Shell):
    done = run()

    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: istiodoctor [OPTIONS] COMMAND [ARGS]...")
