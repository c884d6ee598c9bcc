"""The forms of `credentialName` (pilot/pkg/model/credentials/resource.go)."""

from enum import StrEnum

from istiodoctor.model.value import Value

CA_SUFFIX = "-cacert"


class Form(StrEnum):
    """What kind of place a credential name points to."""

    KUBERNETES = "kubernetes"
    """A Secret in the gateway pod's own namespace."""
    KUBERNETES_GATEWAY = "kubernetes-gateway"
    """A Secret by namespace, subject to a verified reference (what Gateway API references
    become)."""
    CONFIG_MAP = "configmap"
    BUILTIN = "builtin"
    INVALID = "invalid"
    EXTERNAL = "sds"
    """Served by somebody else than istiod: unknown here, never reported."""
    FILE = "file"
    UNPARSABLE = "unparsable"


class Purpose(StrEnum):
    """What a server wants of a credential."""

    SERVER = "server"
    CLIENT_CA = "authority"


class CredentialReference(Value, frozen=True, kw_only=True):
    """One reference from a server to a credential."""

    text: str
    """As written."""
    form: Form
    namespace: str = ""
    """The namespace named in the reference; empty when it names none."""
    name: str = ""
    purpose: Purpose = Purpose.SERVER
    path: str = ""
    """JSON Pointer of the field within its object."""
    granted: bool | None = True
    """For KUBERNETES_GATEWAY: whether a reference across namespaces is permitted; None when not
    known."""


def parse_credential_name(text: str) -> tuple[Form, str, str]:
    """Return form, namespace (may be empty) and name of a `credentialName`."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "kubernetes", text
    parts = rest.split("/")
    match scheme:
        case "builtin":
            return Form.BUILTIN, "", rest
        case "invalid":
            return Form.INVALID, "", rest
        case "sds":
            return Form.EXTERNAL, "", rest
        case "kubernetes" if len(parts) == 1 and parts[0]:
            return Form.KUBERNETES, "", parts[0]
        case "kubernetes" if len(parts) == 2 and all(parts):
            return Form.KUBERNETES, parts[0], parts[1]
        case "kubernetes-gateway" if len(parts) == 2 and all(parts):
            return Form.KUBERNETES_GATEWAY, parts[0], parts[1]
        case "configmap" if len(parts) == 2 and all(parts):
            return Form.CONFIG_MAP, parts[0], parts[1]
        case _:
            return Form.UNPARSABLE, "", text
