"""Whether a rule of an AuthorizationPolicy takes a request or a connection.

Source: pilot/pkg/security/authz/model/model.go (`New`, `Generate`, `checkError`).
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from istiodoctor.mesh.configuration.route_match import every
from istiodoctor.mesh.policies.authorization_conditions import (
    Invalid,
    fits,
    is_attribute,
)
from istiodoctor.mesh.policies.authorization_facts import (
    AuthorizationFacts,
    negated,
    some,
)
from istiodoctor.model.authorization import AuthorizationRule, Operation, Source


class PolicyAction(StrEnum):
    """What an AuthorizationPolicy does with what it takes."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    CUSTOM = "CUSTOM"
    AUDIT = "AUDIT"


class _Condition(NamedTuple):
    """One field of a rule with its `not…` counterpart."""

    key: str
    values: tuple[str, ...]
    not_values: tuple[str, ...]


def takes(rule: AuthorizationRule, facts: AuthorizationFacts, action: PolicyAction) -> bool | None:
    """Whether a rule takes a request; None where that is not known.

    Of a rule that allows, one value that istiod makes nothing of loses all of it, so that it
    allows less; of any other, that value is left out, so that it denies more.
    """
    if not all(is_attribute(each.key) for each in rule.when):
        return False
    whens = [_Condition(each.key, each.values, each.not_values) for each in rule.when]
    try:
        operations = [_of_operation(each.operation) for each in rule.operations] or [[]]
        origins = [_of_source(each.source) for each in rule.origins] or [[]]
        conditions = [
            _holds(each, facts, is_strict=action is PolicyAction.ALLOW) for each in whens
        ]
        called = [_all(each, facts, action) for each in operations]
        callers = [_all(each, facts, action) for each in origins]
    except Invalid:
        return False
    return every((some(called), some(callers), *conditions))


def _all(
    conditions: Iterable[_Condition], facts: AuthorizationFacts, action: PolicyAction
) -> bool | None:
    is_strict = action is PolicyAction.ALLOW
    return every([_holds(each, facts, is_strict=is_strict) for each in conditions])


def _holds(condition: _Condition, facts: AuthorizationFacts, *, is_strict: bool) -> bool | None:
    """Whether a field holds: one of its values fits and none of those under `not…`.

    A field all of whose values were left out is none.
    """
    wanted = _answers(condition.key, condition.values, facts, is_strict=is_strict)
    unwanted = _answers(condition.key, condition.not_values, facts, is_strict=is_strict)
    return every((not wanted or some(wanted), not unwanted or negated(some(unwanted))))


def _answers(
    key: str, values: Iterable[str], facts: AuthorizationFacts, *, is_strict: bool
) -> list[bool | None]:
    found: list[bool | None] = []
    for value in values:
        try:
            found.append(fits(key, value, facts))
        except Invalid:
            if is_strict:
                raise
    return found


def _of_operation(operation: Operation | None) -> list[_Condition]:
    found = operation or Operation()
    return [
        _Condition("host", found.hosts, found.not_hosts),
        _Condition("method", found.methods, found.not_methods),
        _Condition("path", found.paths, found.not_paths),
        _Condition("destination.port", found.ports, found.not_ports),
    ]


def _of_source(source: Source | None) -> list[_Condition]:
    return list(_source_conditions(source or Source()))


def _source_conditions(found: Source) -> Iterator[_Condition]:
    yield _Condition("source.principal", found.principals, found.not_principals)
    yield _Condition(
        "request.auth.principal", found.request_principals, found.not_request_principals
    )
    yield _Condition("source.namespace", found.namespaces, found.not_namespaces)
    yield _Condition("source.serviceAccount", found.service_accounts, found.not_service_accounts)
    yield _Condition("source.trustDomain", found.trust_domains, found.not_trust_domains)
    yield _Condition("source.ip", found.ip_blocks, found.not_ip_blocks)
    yield _Condition("remote.ip", found.remote_ip_blocks, found.not_remote_ip_blocks)
