"""A stranger's checks come in by the same door as ours, and cannot harm them."""

import json
from pathlib import Path

import pytest

from tests.cli.process import Done, Shell

GATEWAY = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {credentialName: shop-cert}
"""

FORBIDDEN_HOST = '''
from istiodoctor.check import check
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.model.ref import Place


@check("ACME001", severity=Severity.HIGH)
def host_of_another_company(mesh):
    """A Gateway serves a host of another company."""
    for server in servers(mesh):
        yield Finding(
            message=f"{server} serves hosts that are not ours.",
            objects=(Place(server.gateway, "/spec/servers"),),
            identity=Identity.of(server.gateway),
            hosts=frozenset(server.names),
        )
'''
BREAKS_AT_RUN_TIME = FORBIDDEN_HOST.replace("yield", "raise KeyError('x')\n        yield")
BREAKS_AT_IMPORT = "import a_package_that_is_not_there\n"
LEAVES = "import sys\nsys.exit(0)\n"
STEALS_A_CODE = FORBIDDEN_HOST.replace("ACME001", "GW006")
STEALS_A_NAME = FORBIDDEN_HOST.replace("host_of_another_company", "tls_mode_missing")
DECLARES_NONSENSE = FORBIDDEN_HOST.replace("Severity.HIGH", 'Severity.HIGH, evidence=["pods"]')
DECLARES_NEEDS = FORBIDDEN_HOST.replace("Severity.HIGH", "Severity.HIGH, needs=servers.kinds")
ASKS_NOTHING = FORBIDDEN_HOST.replace("in servers(mesh)", "in mesh.snapshot.unread")
ASKS_BY_A_TABLE = """
from istiodoctor.check import check
from istiodoctor.finding import Severity
from istiodoctor.mesh.cert_manager.issuance import certificates
from istiodoctor.mesh.gateways.listeners import servers

TABLE = {"certificates": certificates}


@check("ACME001", severity=Severity.HIGH)
def host_of_another_company(mesh):
    \"\"\"A Gateway serves a host of another company.\"\"\"
    return [each for each in servers(mesh) if TABLE["certificates"](mesh)]
"""
ASKS_BY_ITS_OWN = """
from istiodoctor.check import check
from istiodoctor.finding import Severity
from istiodoctor.mesh.cert_manager.issuance import certificates
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.question import question

TABLE = {"certificates": certificates}


@question(rests_on=[certificates])
def companies(mesh):
    \"\"\"Return the servers, if there are certificates.\"\"\"
    return [each for each in servers(mesh) if TABLE["certificates"](mesh)]


@check("ACME001", severity=Severity.HIGH)
def host_of_another_company(mesh):
    \"\"\"A Gateway serves a host of another company.\"\"\"
    return companies(mesh)
"""
HELPERS = """
from istiodoctor.mesh.gateways.listeners import servers


def all_servers(mesh):
    return servers(mesh)
