from typing import Any

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.workloads.rights import Permission, may_list_secrets, may_read_credentials
from istiodoctor.mesh.workloads.workloads import routers
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Snapshot, Unread
from istiodoctor.testing.words import NOW
from tests.support.objects import RBAC, Manifest, made, mesh_of, pod, snapshot_of

READ = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}
ME: Manifest = {"kind": "ServiceAccount", "name": "gateway", "namespace": "edge"}


def role(**rule: Any) -> Manifest:
    return made(RBAC, "Role", "sds", "edge", rules=[READ | rule])


def cluster_role(name: str = "sds", *rules: Manifest, **fields: Any) -> Manifest:
    return made(RBAC, "ClusterRole", name, "", rules=list(rules), **fields)


def binding(
    *subjects: Manifest, kind: str = "Role", name: str = "sds", namespace: str = "edge"
) -> Manifest:
    return made(
        RBAC,
        "RoleBinding",
        "sds",
        namespace,
        roleRef={"kind": kind, "name": name},
        subjects=list(subjects or [ME]),
    )


def cluster_binding(*subjects: Manifest, name: str = "sds") -> Manifest:
    return made(
        RBAC,
        "ClusterRoleBinding",
        "sds",
        "",
        roleRef={"kind": "ClusterRole", "name": name},
        subjects=list(subjects or [ME]),
    )


def asked(mesh: Mesh) -> Permission:
    return may_list_secrets(mesh, "edge", "gateway")


def test_a_role_and_its_binding_in_the_namespace_of_the_pods_grant_the_right():
    found = asked(mesh_of(role(), binding()))

    assert (found.allowed, str(found.by)) == (True, "RoleBinding edge/sds")


def test_without_any_binding_the_right_is_denied():
    assert asked(mesh_of(role())) == Permission(allowed=False)


def test_a_binding_whose_role_does_not_help_is_named():
    found = asked(mesh_of(role(verbs=["get"]), binding()))

    assert (found.allowed, [str(each) for each in found.bindings]) == (
        False,
        ["RoleBinding edge/sds"],
    )


def test_a_role_in_another_namespace_does_not_help():
    elsewhere = made(RBAC, "Role", "sds", "shop", rules=[READ])

    assert asked(mesh_of(elsewhere, binding())).allowed is False


def test_a_binding_in_another_namespace_does_not_help():
    elsewhere = made(RBAC, "Role", "sds", "shop", rules=[READ])

    assert asked(mesh_of(elsewhere, binding(namespace="shop"))) == Permission(allowed=False)


def test_a_role_binding_may_lend_the_rules_of_a_cluster_role():
    assert asked(mesh_of(cluster_role("sds", READ), binding(kind="ClusterRole"))).allowed is True


def test_a_cluster_role_of_that_name_is_not_the_role():
    assert asked(mesh_of(cluster_role("sds", READ), binding(kind="Role"))).allowed is False


def test_a_cluster_role_binding_grants_everywhere():
    found = asked(mesh_of(cluster_role("sds", READ), cluster_binding()))

    assert (found.allowed, str(found.by)) == (True, "ClusterRoleBinding sds")


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (ME, True),
        ({"kind": "ServiceAccount", "name": "gateway"}, True),
        ({"kind": "ServiceAccount", "name": "gateway", "namespace": "shop"}, False),
        ({"kind": "ServiceAccount", "name": "default", "namespace": "edge"}, False),
        ({"kind": "User", "name": "system:serviceaccount:edge:gateway"}, True),
        ({"kind": "User", "name": "gateway"}, False),
        ({"kind": "Group", "name": "system:serviceaccounts"}, True),
        ({"kind": "Group", "name": "system:serviceaccounts:edge"}, True),
        ({"kind": "Group", "name": "system:serviceaccounts:shop"}, False),
        ({"kind": "Group", "name": "system:authenticated"}, True),
        ({"kind": "Group", "name": "system:unauthenticated"}, False),
        ({"kind": "Group", "name": "admins"}, False),
    ],
)
def test_a_subject_names_the_account_itself_or_one_of_its_groups(
    subject: Manifest, expected: bool
):
    assert asked(mesh_of(role(), binding(subject))).allowed is expected


