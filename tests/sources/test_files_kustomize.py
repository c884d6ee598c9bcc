"""Folders for kustomize: patches are parts of objects, and a namespace may stand beside them."""

import pytest

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import UnreadReason
from tests.sources.files_support import ALL, opened, places, read, service, write


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


def uncertain(reading):
    """Return what is left unread as it is changed later, with the reason."""
    return {
        (f"{each.kind} {each.namespace}/{each.name}", each.message)
        for each in reading.unread
        if each.reason is UnreadReason.UNCERTAIN
    }


BY = "the kustomization prod/kustomization.yaml changes it"


@pytest.mark.parametrize(
    "change",
    [
        "patches: [{path: ports.yaml}]",
        "patchesStrategicMerge: [ports.yaml]",
        "patchesStrategicMerge:\n- |\n  {apiVersion: v1, kind: Service, metadata: {name: web}}\n",
        "patches:\n- patch: |\n    {apiVersion: v1, kind: Service, metadata: {name: web}}\n",
        "patches:\n- target: {kind: Service, name: web}\n  patch: '[{op: remove, path: /spec}]'\n",
        "patches: [{target: {kind: Service, name: 'w.*'}, path: ports.yaml}]",
        "patchesJson6902: [{target: {version: v1, kind: Service, name: web}, path: ports.yaml}]",
        "patches: [{target: {labelSelector: a=b}, path: ports.yaml}]",
        "namePrefix: a-",
        "nameSuffix: -b",
        "commonLabels: {a: b}",
        "labels: [{pairs: {a: b}, includeSelectors: true}]",
        "replacements: [{path: r.yaml}]",
        "components: [../extra]",
        "transformers: [t.yaml]",
        "vars: [{name: X}]",
    ],
)
def test_what_a_kustomization_changes_is_not_known(tmp_path, change):
    write(tmp_path / "base/web.yaml", service("web"))
    write(tmp_path / "base/kustomization.yaml", "resources: [web.yaml]\n")
    write(tmp_path / "prod/ports.yaml", service("web"))
    write(tmp_path / "prod/kustomization.yaml", f"resources: [../base]\n{change}\n")

    reading = read(tmp_path)

    assert places(reading) == {}
    assert ("services shop/web", BY) in uncertain(reading)
    assert any(BY in note for note in reading.notes)


@pytest.mark.parametrize(
    "change",
    [
        "patches: [{target: {kind: Service, name: other}, patch: '[]'}]",
        "patches: [{target: {kind: Deployment}, patch: '[]'}]",
        "commonAnnotations: {a: b}",
        "labels: [{pairs: {a: b}}]",
        "images: [{name: app, newTag: '2'}]",
    ],
)
def test_what_a_kustomization_leaves_alone_is_known(tmp_path, change):
    write(tmp_path / "web.yaml", service("web"))
    write(tmp_path / "kustomization.yaml", f"resources: [web.yaml]\n{change}\n")

    assert places(read(tmp_path)) == {"Service shop/web": "web.yaml:1"}


@pytest.mark.parametrize(
    "taken_in",
    [
        "https://example.com/all.yaml",
        "github.com/example/deploy//base?ref=v1",
        "git@example.com:deploy.git",
        "../../elsewhere",
        "/etc",
    ],
)
def test_what_is_not_in_the_folder_is_told_and_the_rest_is_judged(tmp_path, taken_in):
    write(tmp_path / "elsewhere/kustomization.yaml", "resources: []\n")
    write(tmp_path / "top/app/web.yaml", service("web"))
    write(tmp_path / "top/app/kustomization.yaml", f"resources: [web.yaml, '{taken_in}']\n")

    reading = read(tmp_path / "top")

    assert places(reading) == {"Service shop/web": "web.yaml:1"}
    assert uncertain(reading) == {
        ("None /", f"it takes in {taken_in}, which is not in the folder")
    }


@pytest.mark.parametrize(
    ("field", "kind"), [("secretGenerator", Kind.SECRET), ("configMapGenerator", Kind.CONFIG_MAP)]
)
def test_what_a_kustomization_generates_is_not_absent(tmp_path, field, kind):
    write(tmp_path / "web.yaml", service("web"))
    write(
        tmp_path / "kustomization.yaml",
        f"resources: [web.yaml]\n{field}: [{{name: made, literals: [a=b]}}]\n",
    )

    reading = read(tmp_path, whole_cluster=True)

    assert [each.kind for each in reading.unread if each.reason is UnreadReason.UNCERTAIN] == [
        kind
    ]


def test_kustomizations_that_take_each_other_in_end(tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        write(tmp_path / name / "web.yaml", service(name))
        write(
            tmp_path / name / "kustomization.yaml",
            f"namespace: shop\nresources: [web.yaml, ../{other}]\n",
        )

    assert set(places(read(tmp_path))) == {"Service shop/a", "Service shop/b"}


def test_a_namespace_that_is_assumed_is_that_of_objects_without_one(tmp_path):
    write(tmp_path / "web.yaml", service("web", "") + "---\n" + service("named", "own"))

    reading = opened(tmp_path, assumed_namespace="shop").collect(ALL)

    assert set(places(reading)) == {"Service shop/web", "Service own/named"}
    assert reading.notes == ()
