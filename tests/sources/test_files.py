import json
import os
from typing import TypeGuard

import pytest

from istiodoctor.model.kind import OPTIONAL_READS, Kind
from istiodoctor.model.ref import UNKNOWN_NAMESPACE
from istiodoctor.model.services import Service
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Snapshot, UnreadReason
from istiodoctor.model.wanted import Wanted
from istiodoctor.sources.completeness import DERIVED, DERIVED_MESSAGE, DOUBT
from istiodoctor.sources.source import SourceError
from tests.sources.files_support import ALL, NOW, opened, places, read, service, unread, write


def test_every_document_is_found_with_its_line(tmp_path):
    text = f"# first\n---\n\n{service('a')}---\n# only a comment\n---\n{service('b')}...\n"
    file = write(tmp_path / "all.yaml", text + "%YAML 1.2\n---\n" + service("c"))

    reading = read(file)

    assert places(reading) == {
        "Service shop/a": "all.yaml:4",
        "Service shop/b": "all.yaml:12",
        "Service shop/c": "all.yaml:20",
    }
    assert reading.unread == ()


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + service("a").encode(),
        service("a").replace("\n", "\r\n").encode(),
        service("a").encode("utf-16"),
        ("--- # yes\r\n" + service("a").replace("\n", "\r\n")).encode(),
    ],
    ids=["byte order mark", "CRLF", "UTF-16", "marker with comment"],
)
def test_text_of_other_systems_is_understood(tmp_path, data):
    reading = read(write(tmp_path / "a.yaml", data))

    assert [str(each.ref) for each in reading.resources] == ["Service shop/a"]


def test_a_folder_is_read_through_sorted_and_without_hidden_files(tmp_path):
    write(tmp_path / "b" / "two.yml", service("two"))
    write(tmp_path / "a" / "deep" / "one.yaml", service("one"))
    write(
        tmp_path / "c.json",
        json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "three"}}),
    )
    write(tmp_path / ".git" / "four.yaml", service("four"))
    write(tmp_path / ".five.yaml", service("five"))
    write(tmp_path / "six.txt", service("six"))

    assert list(places(read(tmp_path)).items()) == [
        ("Service shop/one", "one.yaml:1"),
        ("Service shop/two", "two.yml:1"),
        ("Service three", "c.json:1"),
    ]


def test_paths_stay_as_the_user_wrote_them(tmp_path, monkeypatch):
    write(tmp_path / "apps" / "a.yaml", service("a"))
    monkeypatch.chdir(tmp_path)

    by_folder = read("apps")
    by_name = read("apps/a.yaml")

    assert [each.file for each in by_folder.locations.values()] == ["apps/a.yaml"]
    assert [each.file for each in by_name.locations.values()] == ["apps/a.yaml"]


def test_standard_input_is_a_file_called_dash():
    reading = read("-", stdin=service("a").encode())

    assert places(reading) == {"Service shop/a": "-:1"}


def test_an_object_without_a_namespace_is_in_an_unknown_one(tmp_path):
    issuer = "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata:\n  name: le\n"
    text = service("a", namespace="") + "---\n" + issuer + "  namespace: wrong\n"
    file = write(tmp_path / "a.yaml", text)

    reading = read(file)

    assert [each.namespace for each in reading.resources] == [UNKNOWN_NAMESPACE, ""]
    assert [each.ref.path for each in reading.resources] == ["a", "le"]
    assert reading.notes == (
        "1 object without a namespace, so that only what holds in any is said (--assume-namespace"
        " says which it is): Service a",
    )


def test_only_the_kinds_asked_for_are_decoded(tmp_path):
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n"
    file = write(tmp_path / "a.yaml", service("a") + "---\n" + namespace)

    reading = opened(file).collect(frozenset({Kind.NAMESPACE}))

    assert [str(each.ref) for each in reading.resources] == ["Namespace shop"]


def test_an_object_that_is_given_differently_is_any_of_its_versions(tmp_path):
    write(tmp_path / "a.yaml", service("a") + "spec:\n  type: NodePort\n")
    write(tmp_path / "b.yaml", service("a") + "spec:\n  type: LoadBalancer\n")

    reading = read(tmp_path)

    whole = [reading, *(each.reading for each in reading.alternatives if not each.is_part)]
    types = [found.spec.type for each in whole for found in each.resources if _is_service(found)]
    assert types == ["NodePort", "LoadBalancer"]
    assert [places(each) for each in whole] == [
        {"Service shop/a": "a.yaml:1"},
        {"Service shop/a": "b.yaml:1"},
    ]
    assert reading.notes == (
        "given differently in several places, so that only what holds with each of them is said: "
        f"Service shop/a ({tmp_path}/a.yaml:1, {tmp_path}/b.yaml:1)",
    )


