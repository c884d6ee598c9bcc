"""Values in manifests that something else fills in before they are applied.

Nobody knows what such a host or name will be, so that nothing can be compared with it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from istiodoctor.model.kind import CERT_MANAGER, GATEWAY_API, Kind

MARKED = re.compile(
    r"\$[A-Za-z_({\[]"  # ${X}, $(X), $X of envsubst, Flux, Make; $[[ X ]] of GitLab
    r"|<[^<>]*>"  # <YOUR_DOMAIN>, <path:…>, <%= x %>
    r"|\{[^{}]*\}|\{\{|\{%"  # {X}, {{ X }}, {% X %}
    r"|\[[^\[\]]*\]"  # [X]
    r"|\.\.\.|…"  # left out
    r"|@[A-Za-z_]\w*@|%[A-Za-z_]\w*%|#\{|\(\(|__[A-Za-z]\w*__"  # @X@, %X%, #{X}#, ((X)), __X__
)
ASKING = ("CHANGE", "DOMAIN", "FIXME", "INSERT", "PLACEHOLDER", "REPLACE", "TODO", "XXX", "YOUR")
"""Words that ask for something else where they stand, in capitals that no name has."""
SHOUTED = re.compile(
    r"(?:^|[./])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?:$|[./])"  # DOMAIN_NAME
    rf"|(?:^|[./-])(?:{'|'.join(ASKING)})[A-Z0-9-]*(?:$|[./])"  # CHANGEME, YOUR-DOMAIN
)
WITHOUT_CAPITALS = frozenset(
    {
        "authority",
        "credentialName",
        "credentialNames",
        "gateways",
        "host",
        "hostname",
        "hostnames",
        "hosts",
        "namespace",
        "namespaces",
        "secretName",
        "serviceAccountName",
        "sniHosts",
    }
)
"""Fields whose values have no capitals. A `name` may be that of a header, which has some."""
REFERENCES = ("Ref", "Refs")
"""Endings of fields that refer to objects by name."""
NAMING = frozenset(
    {
        "authority",
        "credentialName",
        "credentialNames",
        "exportTo",
        "gateways",
        "host",
        "hostname",
        "hostnames",
        "hosts",
        "name",
        "namespace",
        "namespaces",
        "secretName",
        "sectionName",
        "serviceAccountName",
        "sniHosts",
        "subset",
    }
)
"""Fields that hold hosts and names of objects."""
LABELS = frozenset({"labels", "matchLabels", "selector"})
"""Fields whose values are compared with those of other objects."""
GROUPS = frozenset(
    {"networking.istio.io", "security.istio.io", GATEWAY_API, "networking.k8s.io", CERT_MANAGER}
)
"""API groups whose objects hold names of others all over; elsewhere the metadata counts."""
MOST_DEEP = 32
LONGEST = 512
"""Characters of a value that are looked at."""


def may_hold_placeholders(text: str) -> bool:
    """Whether something in a text may be a placeholder; never false where it is."""
    # Asked for every object: a loop, or a regular expression, takes ten times as long.
    return (
        ("$" in text or "_" in text or "{" in text or "[" in text)
        or (
            "<" in text
            or "@" in text
            or "%" in text
            or "((" in text
            or "..." in text
            or "…" in text
        )
        or any(map(text.__contains__, ASKING))
    )


def placeholder(kind: Kind, raw: Mapping[str, Any]) -> str:
    """Return the first value that stands for a host or name; empty where there is none."""
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    named = {key: metadata.get(key) for key in ("name", "namespace", "labels")}
    spec = raw.get("spec") if kind.group in GROUPS else None
    for key, value in (*_values(named, MOST_DEEP), *_values(spec, MOST_DEEP)):
        text = value[:LONGEST]
        if MARKED.search(text) or (key in WITHOUT_CAPITALS and SHOUTED.search(text)):
            return value
    return ""


def _values(value: Any, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the hosts and names in a value, each with its field."""
    if isinstance(value, list):
        for each in value:
            if isinstance(each, dict | list) and depth:
                yield from _values(each, depth - 1)
        return
    if not isinstance(value, dict):
        return
    for key, each in value.items():
        if key in NAMING:
            yield from ((key, text) for text in _listed(each) if isinstance(text, str))
        if key in LABELS and isinstance(each, dict):
            yield from ((key, text) for text in each.values() if isinstance(text, str))
        if isinstance(key, str) and key.endswith(REFERENCES):
            yield from (
                ("secretName", reference["name"])
                for reference in _listed(each)
                if isinstance(reference, dict) and isinstance(reference.get("name"), str)
            )
        if isinstance(each, dict | list) and depth:
            yield from _values(each, depth - 1)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
