"""Lists by pages: limits, continue tokens and what happens when one has grown too old."""

import base64
import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from tests.apiserver.answers import RefusedError, bad_request
from tests.apiserver.kinds import Kind
from tests.apiserver.objects import Key, Ordered, Store, Stored
from tests.apiserver.selectors import Predicate, field_predicate, label_predicate

_NOW = -1  # the revision of a token that accepts an inconsistent list

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can"
    " start a new list without the continue parameter, or use the continue token in this"
    " response to retrieve the remainder of the results. Continuing with the provided token"
    " results in an inconsistent list - objects that were created, modified, or deleted between"
    " the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects, and how to go on."""

    items: list[Stored]
    metadata: dict[str, object]


def list_page(store: Store, kind: Kind, namespace: str, query: Mapping[str, str]) -> Page:
    """One page of a list, as the query asks for it."""
    limit = _number(query, "limit")
    revision, after = _decode(query["continue"]) if query.get("continue") else (_NOW, None)
    consistent = revision != _NOW
    ordered = store.kept(kind, revision) if consistent else store.ordered(kind)
    if ordered is None:
        raise expired(query["continue"])
    start, end = ordered.bounds(namespace)
    if after is not None:
        start = max(start, bisect_right(ordered.keys, after))
    predicates = _predicates(kind, query)
    items, stop = _take(ordered, start, end, limit, predicates)
    shown = revision if consistent else store.revision
    metadata: dict[str, object] = {"resourceVersion": str(shown)}
    if stop < end:
        store.keep(kind, shown, ordered)
        metadata["continue"] = _encode(shown, ordered.keys[stop - 1])
        if not predicates:
            metadata["remainingItemCount"] = end - stop
    return Page(items, metadata)


def expired(token: str) -> RefusedError:
    """410, with the token that goes on regardless: a client that takes it gets a torn list."""
    _, after = _decode(token)
    return RefusedError(410, "Expired", _EXPIRED, continue_token=_encode(_NOW, after))


def _predicates(kind: Kind, query: Mapping[str, str]) -> list[Predicate]:
    predicates = []
    if labels := query.get("labelSelector"):
        predicates.append(label_predicate(labels))
    if fields := query.get("fieldSelector"):
        predicates.append(field_predicate(fields, kind))
    return predicates


def _take(
    ordered: Ordered, start: int, end: int, limit: int, predicates: list[Predicate]
) -> tuple[list[Stored], int]:
    """Up to `limit` objects, and where the next page begins; a page may not end in vain."""
    if not predicates:
        stop = min(end, start + limit) if limit else end
        return list(ordered.items[start:stop]), stop
    found: list[Stored] = []
    stop = end
    for position in range(start, end):
        stored = ordered.items[position]
        if all(predicate(stored.body) for predicate in predicates):
            if limit and len(found) == limit:
                return found, stop
            found.append(stored)
            stop = position + 1
    return found, end


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name) or "0"
    if not text.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _encode(revision: int, after: Key) -> str:
    token = json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": after})
    return base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def _decode(token: str) -> tuple[int, Key]:
    try:
        parts = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = parts["start"]
        return parts["rv"], (namespace, name)
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from error