def _is_service(found: object) -> TypeGuard[Service]:
    return isinstance(found, Service)


def test_an_object_that_is_given_the_same_way_again_is_one(tmp_path):
    write(tmp_path / "a.yaml", service("a") + "spec: {type: NodePort, selector: {a: b}}\n")
    write(tmp_path / "b.yaml", "spec: {selector: {a: b}, type: NodePort}\n" + service("a"))

    reading = read(tmp_path)

    assert (reading.alternatives, reading.notes) == ((), ())


def test_a_file_given_twice_is_read_once(tmp_path):
    file = write(tmp_path / "a.yaml", service("a"))

    assert read(file, tmp_path).notes == ()


def test_files_that_are_no_objects_are_passed_over_with_a_note(tmp_path):
    write(tmp_path / "a.yaml", service("a"))
    write(tmp_path / "Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n")
    write(tmp_path / "docker-compose.yml", "services:\n  web:\n    image: nginx\n")
    write(
        tmp_path / "kustomization.yaml",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
    )
    write(tmp_path / "templates" / "broken.yaml", "{{- if .Values.x }}\na: 1\n{{- end }}\n")
    write(tmp_path / "templates" / "named.yaml", service("{{ .Release.Name }}-web"))
    write(tmp_path / "templates" / "quoted.yaml", service("b") + "x: '{{ .Values.y }}'\n")

    reading = read(tmp_path)

    assert list(places(reading)) == ["Service shop/a"]
    assert {(each.kind, each.reason) for each in reading.unread} == {
        (None, UnreadReason.UNCERTAIN)
    }
    assert reading.notes == (
        "passed over 3 files with no Kubernetes objects: "
        f"{tmp_path}/Chart.yaml, {tmp_path}/docker-compose.yml, {tmp_path}/kustomization.yaml",
        "passed over 3 files with Helm templates (render them first: `helm template`): "
        f"{tmp_path}/templates/broken.yaml, {tmp_path}/templates/named.yaml, "
        f"{tmp_path}/templates/quoted.yaml",
    )


def test_a_config_map_may_hold_the_language_of_templates(tmp_path):
    text = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: injector\n"
        "data:\n  t: |\n    {{- if .Values.x }}\n"
    )

    reading = read(write(tmp_path / "a.yaml", text))

    assert list(places(reading)) == ["ConfigMap injector"]


def test_a_document_that_does_not_parse_does_not_cost_the_others(tmp_path):
    broken = "apiVersion: v1\nkind: Service\nmetadata:\n  name: b\n   namespace: c\n"
    file = write(tmp_path / "a.yaml", f"{service('a')}---\n{broken}---\n{service('c')}")

    reading = read(file)

    assert list(places(reading)) == ["Service shop/a", "Service shop/c"]
    assert unread(reading) == [
        ("services: malformed", "mapping values are not allowed in this context", 11)
    ]


def test_a_field_of_a_wrong_type_is_told_with_its_place(tmp_path):
    file = write(tmp_path / "a.yaml", "\n" + service("a") + "spec:\n  ports: 80\n")

    (entry,) = read(file, whole_cluster=True).unread[:1]

    assert (str(entry), entry.message) == (
        f"services a in shop: malformed ({file}:2)",
        "spec.ports: expected array, got int",
    )


def test_keys_that_json_does_not_have_are_told_without_their_value(tmp_path):
    file = write(tmp_path / "a.yaml", service("a") + "x:\n  ? 1.5\n  : private\n  ~: private\n")

    reading = read(file)

    assert [each.message for each in reading.unread] in (["holds what JSON cannot say"], [])


def test_plain_manifests_prove_no_absence(tmp_path):
    reading = read(write(tmp_path / "a.yaml", service("a")))

    assert (dict(reading.listed), reading.unread) == ({}, ())
    assert not _snapshot(reading).is_complete(Kind.SERVICE)


def test_a_whole_cluster_proves_absence_but_for_what_controllers_make(tmp_path):
    certificate = "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata:\n  name: a\n"
    file = write(tmp_path / "a.yaml", certificate)

    reading = read(file, whole_cluster=True)

    everywhere = frozenset({EVERYWHERE})
    assert reading.listed == dict.fromkeys(ALL - DERIVED - OPTIONAL_READS, everywhere)
    assert unread(reading) == [
        (f"{kind}: not-derived", DERIVED_MESSAGE, None) for kind in sorted(DERIVED, key=str)
    ]