"""
ASKS_BY_ANOTHER_PACKAGE = FORBIDDEN_HOST.replace(
    "in servers(mesh)", "in all_servers(mesh)"
).replace(
    "from istiodoctor.mesh.gateways.listeners import servers",
    "from acme_helpers import all_servers",
)
IMPORTS_OURS = FORBIDDEN_HOST + (
    "from istiodoctor_checks.gateways.tls_mode_missing import tls_mode_missing\n"
)
BROKEN = {
    "import": (
        BREAKS_AT_IMPORT,
        "ModuleNotFoundError: No module named 'a_package_that_is_not_there'",
    ),
    "exit": (LEAVES, "SystemExit: 0"),
    "code": (STEALS_A_CODE, "its code GW006 is already that of tls-mode-missing"),
    "name": (STEALS_A_NAME, "its name tls-mode-missing is already that of another check"),
    "evidence": (DECLARES_NONSENSE, "ACME001: its evidence are not all of the type Question"),
    "needs": (
        DECLARES_NEEDS,
        "TypeError: check() got an unexpected keyword argument 'needs'",
    ),
    "nothing": (ASKS_NOTHING, "ACME001: its body names no question of the mesh"),
}


def install(
    folder: Path, source: str, *, name: str = "acme-checks", point: str = "acme", **modules: str
) -> Path:
    """Lay out a distribution as an installer leaves it: a package and its metadata."""
    package = folder / name.replace("-", "_")
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(source)
    for module, text in modules.items():
        (package / f"{module}.py").write_text(text)
    metadata = folder / f"{package.name}-2.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.1\n")
    points = f"[istiodoctor.checks]\n{point} = {package.name}\n"
    (metadata / "entry_points.txt").write_text(points)
    return folder


@pytest.fixture
def web(run: Shell) -> Path:
    path = run.folder / "web.yaml"
    path.write_text(GATEWAY)
    return path


def scan(run: Shell, web: Path, plugins: Path, *options: str) -> Done:
    return run("scan", "-f", web, "-o", "json", *options, env={"PYTHONPATH": str(plugins)})


def outcomes(done: Done) -> dict[str, str]:
    return {check["code"]: check["outcome"] for check in done.report["checks"]}


def codes(done: Done) -> set[str]:
    return {
        each["code"]
        for problem in done.report["problems"]
        for each in (problem, *problem["symptoms"])
    }


def test_a_plugin_is_listed_with_where_it_comes_from(run: Shell):
    plugins = install(run.folder / "site", FORBIDDEN_HOST)

    text = run("checks", env={"PYTHONPATH": str(plugins)})
    data = run("checks", "--output", "json", env={"PYTHONPATH": str(plugins)})

    (line,) = [each for each in text.stdout.splitlines() if each.startswith("ACME001")]
    assert line.split() == ["ACME001", "high", "host-of-another-company", "[acme-checks", "2.1]"]
    origins = {each["code"]: each["origin"] for each in json.loads(data.stdout)["checks"]}
    assert origins["ACME001"] == "acme-checks 2.1"


def test_its_checks_in_modules_below_it_run_beside_ours(run: Shell, web: Path):
    plugins = install(run.folder / "site", "", hosts=FORBIDDEN_HOST)

    done = scan(run, web, plugins)

    assert {"ACME001", "GW006"} <= codes(done)
    assert (done.status, done.stderr) == (1, "")


def test_a_function_in_another_package_of_its_distribution_is_followed(run: Shell, web: Path):
    plugins = install(run.folder / "site", ASKS_BY_ANOTHER_PACKAGE)
    (plugins / "acme_helpers.py").write_text(HELPERS)
    (plugins / "acme_checks-2.1.dist-info" / "top_level.txt").write_text(
        "acme_checks\nacme_helpers\n"
    )

    done = scan(run, web, plugins)

    assert "ACME001" in codes(done)
    assert done.stderr == ""


def test_a_check_that_breaks_while_it_runs_costs_the_others_nothing(run: Shell, web: Path):
    done = scan(run, web, install(run.folder / "site", BREAKS_AT_RUN_TIME))

    (broken,) = [each for each in done.report["checks"] if each["outcome"] == "errored"]
    assert (broken["code"], broken["reason"]) == ("ACME001", "KeyError: 'x'")
    assert "GW006" in codes(done)
    assert done.stderr == ""


def test_a_check_that_reads_what_does_not_follow_from_its_code_has_not_passed(
    run: Shell, web: Path
):
    done = scan(run, web, install(run.folder / "site", ASKS_BY_A_TABLE))

    (broken,) = [each for each in done.report["checks"] if each["outcome"] == "errored"]
    assert (broken["code"], broken["reason"]) == (
        "ACME001",
        "UnknownNeed: it rests on certificates.cert-manager.io, which does not follow from the"
        " questions that its code names: what is called through a table is declared with rests_on",
    )


def test_what_a_question_of_its_own_declares_is_read(run: Shell, web: Path):
    plugins = install(run.folder / "site", ASKS_BY_ITS_OWN)

    done = run("checks", "--output", "json", env={"PYTHONPATH": str(plugins)})
    needs = {each["code"]: each["needs"] for each in json.loads(done.stdout)["checks"]}

    assert "certificates.cert-manager.io" in needs["ACME001"]
    assert outcomes(scan(run, web, plugins, "--whole-cluster"))["ACME001"] == "passed"
    assert outcomes(scan(run, web, plugins))["ACME001"] == "skipped"


@pytest.mark.parametrize("case", BROKEN)
def test_a_plugin_that_cannot_be_used_is_named_and_ours_run(run: Shell, web: Path, case: str):
    source, reason = BROKEN[case]

    done = scan(run, web, install(run.folder / "site", source))

    assert done.complaint == (
        f"istiodoctor: the checks of acme-checks 2.1 (acme_checks) cannot be used: {reason}"
    )
    (ours,) = [each for each in done.report["problems"] if each["code"] == "GW006"]
    assert ours["name"] == "tls-mode-missing"
    assert "ACME001" not in outcomes(done)


def test_a_broken_module_costs_the_other_modules_of_its_plugin_nothing(run: Shell, web: Path):
    plugins = install(run.folder / "site", "", broken=BREAKS_AT_IMPORT, hosts=FORBIDDEN_HOST)

    done = scan(run, web, plugins)

    assert "(acme_checks.broken) cannot be used" in done.complaint
    assert "ACME001" in codes(done)


def test_no_name_of_an_entry_point_comes_before_ours(run: Shell, web: Path):
    plugins = install(run.folder / "site", STEALS_A_CODE, name="aaa", point="builtin")

    done = scan(run, web, plugins)

    assert "its code GW006 is already that of tls-mode-missing" in done.complaint
    assert "serves hosts that are not ours" not in done.stdout


def test_a_plugin_may_import_one_of_our_checks(run: Shell, web: Path):
    done = scan(run, web, install(run.folder / "site", IMPORTS_OURS))

    assert {"ACME001", "GW006"} <= codes(done)
    assert done.stderr == ""
