"""`--render`: kustomizations and charts are built by programs of the PATH, within bounds."""

import os
import time
from pathlib import Path

import pytest

from istiodoctor.model.ref import UNKNOWN_NAMESPACE
from istiodoctor.model.snapshot import Reading
from istiodoctor.sources import object_files, rendering
from istiodoctor.sources.source import SourceError
from tests.sources.files_support import ALL, opened, places, service, write

PRINTS = "cat <<'END'\n{}\nEND\n"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Make a folder of programs that is the whole PATH, with the shell's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    for name in ("kubectl", "kustomize", "helm"):
        program(folder, name, "echo not here >&2; exit 1")
    return folder


def program(folder: Path, name: str, script: str) -> None:
    file = write(folder / name, f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def built(path: Path, namespace: str = "") -> Reading:
    return opened(path, is_rendering=True, assumed_namespace=namespace).collect(ALL)


def kustomization(folder: Path, content: str = "") -> Path:
    write(folder / "base/web.yaml", service("web"))
    write(folder / "base/kustomization.yaml", "resources: [web.yaml]\n")
    write(folder / "prod/kustomization.yaml", f"resources: [../base]\nnamePrefix: a-\n{content}")
    return folder


def chart(folder: Path) -> Path:
    write(folder / "Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")
    write(folder / "values.yaml", "a: 1\n")
    write(folder / "templates/web.yaml", "a: {{ .Values.a }}\n")
    return folder


def messages(reading: Reading) -> list[str]:
    return [each.message for each in reading.unread]


def test_what_a_kustomization_makes_takes_the_place_of_its_files(programs, tmp_path):
    folder = kustomization(tmp_path / "app")
    program(programs, "kubectl", PRINTS.format(service("a-web")))

    reading = built(folder)

    assert places(reading) == {"Service shop/a-web": "kustomization.yaml:1"}
    assert messages(reading) == []


def test_kustomize_builds_where_there_is_no_kubectl(programs, tmp_path, monkeypatch):
    folder = kustomization(tmp_path / "app")
    (programs / "kubectl").unlink()
    text = service("a-web").replace("\n", "\\n")
    program(programs, "kustomize", f"test \"$1\" = build && printf '{text}'")
    monkeypatch.setenv("PATH", str(programs))

    assert set(places(built(folder))) == {"Service shop/a-web"}


def test_only_what_no_other_kustomization_takes_in_is_built(programs, tmp_path):
    folder = kustomization(tmp_path / "app")
    program(programs, "kubectl", f'echo "$2" >> {tmp_path}/asked; echo')

    built_or_nothing(folder)

    assert (tmp_path / "asked").read_text().split() == [str(folder / "prod")]


def built_or_nothing(folder: Path) -> None:
    with pytest.raises(SourceError):
        built(folder)


def test_nothing_of_the_user_and_of_the_network_is_given_to_what_is_started(programs, tmp_path):
    folder = kustomization(tmp_path / "app")
    program(programs, "kubectl", f"env > {tmp_path}/environment; pwd >> {tmp_path}/environment")

    built_or_nothing(folder)

    found = (tmp_path / "environment").read_text()
    assert str(Path.home()) not in found.replace("/root/.", "")
    assert "https_proxy=http://127.0.0.1:9" in found
    assert "KUBECONFIG=" in found


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'error: no such thing' >&2; exit 1", "kubectl says: no such thing"),
        ("exec sleep 30", "it takes longer than 1 seconds"),
        ("sleep 30 & wait", "it takes longer than 1 seconds"),
        ("exec yes", "it prints more than 1 MiB"),
        ("yes >&2 & exec sleep 20", "it prints more than 1 MiB"),
    ],
)
def test_what_cannot_be_built_is_one_sentence_and_the_rest_is_judged(
    programs, tmp_path, monkeypatch, script, reason
):
    monkeypatch.setattr(rendering, "SECONDS", 1.0)
    monkeypatch.setattr(rendering, "MAX_FILE_BYTES", 1024 * 1024)
    folder = kustomization(tmp_path / "app")
    write(folder / "other.yaml", service("other"))
    program(programs, "kubectl", script)
    started = time.monotonic()

    reading = built(folder)

    assert set(places(reading)) == {"Service shop/other"}
    assert f"not built: {reason}" in messages(reading)
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("crds: ['https://example.com/crd.yaml']\n", "it leads to the network"),
        ("openapi: {path: 'http://127.0.0.1/x'}\n", "it leads to the network"),
        ("patches: [{path: 'https://example.com/x'}]\n", "it leads to the network"),
        ("configMapGenerator: [{files: ['https://a.b/c']}]\n", "it leads to the network"),
        ("transformers: [t.yaml]\n", "it asks for generators, transformers or charts"),
        ("helmCharts: [{name: x, repo: 'https://a.b'}]\n", "it asks for generators"),
        ("patches: [{path: ../../../x.yaml}]\n", "it leads out of the folder"),
    ],
)
def test_what_leads_to_the_network_or_to_plugins_is_never_started(
    programs, tmp_path, content, reason
):
    folder = kustomization(tmp_path / "app", content)
    write(folder / "other.yaml", service("other"))
    program(programs, "kubectl", f"touch {tmp_path}/started")

    reading = built(folder)

    assert any(reason in each for each in messages(reading))
    assert not (tmp_path / "started").exists()