def test_without_certificates_there_is_nothing_that_cert_manager_makes_of_them(tmp_path):
    file = write(tmp_path / "a.yaml", service("a"))

    reading = read(file, whole_cluster=True)

    made = {Kind.CERTIFICATE_REQUEST, Kind.ORDER, Kind.CHALLENGE}
    assert made <= reading.listed.keys()
    assert made.isdisjoint(each.kind for each in reading.unread)


def test_one_derived_object_makes_its_kind_complete(tmp_path):
    pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: gateway-0\n"
    file = write(tmp_path / "a.yaml", pod)

    reading = read(file, whole_cluster=True)

    assert Kind.POD in reading.listed
    assert Kind.POD not in {each.kind for each in reading.unread}


def test_what_may_be_anything_takes_the_proof_away(tmp_path):
    write(tmp_path / "a.yaml", service("a"))
    write(tmp_path / "b.yaml", b"\xff\xfe\x00\xd8")
    write(tmp_path / "c.yaml", "kind: [\n")

    reading = read(tmp_path, whole_cluster=True)

    assert dict(reading.listed) == {}
    assert DOUBT in reading.notes


def test_a_malformed_secret_makes_no_other_secret_absent(tmp_path):
    write(tmp_path / "a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: [\n---\n" + service("a"))

    snapshot = _snapshot(read(tmp_path, whole_cluster=True))

    assert not snapshot.is_complete(Kind.SECRET, "shop", "tls")
    assert snapshot.is_complete(Kind.SERVICE, "shop", "b")


def test_nothing_is_left_to_read_by_name(tmp_path):
    source = opened(write(tmp_path / "a.yaml", service("a")))

    assert source.read(Wanted(secrets=frozenset({("shop", "tls")}))) == Reading()
    assert (source.taken_at, source.name) == (NOW, str(tmp_path / "a.yaml"))


def test_a_path_that_does_not_exist_is_wrong_usage(tmp_path):
    with pytest.raises(SourceError) as caught:
        opened(tmp_path / "nope")

    assert (caught.value.kind, str(caught.value)) == (
        "usage",
        f"{tmp_path}/nope: there is no such file or folder",
    )


def test_an_archive_has_to_be_unpacked(tmp_path):
    with pytest.raises(SourceError) as caught:
        opened(write(tmp_path / "bug-report.tar.gz", b"\x1f\x8b"))

    assert (caught.value.kind, str(caught.value)) == (
        "usage",
        f"{tmp_path}/bug-report.tar.gz: archives are not supported yet; "
        "unpack it and give the folder",
    )


def test_a_folder_without_objects_cannot_be_scanned(tmp_path):
    write(tmp_path / "README.md", "# nothing")

    with pytest.raises(SourceError) as caught:
        read(tmp_path)

    assert (caught.value.kind, str(caught.value)) == (
        "no-objects",
        f"{tmp_path}: no Kubernetes objects there; "
        "give manifests, or what `kubectl get … -o yaml` prints",
    )


def test_a_file_that_is_all_wrong_says_what_is_wrong(tmp_path):
    with pytest.raises(SourceError) as caught:
        read(write(tmp_path / "a.json", '{\n  "a": 1\n  "b": 2\n}'))

    assert str(caught.value) == (
        f"{tmp_path}/a.json:3: could not be read: "
        "not valid JSON: JSON is malformed: expected ',' or '}'"
    )


def test_links_are_followed_within_the_tree_alone(tmp_path):
    outside = write(tmp_path / "outside.yaml", service("outside"))
    write(tmp_path / "tree" / "..2026" / "a.yaml", service("mounted"))
    (tmp_path / "tree" / "a.yaml").symlink_to("..2026/a.yaml")
    (tmp_path / "tree" / "b.yaml").symlink_to(outside)
    (tmp_path / "tree" / "loop").symlink_to(tmp_path / "tree")
    (tmp_path / "tree" / "lost.yaml").symlink_to("nowhere.yaml")

    reading = read(tmp_path / "tree")

    assert places(reading) == {"Service shop/mounted": "a.yaml:1"}
    assert reading.notes == (
        f"{tmp_path}/tree/b.yaml: a link out of the folder is not followed",
        f"{tmp_path}/tree/lost.yaml: passed over, it is no regular file",
    )


