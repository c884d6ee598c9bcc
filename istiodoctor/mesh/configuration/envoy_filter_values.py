"""Whether what an EnvoyFilter puts in can change an answer.

Only what certainly changes none is taken for harmless: headers that are added or removed, logs,
timeouts, limits of buffers. Source of the fields: Envoy's protos of listeners, routes, clusters
and of the HTTP connection manager.
"""

import re
from collections.abc import Mapping
from typing import Any

from istiodoctor.mesh.configuration.envoy_filter_tables import (
    QUIET_CONNECTION_MANAGER,
    QUIET_FIELDS,
    QUIET_HTTP_FILTER_NAMES,
    QUIET_HTTP_FILTERS,
    QUIET_LISTENER_FILTERS,
    QUIET_ROUTE_ACTION,
)
from istiodoctor.model.envoy_filter import ConfigPatch
from istiodoctor.model.envoy_parts import snake_case

ONLY_ANSWERS = re.compile(r"\bfunction\s+envoy_on_response\b")
REQUESTS = re.compile(r"envoy_on_request|\brespond\b")
ANSWER = re.compile(r":status|\blocation\b", re.IGNORECASE)
"""The headers of an answer that are the answer."""


def changes_an_answer(patch: ConfigPatch) -> bool:
    """Whether what a patch does could change an answer where it is applied."""
    if patch.patch is None:
        return False
    operation, value = patch.patch.operation, patch.patch.value
    if ANSWER.search(str(value)):
        return True
    if patch.apply_to == "HTTP_FILTER":
        return _http_filter_changes(patch, value)
    if patch.apply_to == "LISTENER_FILTER":
        kind = type_of(value)
        return operation in ("REMOVE", "REPLACE") or not _is_one_of(kind, QUIET_LISTENER_FILTERS)
    if not operation.startswith("MERGE"):
        return True
    fields = fields_of(value)
    if patch.apply_to == "NETWORK_FILTER":
        return not fields.keys() <= {"name", "typed_config"} or not (
            manager_fields(patch).keys() <= QUIET_CONNECTION_MANAGER
        )
    if patch.apply_to == "HTTP_ROUTE" and fields_of(fields.get("route")).keys() <= (
        QUIET_ROUTE_ACTION
    ):
        fields = {name: each for name, each in fields.items() if name != "route"}
    return not fields.keys() <= QUIET_FIELDS.get(patch.apply_to, frozenset())


def manager_fields(patch: ConfigPatch) -> Mapping[str, Any]:
    """Return the fields that a patch of a network filter sets, by name."""
    value = patch.patch.value if patch.patch else None
    return fields_of(fields_of(value).get("typed_config"))


def type_of(value: Any) -> str:
    """Return the type of what a filter is told, also where it is wrapped in a TypedStruct."""
    config = fields_of(fields_of(value).get("typed_config"))
    kind = config.get("@type")
    if isinstance(kind, str) and kind.endswith(".TypedStruct"):
        kind = config.get("type_url")
    return kind if isinstance(kind, str) else ""


def _http_filter_changes(patch: ConfigPatch, value: Any) -> bool:
    kind = type_of(value)
    if patch.patch and patch.patch.operation == "REMOVE":
        return _named(patch) not in QUIET_HTTP_FILTER_NAMES
    if ".lua." in kind:
        return not _only_answers(value)
    if ".header_mutation." in kind:
        mutations = fields_of(_told(value).get("mutations"))
        return not (mutations and mutations.keys() <= {"response_mutations"})
    if kind:
        return not _is_one_of(kind, QUIET_HTTP_FILTERS)
    return _named(patch) not in QUIET_HTTP_FILTER_NAMES


def _named(patch: ConfigPatch) -> str:
    """Return the HTTP filter that a patch asks for."""
    chain = patch.match.listener.filter_chain if patch.match.listener else None
    sub = chain.filter.sub_filter if chain and chain.filter else None
    return sub.name if sub else ""


def _only_answers(value: Any) -> bool:
    """Whether a Lua filter looks at answers alone, by its whole text."""
    told = _told(value)
    source = fields_of(told.get("default_source_code"))
    codes = [told.get("inline_code"), source.get("inline_string")]
    texts = [each for each in codes if isinstance(each, str)]
    others = told.keys() - {"@type", "inline_code", "default_source_code", "stat_prefix"}
    return (
        bool(texts)
        and not others
        and source.keys() <= {"inline_string"}
        and all(ONLY_ANSWERS.search(each) and not REQUESTS.search(each) for each in texts)
    )


def _told(value: Any) -> Mapping[str, Any]:
    config = fields_of(fields_of(value).get("typed_config"))
    kind = config.get("@type")
    if isinstance(kind, str) and kind.endswith(".TypedStruct"):
        return fields_of(config.get("value"))
    return config


def _is_one_of(kind: str, quiet: tuple[str, ...]) -> bool:
    return bool(kind) and any(each in kind for each in quiet)


def fields_of(value: Any) -> Mapping[str, Any]:
    """Return a message's fields by their names in snake case; nothing for another value."""
    if not isinstance(value, dict):
        return {}
    return {snake_case(name): each for name, each in value.items() if isinstance(name, str)}
