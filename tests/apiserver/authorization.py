"""What a user may do: everything but what is forbidden, or just what RBAC objects grant."""

from dataclasses import dataclass

from tests.apiserver import rbac
from tests.apiserver.answers import RefusedError, details
from tests.apiserver.attributes import Attributes
from tests.apiserver.authentication import ANONYMOUS, User

# What every Kubernetes grants: system:public-info-viewer, system:discovery, system:basic-user.
_PUBLIC_PATHS = ("/version", "/healthz", "/livez", "/readyz")
_DISCOVERY_PATHS = ("/api", "/apis", "/openapi")
_BASIC = Attributes(
    verb="create", group="authorization.k8s.io", resource="selfsubjectaccessreviews"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prohibition:
    """A right nobody has; `None` means any. A namespace `""` means requests for all of them."""

    resource: str | None
    namespace: str | None
    verb: str | None
    group: str | None
    name: str | None
    user: str | None

    def covers(self, user: User, attributes: Attributes) -> bool:
        """Whether a request falls under it.

        Who lacks one namespace cannot list all of them either, since no role says "all but".
        """
        pairs = (
            (self.resource, attributes.full_resource),
            (self.verb, attributes.verb),
            (self.group, attributes.group),
            (self.name, attributes.name),
            (self.user, user.name),
        )
        return (
            not attributes.path
            and all(wanted in (None, actual) for wanted, actual in pairs)
            and (self.namespace is None or attributes.namespace in ("", self.namespace))
        )


class Authorization:
    """Decides, and words the refusal."""

    def __init__(self, objects: rbac.Objects, *, by_rbac: bool) -> None:
        """`objects` gives the RBAC objects of the cluster as they are at each request."""
        self._objects = objects
        self._by_rbac = by_rbac
        self._prohibitions: list[Prohibition] = []

    def forbid(self, prohibition: Prohibition) -> None:
        """Take a right away."""
        self._prohibitions.append(prohibition)

    def permit_all(self) -> None:
        """Give back what was forbidden."""
        self._prohibitions.clear()

    def allowed(self, user: User, attributes: Attributes) -> bool:
        """Whether the user may do this."""
        if attributes.path in _PUBLIC_PATHS:
            return True
        if any(rule.covers(user, attributes) for rule in self._prohibitions):
            return False
        if user == ANONYMOUS:
            return False
        if not self._by_rbac or "system:masters" in user.groups:
            return True
        return self._granted_to_everyone(attributes) or rbac.allowed(
            self._objects, user, attributes
        )

    def require(self, user: User, attributes: Attributes) -> None:
        """Refuse a request as the real server words it."""
        if self.allowed(user, attributes):
            return
        if attributes.path:
            message = (
                f'forbidden: User "{user.name}" cannot {attributes.verb} path "{attributes.path}"'
            )
            raise RefusedError(403, "Forbidden", message)
        group, resource = attributes.group, attributes.resource
        subject = f"{resource}.{group}" if group else resource
        name = f' "{attributes.name}"' if attributes.name else ""
        scope = (
            f'in the namespace "{attributes.namespace}"'
            if attributes.namespace
            else "at the cluster scope"
        )
        raise RefusedError(
            403,
            "Forbidden",
            f'{subject}{name} is forbidden: User "{user.name}" cannot {attributes.verb} resource'
            f' "{attributes.full_resource}" in API group "{group}" {scope}',
            details=details(resource, group, attributes.name),
        )

    def _granted_to_everyone(self, attributes: Attributes) -> bool:
        if attributes.path:
            return any(
                attributes.path == path or attributes.path.startswith(path + "/")
                for path in _DISCOVERY_PATHS
            )
        basic = (_BASIC.verb, _BASIC.group, _BASIC.resource)
        return (attributes.verb, attributes.group, attributes.resource) == basic