def test_a_pipe_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    write(tmp_path / "b.yaml", service("b"))

    reading = read(tmp_path)

    assert list(places(reading)) == ["Service shop/b"]
    assert reading.notes == (f"{tmp_path}/a.yaml: passed over, it is no regular file",)
    with pytest.raises(SourceError, match="this is no regular file; pipe its content in"):
        opened(tmp_path / "a.yaml")


def _snapshot(reading):
    return Snapshot(taken_at=NOW, source="files", readings=[reading])


def test_what_flux_puts_elsewhere_is_there(tmp_path):
    write(tmp_path / "clusters/app.yaml", FLUX)
    write(tmp_path / "apps/shop/web.yaml", service("a", "") + "---\n" + service("b", "own"))
    write(tmp_path / "apps/other/web.yaml", service("c", ""))

    assert set(places(read(tmp_path))) == {
        "Service target/a",
        "Service target/b",
        "Service c",
    }


FLUX = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app, namespace: flux-system}
spec: {path: ./apps/shop, targetNamespace: target}
"""


DELIVERED = {
    "flux": {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "app", "namespace": "flux-system"},
    },
    "argo": {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "app", "namespace": "argocd"},
    },
}
PATCH = {"target": {"kind": "Service", "name": "a"}, "patch": "- {op: remove, path: /spec}"}


def delivered(by: str, path: str, **changes: object) -> str:
    """Return what applies a folder and changes what is in it."""
    spec = {"path": path, **changes}
    if by == "argo":
        spec = {"sources": [{"path": path, "kustomize": changes}]}
    return json.dumps({**DELIVERED[by], "spec": spec})


@pytest.mark.parametrize("by", DELIVERED)
@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, {"a", "b", "c"}),
        ({"patches": [PATCH]}, {"b", "c"}),
        ({"namePrefix": "dev-"}, {"c"}),
        ({"components": ["../extra"]}, {"c"}),
        ({"patches": [{**PATCH, "target": {"kind": "Gateway"}}]}, {"a", "b", "c"}),
        ({"patches": 3, "components": []}, {"a", "b", "c"}),
    ],
)
def test_what_flux_and_argo_cd_change_is_not_known(tmp_path, by, changes, left):
    write(tmp_path / "clusters/app.yaml", delivered(by, "apps/shop", **changes))
    write(tmp_path / "apps/shop/web.yaml", service("a") + "---\n" + service("b"))
    write(tmp_path / "apps/other/web.yaml", service("c"))

    reading = read(tmp_path)

    assert set(places(reading)) == {f"Service shop/{name}" for name in left}
    assert {each.name for each in reading.unread if each.reason == "uncertain"} == (
        {"a", "b", "c"} - left
    )
    assert not any("--render" in note for note in reading.notes)


@pytest.mark.parametrize("name", ["gateway.jsonnet", "gateway.yaml.j2", "gateway.yml.tmpl"])
def test_files_that_manifests_are_made_from_are_told(tmp_path, name):
    write(tmp_path / "a.yaml", service("a"))
    write(tmp_path / name, "{}")

    reading = read(tmp_path)

    assert [(each.kind, each.reason) for each in reading.unread] == [
        (None, UnreadReason.UNCERTAIN)
    ]
    assert reading.notes == (
        f"passed over 1 file with templates (render them first): {tmp_path}/{name}",
    )


def test_values_of_ytt_are_passed_over_with_the_whole_file(tmp_path):
    text = service("a") + '---\n#@ load("@ytt:data", "data")\n---\n' + service("b")
    write(tmp_path / "a.yaml", text)
    write(tmp_path / "b.yaml", service("c") + "# see @b, #@c and a#@ b\n")

    reading = read(tmp_path)

    assert set(places(reading)) == {"Service shop/c"}
    assert reading.notes == (
        f"passed over 1 file with ytt templates (render them first: `ytt -f`): {tmp_path}/a.yaml",
    )


CONTAINER = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: shop}
spec:
  template:
    spec:
      containers:
      - name: a
        args:
        - VALUE
"""


@pytest.mark.parametrize(
    "value",
    ["'{{ .Message }}'", '"{{- if .X }}"', "--template={{.Message}}", "|\n          {{ a }}"],
)
def test_a_template_within_a_scalar_is_text(tmp_path, value):
    reading = read(write(tmp_path / "a.yaml", CONTAINER.replace("VALUE", value)))

    assert list(places(reading)) == ["Deployment shop/a"]
    assert reading.notes == ()
