"""How istiod merges a delegating rule with the rules of its delegate VirtualService.

Source: istiod's pilot/pkg/model/virtualservice.go.
"""

from collections.abc import Mapping

import msgspec

from istiodoctor.model.istio import HttpMatch, HttpRule, StringMatch

CONDITIONS = ("uri", "scheme", "method", "authority")
NAMED_CONDITIONS = ("headers", "without_headers", "query_params")
INHERITED = ("rewrite", "direct_response", "fault", "mirror", "cors_policy", "headers")
"""What a delegate's rule takes from the rule that delegates, where it has none of its own."""


def delegated(root: HttpRule, rule: HttpRule) -> HttpRule | None:
    """Return a delegate's rule under the match of the rule that delegates.

    None where istiod drops it: the matches contradict each other, or it delegates in turn.
    """
    if rule.delegate is not None:
        return None
    matches = _merged(root.match, rule.match)
    if matches is None:
        return None
    inherited = {name: getattr(root, name) for name in INHERITED if not getattr(rule, name)}
    return msgspec.structs.replace(
        rule,
        **inherited,
        name=_joined(root.name, rule.name),
        mirrors=rule.mirrors or root.mirrors,
        match=matches,
    )


def _joined(root: str, own: str) -> str:
    return f"{root}-{own}" if root and own else root or own


def _merged(
    root: tuple[HttpMatch, ...], own: tuple[HttpMatch, ...]
) -> tuple[HttpMatch, ...] | None:
    """Return both conditions together; each of the delegate's must fit one of the root's."""
    if not root or not own:
        return root or own
    merged: list[HttpMatch] = []
    for match in own:
        fitting = [_both(each, match) for each in root if not _conflict(each, match)]
        if not fitting:
            return None
        merged += fitting
    return tuple(merged)


def _both(root: HttpMatch, own: HttpMatch) -> HttpMatch:
    written = {name: getattr(own, name) or getattr(root, name) for name in CONDITIONS}
    named = {name: {**getattr(root, name), **getattr(own, name)} for name in NAMED_CONDITIONS}
    return msgspec.structs.replace(
        own,
        name=_joined(root.name, own.name),
        **written,
        **named,
        port=own.port or root.port,
        source_labels={**root.source_labels, **own.source_labels},
        source_namespace=own.source_namespace or root.source_namespace,
        gateways=own.gateways or root.gateways,
    )


def _conflict(root: HttpMatch, own: HttpMatch) -> bool:
    return (
        root.ignore_uri_case != own.ignore_uri_case
        or root.source_namespace not in ("", own.source_namespace)
        or bool(root.port and own.port and root.port != own.port)
        or any(_differ(getattr(root, name), getattr(own, name)) for name in CONDITIONS)
        or any(_any_differ(getattr(root, name), getattr(own, name)) for name in NAMED_CONDITIONS)
        or any(
            own.source_labels.get(key, value) != value for key, value in root.source_labels.items()
        )
        or bool(root.gateways and own.gateways and not {*own.gateways} <= {*root.gateways})
    )


def _any_differ(root: Mapping[str, StringMatch], own: Mapping[str, StringMatch]) -> bool:
    return any(_differ(match, own.get(key)) for key, match in root.items())


def _differ(root: StringMatch | None, own: StringMatch | None) -> bool:
    """Whether the delegate's condition is not within the root's."""
    if root is None or own is None:
        return False
    if root.exact:
        return own.exact != root.exact
    if root.prefix and not own.regex:
        return not (own.prefix or own.exact or "").startswith(root.prefix)
    return True
