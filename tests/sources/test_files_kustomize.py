"""Folders for kustomize: patches are parts of objects, and a namespace may stand beside them."""

import pytest

from tests.sources.files_support import places, read, service, write


@pytest.mark.parametrize(
    "listed",
    ["patches: [{path: ports.yaml}]", "patchesStrategicMerge: [ports.yaml]"],
)
def test_a_patch_is_no_object(tmp_path, listed):
    write(tmp_path / "base/web.yaml", service("web"))
    write(tmp_path / "prod/ports.yaml", service("web"))
    write(tmp_path / "prod/kustomization.yaml", f"resources: [../base]\n{listed}\n")

    reading = read(tmp_path)

    assert places(reading) == {"Service shop/web": "web.yaml:1"}
    assert [note for note in reading.notes if "patches of a kustomization" in note]


def test_a_patch_that_is_asked_for_by_name_is_read(tmp_path):
    write(tmp_path / "kustomization.yaml", "patches: [{path: web.yaml}]\n")
    file = write(tmp_path / "web.yaml", service("web"))

    assert places(read(file)) == {"Service shop/web": "web.yaml:1"}


def test_objects_get_the_namespace_of_their_kustomization_whatever_they_say(tmp_path):
    write(tmp_path / "base/web.yaml", service("web", "") + "---\n" + service("named", "own"))
    write(tmp_path / "base/kustomization.yaml", "resources: [web.yaml]\n")
    write(tmp_path / "prod/kustomization.yaml", "namespace: prod\nresources: [../base]\n")

    assert places(read(tmp_path)) == {
        "Service prod/web": "web.yaml:1",
        "Service prod/named": "web.yaml:6",
    }


def test_kustomizations_that_disagree_give_no_namespace(tmp_path):
    write(tmp_path / "base/web.yaml", service("web", ""))
    for stage in ("dev", "prod"):
        write(
            tmp_path / stage / "kustomization.yaml",
            f"namespace: {stage}\nresources: [../base/web.yaml]\n",
        )

    assert places(read(tmp_path)) == {"Service web": "web.yaml:1"}


@pytest.mark.parametrize(
    "content",
    [
        "resources: [../base]\nbases: [.]\nnamespace: x\n",
        "resources: {a: b}\npatches: [1, {path: [2]}, null]\nnamespace: [x]\n",
        "namespace: x\nresources: [3, 'https://example.com/a', \"\\0\"]\n",
        "{{ broken",
    ],
)
def test_odd_kustomizations_hide_nothing(tmp_path, content):
    write(tmp_path / "kustomization.yaml", content)
    write(tmp_path / "web.yaml", service("web"))

    assert places(read(tmp_path)) == {"Service shop/web": "web.yaml:1"}
