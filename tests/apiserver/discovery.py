"""Discovery: which groups, versions and resources there are."""

from tests.apiserver.answers import UnroutedError
from tests.apiserver.kinds import Catalog, Kind

_READ_VERBS = ["get", "list", "watch"]
_SUBRESOURCES = {"Pod": ("log", "portforward")}


def answer(catalog: Catalog, path: str) -> dict[str, object]:
    """The discovery document of a path."""
    match [part for part in path.split("/") if part]:
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"]}
        case ["apis"]:
            groups = [_group(name, versions) for name, versions in catalog.groups().items()]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", group] if group in catalog.groups():
            body = _group(group, catalog.groups()[group])
            return {"kind": "APIGroup", "apiVersion": "v1", **body}
        case ["api", "v1"]:
            return _resources("v1", catalog.resources("", "v1"))
        case ["apis", group, version] if version in catalog.groups().get(group, ()):
            return _resources(f"{group}/{version}", catalog.resources(group, version))
        case _:
            raise UnroutedError


def _group(name: str, versions: tuple[str, ...]) -> dict[str, object]:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(group_version: str, kinds: list[Kind]) -> dict[str, object]:
    resources = [entry for kind in kinds for entry in _entries(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }


def _entries(kind: Kind) -> list[dict[str, object]]:
    common = {"namespaced": kind.namespaced, "kind": kind.name}
    verbs = ["create"] if kind.name == "SelfSubjectAccessReview" else _READ_VERBS
    entry = {
        "name": kind.plural,
        "singularName": kind.name.lower(),
        **common,
        "verbs": verbs,
    }
    inside = () if kind.custom else _SUBRESOURCES.get(kind.name, ())
    return [entry] + [
        {"name": f"{kind.plural}/{name}", "singularName": "", **common, "verbs": ["get"]}
        for name in inside
    ]
