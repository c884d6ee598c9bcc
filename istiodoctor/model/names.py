"""What Kubernetes accepts as a name: no object, label or host can be called anything else.

Sources: k8s.io/apimachinery `pkg/util/validation/validation.go` and
`pkg/api/validation/path/name.go`; kubernetes.io, Object Names and IDs, Labels and Selectors.
"""

import re

from istiodoctor.model.kind import CORE, RBAC

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_LABEL_TEXT = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KIND = re.compile(r"[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?")
LONGEST_LABEL = 63
LONGEST_NAME = 253
SHORT_NAMED = frozenset({(CORE, "Namespace"), (CORE, "Service")})
"""Kinds whose names become one label of a DNS name."""


def is_label(text: str) -> bool:
    """Whether this is a DNS label (RFC 1123): the name of a namespace, Service or container."""
    return len(text) <= LONGEST_LABEL and bool(_LABEL.fullmatch(text))


def is_subdomain(text: str) -> bool:
    """Whether this is a DNS subdomain (RFC 1123): the name of most objects, or an API group."""
    return len(text) <= LONGEST_NAME and bool(_SUBDOMAIN.fullmatch(text))


def is_kind(text: str) -> bool:
    """Whether a kind of object can be called this."""
    return len(text) <= LONGEST_LABEL and bool(_KIND.fullmatch(text))


def is_object_name(group: str, kind: str, name: str) -> bool:
    """Whether an object of this kind can have this name.

    Names of roles and bindings need to be a segment of a path only: `system:node` is one.
    """
    if group == RBAC:
        return name not in ("", ".", "..") and not {"/", "%"} & set(name)
    return is_label(name) if (group, kind) in SHORT_NAMED else is_subdomain(name)


def is_label_key(text: str) -> bool:
    """Whether a label or annotation can have this key: a name, perhaps with a domain before it."""
    domain, slash, name = text.rpartition("/")
    return is_label_value(name) and name != "" and (not slash or is_subdomain(domain))


def is_label_value(text: str) -> bool:
    """Whether a label can have this value; it may be empty."""
    return not text or (len(text) <= LONGEST_LABEL and bool(_LABEL_TEXT.fullmatch(text)))


def is_data_key(text: str) -> bool:
    """Whether a Secret or ConfigMap can hold a value under this key."""
    is_up = text == "." or text.startswith("..")
    return len(text) <= LONGEST_NAME and bool(_DATA_KEY.fullmatch(text)) and not is_up


def is_host(text: str) -> bool:
    """Whether a client can ask DNS for this name, or for names under it: `*.example.com`."""
    return is_subdomain(text.lower().removeprefix("*.").removesuffix("."))
