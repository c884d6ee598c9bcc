"""Rights worked out from Roles, ClusterRoles and their bindings, as the real server does."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tests.apiserver.attributes import Attributes
from tests.apiserver.authentication import User

Body = Mapping[str, Any]
Objects = Callable[[str, str], Iterable[Body]]

_GROUP = "rbac.authorization.k8s.io"


def allowed(objects: Objects, user: User, attributes: Attributes) -> bool:
    """Whether some binding gives the user this right."""
    return any(_permits(rule, attributes) for rule in _rules(objects, user, attributes.namespace))


def _rules(objects: Objects, user: User, namespace: str) -> Iterator[Body]:
    """The rules that hold for a user in a namespace, or for the whole cluster."""
    for binding in objects(_GROUP, "ClusterRoleBinding"):
        if _binds(binding, user):
            yield from _cluster_rules(objects, binding["roleRef"]["name"])
    for binding in objects(_GROUP, "RoleBinding") if namespace else ():
        if binding["metadata"]["namespace"] == namespace and _binds(binding, user):
            reference = binding["roleRef"]
            if reference["kind"] == "ClusterRole":
                yield from _cluster_rules(objects, reference["name"])
            else:
                yield from _role_rules(objects, namespace, reference["name"])


def _role_rules(objects: Objects, namespace: str, name: str) -> Iterator[Body]:
    for role in objects(_GROUP, "Role"):
        if (role["metadata"]["namespace"], role["metadata"]["name"]) == (namespace, name):
            yield from role.get("rules") or ()


def _cluster_rules(objects: Objects, name: str) -> Iterator[Body]:
    roles = list(objects(_GROUP, "ClusterRole"))
    for role in roles:
        if role["metadata"]["name"] == name:
            yield from role.get("rules") or ()
            aggregation = role.get("aggregationRule") or {}
            for selector in aggregation.get("clusterRoleSelectors") or ():
                for other in roles:
                    if _carries(other, selector.get("matchLabels") or {}):
                        yield from other.get("rules") or ()


def _carries(role: Body, wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= (role["metadata"].get("labels") or {}).items()


def _binds(binding: Body, user: User) -> bool:
    for subject in binding.get("subjects") or ():
        match subject["kind"]:
            case "User":
                bound = subject["name"] == user.name
            case "Group":
                bound = subject["name"] in user.groups
            case "ServiceAccount":
                # without a namespace the real server refuses the binding: it binds nobody
                namespace = subject.get("namespace", "")
                bound = user.name == f"system:serviceaccount:{namespace}:{subject['name']}"
            case _:
                bound = False
        if bound:
            return True
    return False


def _permits(rule: Body, attributes: Attributes) -> bool:
    if not _covers(rule.get("verbs"), attributes.verb):
        return False
    if attributes.path:
        return any(_path_covers(url, attributes.path) for url in rule.get("nonResourceURLs") or ())
    resources = rule.get("resources") or ()
    names = rule.get("resourceNames") or ()
    return (
        _covers(rule.get("apiGroups"), attributes.group)
        and (
            _covers(resources, attributes.full_resource)
            or bool(attributes.subresource and f"*/{attributes.subresource}" in resources)
        )
        and (not names or attributes.name in names)
    )


def _covers(granted: Iterable[str] | None, wanted: str) -> bool:
    return any(entry in ("*", wanted) for entry in granted or ())


def _path_covers(granted: str, path: str) -> bool:
    return path.startswith(granted[:-1]) if granted.endswith("*") else path == granted
