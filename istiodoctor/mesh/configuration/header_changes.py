"""What a rule changes of headers, as istiod sends it, and what Envoy refuses of it.

Source: `TranslateHeadersOperations` (pilot/pkg/networking/core/route/route.go:985); Envoy's
source/common/router/header_parser.cc and the constraints of api/envoy/config/core/v3/base.proto
(`HeaderValue`). Each is held against the real Envoy by a test.
"""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.format_commands import refused_format
from istiodoctor.mesh.configuration.match_refusals import CONTROL
from istiodoctor.mesh.configuration.route import HeaderChange
from istiodoctor.model.istio import Headers, HttpRule, RouteDestination

MOST_HEADER = 16_384
"""Bytes of a name, and of a value."""
AUTHORITY = frozenset({":authority", "host"})


def header_changes(rule: HttpRule) -> tuple[HeaderChange, ...]:
    """Return what a rule and its destinations change of headers, as far as Envoy checks it.

    Pseudo-headers and Host are left out: they rewrite the host, if anything. What one of several
    destinations removes is not checked.
    """
    changes = list(_changes(rule.headers)) if rule.headers else []
    for each in _reached(rule):
        if each.headers:
            changes.extend(_changes(each.headers, removes=len(rule.route) == 1))
    return tuple(changes)


def _reached(rule: HttpRule) -> Iterator[RouteDestination]:
    """Yield the destinations that get requests."""
    if not (rule.redirect or rule.direct_response):
        only = len(rule.route) == 1
        yield from (each for each in rule.route if only or each.weight)


def _changes(headers: Headers, *, removes: bool = True) -> Iterator[HeaderChange]:
    for operations in (headers.request, headers.response):
        for written in (operations.set, operations.add):
            for name, value in written.items():
                if _is_changeable(name):
                    yield HeaderChange(name=name, value=value)
        for name in filter(_is_changeable, operations.remove if removes else ()):
            yield HeaderChange(name=name)


def _is_changeable(name: str) -> bool:
    return not name.startswith(":") and name.lower() != "host"


def sets_headers(rule: HttpRule) -> bool:
    """Whether a rule or one of its destinations changes any header."""
    return rule.headers is not None or any(each.headers for each in rule.route)


def set_authority(rule: HttpRule) -> str:
    """Return the host that a rule, or its only destination, sets by headers of the request."""
    found = _authority(rule.headers) if rule.headers else ""
    if not found and len(rule.route) == 1 and (only := rule.route[0].headers):
        return _authority(only)
    return found


def _authority(headers: Headers) -> str:
    """Return the host that is set, else one that is added."""
    for written in (headers.request.set, headers.request.add):
        for name, value in written.items():
            if name.lower() in AUTHORITY and value:
                return value
    return ""


def has_header_fault(rule: HttpRule) -> bool:
    """Whether Envoy refuses a change of headers: told without making a route of the rule."""
    return bool(CONTROL.search(set_authority(rule))) or any(header_faults(header_changes(rule)))


def header_faults(changes: tuple[HeaderChange, ...]) -> Iterator[str]:
    """Yield what Envoy finds wrong with changes of headers."""
    for each in changes:
        if not each.name:
            yield "a header without a name is changed"
        elif CONTROL.search(each.name):
            yield f"the name {each.name!r} of a header has a control character"
        elif _is_too_long(each.name):
            yield f"the name {each.name[:20]}… of a header has more than {MOST_HEADER} bytes"
        elif each.value is not None and (reason := _refused_value(each.value)):
            yield f"the header {each.name} cannot be {each.value[:100]!r}: {reason}"


def _refused_value(value: str) -> str:
    if CONTROL.search(value):
        return "it has a control character"
    if _is_too_long(value):
        return f"it has more than {MOST_HEADER} bytes"
    return refused_format(value)


def _is_too_long(text: str) -> bool:
    return len(text) > MOST_HEADER or len(text.encode("utf-8", "replace")) > MOST_HEADER
