"""The package that `docs/writing-a-check.md` shows is built, installed and run as it stands."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from istiodoctor.testing.words import pem
from tests.cli.process import Done, Shell

GUIDE = Path(__file__).parent.parent / "docs/writing-a-check.md"
SHOWN_FILE = re.compile(
    r"^`(?P<path>[\w/.]+)`[^\n]*:\n\n(?P<fence>`{3,})\w+\n(?P<text>.*?)^(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)
EXAMPLE = re.compile(
    r"^(?P<caption>Fires on|Stays silent on):\n\n```yaml\n(?P<text>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
ROW = re.compile(r"^\| (`.+?`) \|", re.MULTILINE)


def words_for_secrets() -> list[str]:
    """Return what the guide lists; `…` stands for the words of a row before."""
    _, _, table = GUIDE.read_text(encoding="utf-8").partition("| Words | Stand for |\n")
    words: list[str] = []
    start = ""
    for row in ROW.findall(table.partition("\n\n")[0]):
        written = re.findall(r"`([^`]+)`", row)
        start = start if written[0].startswith("…") else written[0]
        words += [each.replace("…", start) for each in written]
    return words


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that an installer would unpack the package into."""
    project = tmp_path_factory.mktemp("shop-checks")
    for shown in SHOWN_FILE.finditer(GUIDE.read_text(encoding="utf-8")):
        path = project / shown["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown["text"], encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=project,
        check=True,
        capture_output=True,
    )
    (wheel,) = (project / "dist").glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(project / "site")
    return project / "site"


def istiodoctor(run: Shell, site: Path, *arguments: object) -> Done:
    return run(*arguments, env={"PYTHONPATH": str(site)})


def scan_of_example(run: Shell, site: Path, caption: str) -> Done:
    """Scan a block of the check's page as the guide says."""
    page = istiodoctor(run, site, "explain", "SHOP001").stdout
    blocks = {found["caption"]: found["text"] for found in EXAMPLE.finditer(page)}
    path = run.folder / "example.yaml"
    path.write_text(blocks[caption], encoding="utf-8")
    options = ("--whole-cluster", "--select", "SHOP001", "-o", "json")
    return istiodoctor(run, site, "scan", "-f", path, *options)


@pytest.fixture
def run(tmp_path: Path) -> Shell:
    return Shell(folder=tmp_path)


def test_the_package_of_the_guide_is_listed_as_the_guide_shows(run: Shell, site: Path):
    done = istiodoctor(run, site, "checks")

    (line,) = [each for each in done.stdout.splitlines() if each.startswith("SHOP")]
    assert f"$ istiodoctor checks | grep SHOP\n{line}\n" in GUIDE.read_text(encoding="utf-8")
    assert done.stderr == ""


def test_what_its_own_question_reads_is_what_the_check_needs(run: Shell, site: Path):
    done = istiodoctor(run, site, "checks", "--output", "json")

    needs = {each["code"]: each["needs"] for each in json.loads(done.stdout)["checks"]}
    assert {"namespaces", "gateways.networking.istio.io"} <= {*needs["SHOP001"]}


def test_its_bad_example_is_found_with_the_patch_that_mends_it(run: Shell, site: Path):
    (problem,) = scan_of_example(run, site, "Fires on").report["problems"]

    told = {key: problem[key] for key in ("code", "severity", "hosts", "message")}
    assert told == {
        "code": "SHOP001",
        "severity": "medium",
        "hosts": ["pay.example.com"],
        "message": (
            "Gateway pay/web server 443 (https) is for card payments and accepts clients below"
            " TLS 1.3."
        ),
    }
    (fix,) = problem["fixes"]
    assert [patch["body"] for patch in fix["patches"]] == [
        [{"op": "add", "path": "/spec/servers/0/tls/minProtocolVersion", "value": "TLSV1_3"}]
    ]


def test_its_good_example_is_passed(run: Shell, site: Path):
    done = scan_of_example(run, site, "Stays silent on")

    assert [(each["code"], each["outcome"]) for each in done.report["checks"]] == [
        ("SHOP001", "passed")
    ]
    assert done.report["problems"] == []


def test_the_guide_shows_every_file_of_the_package():
    shown = {each["path"]: each["text"] for each in SHOWN_FILE.finditer(GUIDE.read_text("utf-8"))}

    assert set(shown) == {
        "pyproject.toml",
        "shop_checks/__init__.py",
        "shop_checks/card_payments_below_tls13.py",
        "shop_checks/namespaces.py",
    }
    points = tomllib.loads(shown["pyproject.toml"])["project"]["entry-points"]
    assert points == {"istiodoctor.checks": {"shop": "shop_checks"}}


@pytest.mark.parametrize("words", words_for_secrets())
def test_the_words_of_the_guide_stand_for_values_of_secrets(words: str):
    assert pem(words) == "" if words == "empty" else pem(words).startswith("-----BEGIN ")