def test_a_program_that_came_with_the_files_is_not_started(tmp_path, monkeypatch):
    folder = kustomization(tmp_path / "app")
    write(folder / "other.yaml", service("other"))
    (folder / "bin").mkdir()
    program(folder / "bin", "kubectl", f"touch {tmp_path}/started")
    monkeypatch.setenv("PATH", str(folder / "bin"))

    reading = built(folder)

    assert "not built: neither kubectl nor kustomize is in the PATH" in messages(reading)
    assert not (tmp_path / "started").exists()


def test_a_chart_is_built_in_a_namespace_that_nobody_said(programs, tmp_path):
    folder = chart(tmp_path / "web")
    script = 'test "$1 $2" = "template --namespace" || exit 1\n'
    text = service("web", "").replace("name: web", "name: web\n  namespace: NS")
    program(programs, "helm", f"{script}cat <<END | sed s/NS/$3/\n{text}\nEND\n")

    (found,) = built(folder).resources
    (assumed,) = built(folder, "shop").resources

    assert (found.namespace, assumed.namespace) == (UNKNOWN_NAMESPACE, "shop")


def test_a_chart_that_is_not_built_is_told(programs, tmp_path):
    folder = chart(tmp_path / "web")
    (programs / "helm").unlink()

    with pytest.raises(SourceError) as caught:
        built(folder)

    assert str(caught.value) == (
        f"{folder}: no Kubernetes objects there; {folder}/Chart.yaml was not built: "
        "helm is not in the PATH"
    )


def test_without_the_option_a_chart_is_to_be_built_first(tmp_path):
    folder = chart(tmp_path / "web")

    with pytest.raises(SourceError) as caught:
        opened(folder).collect(ALL)

    assert str(caught.value) == (
        f"{folder}: no Kubernetes objects there; {folder} is a Helm chart: render it first "
        "(`helm template`), or add --render"
    )


def test_one_overlay_is_built_with_its_base_where_both_are_given(programs, tmp_path):
    folder = kustomization(tmp_path / "app")
    write(folder / "dev/kustomization.yaml", "resources: [../base]\nnamePrefix: dev-\n")
    program(programs, "kubectl", PRINTS.format(service("a-web")))

    alone = opened(folder / "prod", is_rendering=True)
    both = opened(folder / "prod", folder / "base", is_rendering=True).collect(ALL)

    with pytest.raises(SourceError, match=r"leads out of the folder \(\.\./base\)"):
        alone.collect(ALL)
    assert set(places(both)) == {"Service shop/a-web"}
    assert messages(both) == []


def test_overlays_that_are_built_are_for_different_clusters(programs, tmp_path):
    folder = kustomization(tmp_path / "app")
    write(folder / "dev/kustomization.yaml", "resources: [../base]\nnamePrefix: dev-\n")
    text = service("web").replace("\n", "\\n")
    program(programs, "kubectl", f"printf '{text}'; printf 'spec: {{type: %s}}' ${{2##*/}}")

    reading = built(folder)

    whole = [each for each in reading.alternatives if not each.is_part]
    assert len(whole) == 1
    assert {str(each.file) for each in reading.locations.values()} == {
        str(folder / "dev/kustomization.yaml")
    }


def test_programs_that_hang_are_not_waited_for_again_and_again(programs, tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "SECONDS", 0.2)
    monkeypatch.setattr(object_files, "SECONDS_OF_ALL", 0.1)
    program(programs, "kubectl", "exec sleep 30")
    for name in ("a", "b", "c"):
        kustomization(tmp_path / "apps" / name)

    reading = built(tmp_path / "apps")

    reasons = [each.partition("not built: ")[2] for each in messages(reading)]
    assert sum("it takes longer than" in each for each in reasons) == 1
    assert sum("building the others took longer than" in each for each in reasons) == 2
    assert not any("--render" in note for note in reading.notes)
