"""Checks are found by the names that they had in former releases."""

import pytest

from istiodoctor.former_names import FORMER_NAMES
from istiodoctor.registry import discover
from tests.cli.process import Done, Shell

NOTE = "istiodoctor: the check exportto is called not-exported now\n"
GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec: {selector: {istio: ingressgateway}, servers: []}
"""


@pytest.mark.parametrize("former", FORMER_NAMES)
def test_a_former_name_is_no_present_one_and_leads_to_one(former: str):
    names = {check.name for check in discover().checks}

    assert former not in names
    assert FORMER_NAMES[former] in names


def scanned(run: Shell, *options: str) -> tuple[Done, list[str]]:
    """Scan one Gateway, and return which checks were asked for."""
    (run.folder / "web.yaml").write_text(GATEWAY)
    done = run("scan", "-f", "web.yaml", "-o", "json", *options)
    return done, [each["code"] for each in done.report["checks"]]


def test_explain_knows_a_former_name_and_says_the_present_one(run: Shell):
    now, before = run("explain", "not-exported"), run("explain", "ExportTo")

    assert before.stdout == now.stdout != ""
    assert now.stderr == ""
    assert before.stderr == NOTE.replace("check exportto", "check ExportTo")


@pytest.mark.parametrize(
    ("options", "ran"),
    [
        (("--select", "exportto"), ["VS012"]),
        (("--select", "VS011,VS012", "--ignore", "exportto"), ["VS011"]),
    ],
)
def test_a_former_name_selects_and_leaves_out(
    run: Shell, options: tuple[str, ...], ran: list[str]
):
    done, codes = scanned(run, *options)

    assert codes == ran
    assert done.stderr.count(NOTE) == 1


def test_a_configuration_may_have_a_former_name(run: Shell):
    (run.folder / "istiodoctor.toml").write_text('select = ["exportto"]\n')

    done, codes = scanned(run)

    assert codes == ["VS012"]
    assert done.stderr.count(NOTE) == 1