def test_a_cluster_role_binding_has_no_namespace_to_give_an_account():
    nowhere = {"kind": "ServiceAccount", "name": "gateway"}

    assert asked(mesh_of(cluster_role("sds", READ), cluster_binding(nowhere))).allowed is False


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, True),
        ({"verbs": ["*"]}, True),
        ({"resources": ["*"]}, True),
        ({"apiGroups": ["*"]}, True),
        ({"verbs": ["get", "watch"]}, False),
        ({"resources": ["secrets/status"]}, False),
        ({"resources": ["configmaps"]}, False),
        ({"apiGroups": ["apps"]}, False),
        ({"apiGroups": []}, False),
        ({"resourceNames": ["cert"]}, False),
        ({"verbs": ["*"], "resources": ["*"], "resourceNames": ["cert"]}, False),
    ],
)
def test_a_rule_grants_the_right_to_list_all_secrets_or_none(rule: Manifest, expected: bool):
    assert asked(mesh_of(role(**rule), binding())).allowed is expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"matchLabels": {"to": "sds"}}, True),
        ({"matchExpressions": [{"key": "to", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "to", "operator": "In", "values": ["sds"]}]}, True),
        ({"matchExpressions": [{"key": "to", "operator": "NotIn", "values": ["sds"]}]}, False),
        ({"matchExpressions": [{"key": "to", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"to": "other"}}, False),
    ],
)
def test_an_aggregated_cluster_role_has_the_rules_of_those_its_labels_select(
    selector: Manifest, expected: bool
):
    mesh = mesh_of(
        cluster_role("sds", aggregationRule={"clusterRoleSelectors": [selector]}),
        cluster_role("part", READ, labels={"to": "sds"}),
        cluster_binding(),
    )

    assert asked(mesh).allowed is expected


def test_pods_without_an_account_have_the_rights_of_the_default_one():
    mesh = mesh_of(
        pod(namespace="edge"),
        role(),
        binding({"kind": "ServiceAccount", "name": "default", "namespace": "edge"}),
    )

    assert may_read_credentials(mesh, routers(mesh)[0]).allowed is True


@pytest.mark.parametrize(
    "unread",
    [
        Unread(kind=Kind.ROLE_BINDING),
        Unread(kind=Kind.ROLE_BINDING, namespace="edge"),
        Unread(kind=Kind.CLUSTER_ROLE_BINDING),
    ],
)
def test_a_right_is_unknown_where_a_binding_may_exist_unseen(unread: Unread):
    mesh = Mesh(snapshot_of(role()).plus(Reading(unread=(unread,))))

    assert asked(mesh) == Permission(allowed=None)


@pytest.mark.parametrize(
    ("bound", "unread"),
    [
        (binding(), Unread(kind=Kind.ROLE)),
        (binding(), Unread(kind=Kind.ROLE, namespace="edge", name="sds")),
        (binding(kind="ClusterRole"), Unread(kind=Kind.CLUSTER_ROLE)),
        (cluster_binding(), Unread(kind=Kind.CLUSTER_ROLE, name="sds")),
    ],
)
def test_a_right_is_unknown_where_the_bound_role_was_not_read(bound: Manifest, unread: Unread):
    mesh = Mesh(snapshot_of(bound).plus(Reading(unread=(unread,))))

    assert asked(mesh).allowed is None


def test_a_binding_unread_in_another_namespace_changes_nothing():
    unread = Unread(kind=Kind.ROLE_BINDING, namespace="shop")
    mesh = Mesh(snapshot_of(role()).plus(Reading(unread=(unread,))))

    assert asked(mesh).allowed is False


def test_a_right_that_is_granted_stays_so_whatever_else_was_not_read():
    unread = Unread(kind=Kind.CLUSTER_ROLE_BINDING)
    mesh = Mesh(snapshot_of(role(), binding()).plus(Reading(unread=(unread,))))

    assert asked(mesh).allowed is True


def test_a_binding_to_a_role_that_does_not_exist_grants_nothing():
    assert asked(mesh_of(binding(name="gone"))).allowed is False


def test_where_nothing_was_read_nothing_is_known():
    listed = {Kind.POD: frozenset({EVERYWHERE})}
    mesh = Mesh(Snapshot(taken_at=NOW, source="test", readings=[Reading(listed=listed)]))

    assert asked(mesh) == Permission(allowed=None)
