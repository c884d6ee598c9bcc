"""Commands are pasted into a real shell: bash says what it makes of them."""

import json
import shutil
import subprocess

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from istiodoctor.problem import Patch, PatchType, Ref
from istiodoctor.renderers.commands import apply_block, patch_block, shell_line

BASH = shutil.which("bash") or ""
GATEWAY = Ref("networking.istio.io", "Gateway", "shop", "web")

pytestmark = pytest.mark.skipif(not BASH, reason="needs bash on the PATH")


def pasted(block: str) -> list[str]:
    """Return the arguments that `kubectl` gets, and then what it reads, when bash runs this."""
    script = f"kubectl() {{ printf '%s\\0' \"$@\"; [ -t 0 ] || cat; }}\n{block}\n"
    done = subprocess.run(
        [BASH, "--norc", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=20,
    )
    return done.stdout.decode("utf-8").split("\0")


ARGUMENTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=5
)


@settings(max_examples=40, deadline=None)
@given(ARGUMENTS, st.booleans())
def test_a_shell_gets_exactly_the_arguments_of_a_command(arguments, ascii_only):
    line = shell_line(["kubectl", "get", *arguments], ascii_only=ascii_only)

    assert pasted(line) == ["get", *arguments, ""]
    assert "\n" not in line
    assert line.isascii() or not ascii_only


def test_an_argument_with_control_characters_is_written_without_them():
    line = shell_line(["kubectl", "get", "a\x1b[2J\n'!\\b\u202e"])

    assert line == r"kubectl get $'a\x1b[2J\x0a\'\x21\\b\xe2\x80\xae'"


def test_a_name_with_nul_is_not_cut_short_to_another_name():
    assert pasted(shell_line(["kubectl", "prod\0.old"])) == ["prod\ufffd.old", ""]


def test_a_merge_patch_is_one_command():
    body = {"spec": {"selector": {"istio": "it's"}}}

    block = patch_block(Patch(ref=GATEWAY, type=PatchType.MERGE, body=body))

    *words, patch, _ = pasted(block)
    assert words == [
        "patch",
        "gateway.networking.istio.io/web",
        "-n",
        "shop",
        "--type=merge",
        "-p",
    ]
    assert json.loads(patch) == body


def test_a_json_patch_of_a_cluster_scoped_object_names_no_namespace():
    issuer = Ref("cert-manager.io", "ClusterIssuer", "", "acme")
    body = [{"op": "remove", "path": "/spec/acme"}]

    block = patch_block(Patch(ref=issuer, type=PatchType.JSON, body=body))

    *words, patch, _ = pasted(block)
    assert words == ["patch", "clusterissuer.cert-manager.io/acme", "--type=json", "-p"]
    assert json.loads(patch) == body


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("aEOF:!\n"), inner),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text("aEOF_ -#"), VALUES))
def test_kubectl_reads_the_whole_manifest_from_a_new_one(manifest):
    block = apply_block(manifest)

    arguments = pasted(block)
    assert arguments[:3] == ["apply", "-f", "-"]
    assert yaml.safe_load("\0".join(arguments[3:])) == manifest
    assert all(line.isascii() and line.isprintable() for line in block.split("\n"))


@pytest.mark.parametrize(
    "word", ["1e3", "y", "no", "0644", "0o14", ".5", "~", "2026-01-01", "a: b"]
)
def test_a_string_that_yaml_might_take_for_something_else_is_quoted(word):
    block = apply_block({"kind": word})

    assert block.split("\n")[1] in (f'kind: "{word}"', f"kind: '{word}'")
