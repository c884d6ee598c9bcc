"""What Kubernetes accepts as a name, by the rules of its API server."""

import pytest

from istiodoctor.model.names import (
    is_data_key,
    is_host,
    is_kind,
    is_label,
    is_label_key,
    is_label_value,
    is_object_name,
    is_subdomain,
)

RBAC = "rbac.authorization.k8s.io"


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (is_label, ["a", "0", "a-b", "x" * 63], ["", "-a", "a-", "A", "a.b", "x" * 64, "a\n"]),
        (
            is_subdomain,
            ["a", "a.b-c.0", ".".join(["x" * 62] * 4)],
            ["", ".", "a.", ".a", "a..b", "a.-b", "A", "a_b", "a/b", ".".join(["x" * 63] * 4)],
        ),
        (is_kind, ["Pod", "IngressClass", "a"], ["", "-A", "--all", "A/B", "A,B", "A B", "é"]),
        (
            is_label_key,
            ["app", "a.b/App_1", "istio.io/rev"],
            ["", "/a", "a/", "-a", "a/b/c", "A/a", "a=b", "x" * 64],
        ),
        (is_label_value, ["", "A.b_c-1", "x" * 63], ["-a", "a-", "a b", "a,b", "x" * 64, "a\n"]),
        (is_data_key, ["tls.crt", ".a", "-a", "_"], ["", ".", "..", "..a", "a=b", "a/b", "a b"]),
        (
            is_host,
            ["a", "Shop.Example.com", "*.example.com", "a.b."],
            ["", "*", "-servername", "a..b", "a b", "*.*.a", "a:443", "$(x).a", "@8.8.8.8"],
        ),
    ],
)
def test_a_name_is_one_by_the_rule_for_its_place(rule, good, bad):
    assert [text for text in good if not rule(text)] == []
    assert [text for text in bad if rule(text)] == []


@pytest.mark.parametrize(
    ("group", "kind", "name", "expected"),
    [
        ("", "Secret", "a.b", True),
        ("", "Secret", "--all", False),
        ("", "Service", "a.b", False),
        ("", "Namespace", "a.b", False),
        (RBAC, "Role", "system:node--x", True),
        (RBAC, "Role", "--all", True),
        (RBAC, "Role", "..", False),
        (RBAC, "Role", "a/b", False),
        (RBAC, "Role", "", False),
    ],
)
def test_which_rule_holds_depends_on_the_kind(group, kind, name, expected):
    assert is_object_name(group, kind, name) == expected
