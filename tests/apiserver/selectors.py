"""Label and field selectors, compiled to predicates over an object."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.apiserver.answers import bad_request
from tests.apiserver.kinds import Kind

Body = Mapping[str, Any]
Predicate = Callable[[Body], bool]

_SET = re.compile(r"^(?P<key>[^\s!=,()]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^)]*)\)$")
_EQUALITY = re.compile(r"^(?P<key>[^\s!=,()]+)\s*(?P<operator>==|!=|=)\s*(?P<value>[^\s!=,()]*)$")
_EXISTS = re.compile(r"^(?P<not>!?)\s*(?P<key>[^\s!=,()]+)$")
_BETWEEN_TERMS = re.compile(r"(?<!\\),")
_ESCAPED = re.compile(r"\\(.)")
_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")

_EVENT_FIELDS = {
    *(f"involvedObject.{part}" for part in ("kind", "namespace", "name", "uid", "apiVersion")),
    *("involvedObject.resourceVersion", "involvedObject.fieldPath"),
    *("reason", "reportingComponent", "source", "type"),
}
_POD_FIELDS = {"spec.nodeName", "spec.serviceAccountName", "status.phase", "status.podIP"}
_FIELDS = {"Secret": {"type"}, "Event": _EVENT_FIELDS, "Pod": _POD_FIELDS}


def label_predicate(selector: str) -> Predicate:
    """What `labelSelector` asks of an object's labels."""
    terms = [_label_term(term.strip()) for term in _OUTSIDE_PARENTHESES.split(selector)]

    def matches(body: Body) -> bool:
        labels = body["metadata"].get("labels") or {}
        return all(term(labels) for term in terms)

    return matches


def _label_term(term: str) -> Predicate:
    if found := _SET.match(term):
        key = found["key"]
        values = {value.strip() for value in found["values"].split(",")}
        if found["operator"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUALITY.match(term):
        key, value = found["key"], found["value"]
        if found["operator"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.match(term):
        key, wanted = found["key"], not found["not"]
        return lambda labels: (key in labels) is wanted
    raise bad_request(f"unable to parse requirement: {term!r}")


def field_predicate(selector: str, kind: Kind) -> Predicate:
    """What `fieldSelector` asks; a kind knows few fields, a custom one only its name."""
    terms = []
    for term in _BETWEEN_TERMS.split(selector):
        path, operator, value = (
            re.split(r"(==|!=|=)", term, maxsplit=1)
            if "=" in term
            else (
                term,
                "",
                "",
            )
        )
        known = {"metadata.name"} | ({"metadata.namespace"} if kind.namespaced else set())
        if not kind.custom:
            known |= _FIELDS.get(kind.name, set())
        if not operator:
            raise bad_request(f"invalid selector: {term!r}; can't understand {term!r}")
        if path not in known:
            raise bad_request(f"field label not supported: {path}")
        terms.append((path.split("."), operator == "!=", _ESCAPED.sub(r"\1", value)))

    def matches(body: Body) -> bool:
        return all((_at(body, path) == value) is not negated for path, negated, value in terms)

    return matches


def selected_name(selector: str) -> str:
    """The one name a field selector allows; RBAC's `resourceNames` then decide about a list."""
    for term in selector.split(","):
        path, _, value = term.replace("==", "=").partition("=")
        if path == "metadata.name":
            return value
    return ""


def _at(body: Body, path: list[str]) -> str:
    value: Any = body
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else str(value)
