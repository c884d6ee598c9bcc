"""What the author of a check is told by its examples, a stranger's checks as well as our own."""

import sys
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from istiodoctor.check import Check
from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Place, Ref
from istiodoctor.registry import discover
from istiodoctor.testing import ExampleFailed, NoExamples, examples, examples_of, verify
from istiodoctor.testing.__main__ import main
from istiodoctor.testing.examples import Example

MESSAGE = '"{served.server} serves {served.host}, which is outside \\\\shop."'
CHECK = '''"""SHOP001."""

from istiodoctor.check import check
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh.configuration.redirects import tls_hosts


@check("SHOP001", severity=Severity.MEDIUM)
def host_outside_the_shop(mesh):
    """A gateway serves a host that is not ours.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [b.example.org, a.example.org]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Nothing to see:

    ```yaml good
    ```
    """
    for served in tls_hosts(mesh):
        if not served.host.endswith(".shop.example.com"):
            yield Finding(
                message=f"{served.server} serves {served.host}, which is outside \\\\shop.",
                objects=(served.server.place,),
                identity=Identity.of(served.server.gateway, served.host),
                hosts=frozenset({served.host}),
            )
'''
META = "{name: a, namespace: shop}"
SAID = r"""
    ```finding
    medium: Gateway shop/web spec.servers[0]
    hosts: a.example.org
    Gateway shop/web server 443 (https) serves a.example.org, which is outside \\shop.

    medium: Gateway shop/web spec.servers[0]
    hosts: b.example.org
    Gateway shop/web server 443 (https) serves b.example.org, which is outside \\shop.
    ```
"""


class Done(NamedTuple):
    status: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A stranger's check in a package that is nowhere installed."""

    file: Path
    monkeypatch: pytest.MonkeyPatch
    capfd: pytest.CaptureFixture[str]

    @property
    def text(self) -> str:
        return self.file.read_text(encoding="utf-8")

    def change(self, old: str, new: str, *, after: str = "") -> None:
        head, mark, rest = self.text.rpartition(after) if after else ("", "", self.text)
        assert old in rest
        self.file.write_text(head + mark + rest.replace(old, new), encoding="utf-8")

    def run(self, *options: str) -> Done:
        for name in [each for each in sys.modules if each.partition(".")[0] == "shop_checks"]:
            del sys.modules[name]
        self.monkeypatch.setattr(sys, "argv", ["testing", "shop_checks", *options])
        status = main()
        return Done(status, *self.capfd.readouterr())


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Shop:
    file = tmp_path / "shop_checks" / "hosts" / "host_outside_the_shop.py"
    file.parent.mkdir(parents=True)
    for folder in (file.parent, file.parent.parent):
        (folder / "__init__.py").touch()
    file.write_text(CHECK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    # A file that is changed twice within a second would be taken for the one that was compiled.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return Shop(file=file, monkeypatch=monkeypatch, capfd=capfd)


def test_what_a_check_says_is_written_into_its_docstring(shop):
    done = shop.run("--write")

    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("2 of 2 examples hold\n")
    bad = CHECK.index("\n    Nothing to see")
    assert shop.text == CHECK[:bad] + SAID + CHECK[bad:]


def test_what_is_still_said_is_not_written_again(shop):
    shop.run("--write")
    old = "    Gateway shop/web server 443 (https) serves"
    shop.change(old, old.replace("server 443", "server\n    443"))
    before = shop.text

    assert shop.run("--write").status == 0
    assert shop.text == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("which is outside", "which is beyond", "a.example.org, which is beyond"),
        ("severity=Severity.MEDIUM", "severity=Severity.LOW", "+ low: Gateway shop/web"),
        ("(served.server.place,)", "(served.server.field('/tls'),)", "spec.servers[0].tls"),
        ("hosts=frozenset({served.host}),", "", "- hosts: a.example.org"),
    ],
)
def test_a_stale_block_fails_and_can_be_written_anew(shop, old, new, said):
    shop.run("--write")
    shop.change(old, new, after='"""' if "severity" not in old else "")

    done = shop.run()

    assert (done.status, done.out) == (1, "1 of 2 examples hold\n")
    assert "SHOP001-bad: it says something else than its block (+):" in done.err
    assert said in done.err
    assert "--write shop_checks.hosts.host_outside_the_shop writes it" in done.err
    assert shop.run("--write").status == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("labels: {istio:", "labels: {app:", "no pod of a gateway is in the block: none has"),
        ("kind: Gateway\n", "kind: Gatewy\n", "no question reads networking.istio.io/v1 Gatewy"),
        ("kind: Gateway\n", "kind: Gatewy\n", "no server of a gateway is in the block"),
        ("kind: Pod\n", "kind: Node\n", "the block has none, perhaps rightly: daemonsets.apps"),
        (".org", ".shop.example.com", "CRED001 secret-wrong-namespace fired instead"),
        (".org", ".shop.example.com", "“certificat for a” in a Secret is neither PEM nor"),
    ],
)
def test_a_bad_block_on_which_nothing_fires_says_why_that_may_be(shop, old, new, told):
    secret = (
        "    ---\n    apiVersion: v1\n    kind: Secret\n"
        "    metadata: {name: shop-cert, namespace: shop}\n"
        "    stringData: {tls.crt: certificat for a, tls.key: key of a}\n    ```\n\n    Nothing"
    )
    shop.change("    ```\n\n    Nothing", secret)
    shop.change(old, new)

    done = shop.run()

    assert done.status == 1
    assert done.err.startswith("SHOP001-bad: nothing fired on the bad block\n- ")
    assert told in done.err


