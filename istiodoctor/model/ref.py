"""References to objects: API group, kind, namespace and name."""

from typing import NamedTuple

from istiodoctor.model.kind import GATEWAY_API
from istiodoctor.model.value import Value

UNKNOWN_NAMESPACE = "?"
"""Stands for the namespace of an object that manifests give none: no namespace can be called so,
so that nothing is taken for it and no command is made with it."""


class Ref(NamedTuple):
    """One object: API group, kind, namespace (empty for cluster-scoped) and name."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`Secret shop/shop-cert`; a Gateway API Gateway says so, Istio's is plain."""
        kind = "Gateway API Gateway" if self.is_gateway_api_gateway else self.kind
        return f"{kind} {self.path}"

    @property
    def path(self) -> str:
        """`namespace/name`, or the name alone where there is no namespace or none is known."""
        is_known = self.namespace not in ("", UNKNOWN_NAMESPACE)
        return f"{self.namespace}/{self.name}" if is_known else self.name

    @property
    def is_gateway_api_gateway(self) -> bool:
        """Whether this is a Gateway of the Gateway API, not Istio's kind of the same name."""
        return self.kind == "Gateway" and self.group == GATEWAY_API

    @property
    def resource(self) -> str:
        """The argument kubectl takes for this kind, with the group where it has one.

        Gateways and Services exist in several API groups (Knative has a Service of its own).
        """
        return f"{self.kind.lower()}.{self.group}" if self.group else self.kind.lower()


class Place(Value, frozen=True, order=True):
    """An object and, where it matters, a field of it."""

    ref: Ref
    path: str = ""
    """A JSON Pointer (RFC 6901) into the object; empty for the object as a whole."""
    file: str | None = None
    line: int | None = None

    @property
    def field(self) -> str:
        """The field as people write it: `spec.servers[0].tls`; empty for the whole object."""
        written = ""
        for token in self.path.split("/")[1:]:
            key = token.replace("~1", "/").replace("~0", "~")
            if key.isascii() and key.isdigit():
                written += f"[{key}]"
            elif key and all(character.isalnum() or character in "-_" for character in key):
                written += f".{key}" if written else key
            else:
                written += f'["{key}"]'
        return written

    def __str__(self) -> str:
        """Name the object, then the field: `Gateway shop/web spec.servers[0].tls`."""
        return f"{self.ref} {self.field}" if self.path else str(self.ref)
