"""What a request asks for, read from its path alone, as the real server's RequestInfo does."""

from dataclasses import dataclass

from aiohttp import web

from tests.apiserver.selectors import selected_name

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """The terms in which rights are granted; `path` only for what is no resource."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """The resource as rules name it, `pods/log` for a subresource."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def attributes_of(request: web.Request) -> Attributes:
    """Read a request; whether the resource exists is decided later, after permission."""
    parts = [part for part in request.path.split("/") if part]
    method_verb = _VERBS.get(request.method, "get")
    match parts:
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            return Attributes(verb=method_verb, path=request.path.rstrip("/") or "/")
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2:
            rest = rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    verb = method_verb
    if verb == "get" and not name:
        verb = "watch" if request.query.get("watch") in ("1", "true") else "list"
        name = selected_name(request.query.get("fieldSelector", ""))
    return Attributes(
        verb=verb,
        group=group,
        version=version,
        resource=resource,
        subresource=subresource,
        namespace=namespace,
        name=name,
    )