@pytest.mark.parametrize(
    ("good", "told"),
    [
        ("stringData: {tls.crt: certificate for a; expird}", "“certificate for a; expird”"),
        ("stringData: {tls.key: key of a; expired}", "expires in N days"),
        ("stringData: {tls.crt: authority A; old}", "revocation list of NAME"),
        ("data: 7", "Secret shop/a: "),
        ("data: {", "the good block cannot be read: while parsing"),
    ],
)
def test_a_block_that_is_no_cluster_is_told_with_what_is_wrong(shop, good, told):
    secret = f"apiVersion: v1\n    kind: Secret\n    metadata: {META}\n    {good}\n"
    shop.change("yaml good\n", f"yaml good\n    {secret}")

    done = shop.run()

    assert done.status == 1
    assert "SHOP001-good: the good block cannot be read: " in done.err
    assert told in done.err


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("```yaml good", "```yaml", "there is no ```yaml good block in the docstring"),
        ("```yaml good", "```yaml god", "“```yaml god” begins no block of an example"),
        (
            "```yaml good",
            "```log good\n    ```\n    ```yaml good",
            "“```log good” begins no block",
        ),
        ('@check("SHOP001", severity=Severity.MEDIUM)', "", "there is no check in shop_checks"),
        ("from istiodoctor.check", "from istiodoctor.chek", "cannot be imported: ModuleNotFound"),
    ],
)
def test_checks_whose_examples_cannot_all_be_run_are_refused(shop, old, new, told):
    shop.change(old, new)

    done = shop.run()

    assert (done.status, done.out) == (2, "")
    assert told in done.err


def test_a_good_block_that_fires_says_what_is_found(shop):
    shop.change("yaml bad", "yaml swap")
    shop.change("yaml good", "yaml bad")
    shop.change("yaml swap", "yaml good")

    done = shop.run()

    assert done.status == 1
    assert "SHOP001-good: the good block fires:\nmedium: Gateway shop/web" in done.err


def test_a_package_without_checks_is_no_success():
    with pytest.raises(NoExamples, match="there is no check in istiodoctor_checks"):
        examples_of("istiodoctor_checks._served")


def test_the_blocks_of_a_stranger_may_leave_out_what_is_found():
    example = replace(bad("CERT015"), said=None)

    verify(example)
    with pytest.raises(ExampleFailed, match="the block ```finding is missing"):
        verify(example, must_tell=True)


def bad(code: str) -> Example:
    return next(examples(discover().by_code()[code]))


@pytest.mark.parametrize(
    "changed",
    [
        {"message": "All is well."},
        {"severity": Severity.INFO},
        {"confidence": Confidence.SUSPECTED},
        {"objects": (Place(ref=Ref(CORE, "Secret", "shop", "other")),)},
        {"hosts": frozenset({"other.example.com"})},
        {"hosts": frozenset()},
    ],
    ids=lambda each: next(iter(each)),
)
def test_a_finding_that_says_something_else_fails_its_example(changed):
    example = bad("CERT015")
    verify(example, must_tell=True)

    with pytest.raises(ExampleFailed, match="CERT015-bad: it says something else"):
        verify(replace(example, check=saying(example.check, **changed)))


def saying(check: Check, **changed: Any) -> Check:
    """Return a check whose findings are changed like this."""

    def judge(mesh: Mesh) -> list[Finding]:
        return [replace(each, **changed) for each in check.judge(mesh)]

    return replace(check, judge=judge, listed=None)


@pytest.mark.parametrize("package", ["istiodoctor", "istiodoctor_checks"])
def test_type_checkers_of_strangers_see_the_types_of_both_packages(package):
    assert files(package).joinpath("py.typed").is_file()
