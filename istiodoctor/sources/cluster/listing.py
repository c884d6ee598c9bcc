"""Lists of objects: by pages, from their bytes, item by item."""

from collections.abc import Iterator

import msgspec

from istiodoctor.model.decode import Decoded, Undecodable, decode_json, decode_object
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.snapshot import Reading, Unread, UnreadReason
from istiodoctor.sources.cluster.connection import JSON, Connection, Query
from istiodoctor.sources.cluster.metadata import METADATA_LIST
from istiodoctor.sources.cluster.request_error import RequestError

PAGE = 500
SMALL_PAGE = 25
"""For lists whose pages are too large: 25 objects of the 1.5 MiB that etcd allows fit."""
RESTARTS = 3
MOST_ITEMS = 500_000
EXPIRED = 410


class _Metadata(msgspec.Struct):
    next_page: str | None = msgspec.field(name="continue", default=None)


class _Page(msgspec.Struct):
    items: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET
    metadata: _Metadata | None = None
    kind: str = ""


_PAGES = msgspec.json.Decoder(_Page)


def path_of(kind: Kind, version: str, namespace: str = "", name: str = "") -> tuple[str, ...]:
    """Return the path of a list, or of one object, as segments."""
    root = ("api", version) if kind.group == CORE else ("apis", kind.group, version)
    inside = ("namespaces", namespace) if namespace else ()
    return (*root, *inside, kind.resource, *((name,) if name else ()))


def is_possible(name: str) -> bool:
    """Whether an object can have this name. Others, as references hold them, would be other paths.

    (`path.ValidatePathSegmentName` of apimachinery)
    """
    return name not in ("", ".", "..") and not set(name) & {"/", "%"}


def by_name(name: str) -> Query:
    """Return the query for a list of the objects of one name."""
    return [("fieldSelector", f"metadata.name={escaped(name)}")]


def escaped(value: str) -> str:
    """Return a value as a field selector takes it (`fields.EscapeValue` of apimachinery)."""
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def raw_items(
    connection: Connection,
    path: tuple[str, ...],
    *,
    query: Query = (),
    accept: str = JSON,
    list_kind: str = "",
    limit: int = PAGE,
) -> Iterator[msgspec.Raw]:
    """Yield the items of a list, page after page; raises RequestError, also in between.

    With `list_kind`, a list of any other kind is refused unread.
    """
    token = ""
    count = 0
    while True:
        going_on = [("continue", token)] if token else []
        terms = [*query, ("limit", str(limit)), *going_on]
        page = _page(connection.get(*path, query=terms, accept=accept), list_kind)
        items = page.items or ()
        count += len(items)
        if count > MOST_ITEMS:
            raise RequestError(f"the list has more than {MOST_ITEMS} items")
        yield from items
        token = (page.metadata.next_page if page.metadata else None) or ""
        if not token:
            return


def _page(body: bytes, list_kind: str) -> _Page:
    """Decode a page. No list comes without `items`, and but for metadata they are never null.

    (kubernetes/apiserver: `GetList` in pkg/storage/etcd3/store.go makes an empty slice of nil,
    `asPartialObjectMetadataList` in pkg/endpoints/handlers/response.go does not.)
    """
    try:
        page = _PAGES.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise RequestError("the answer is no list of Kubernetes objects") from None
    if not page.kind.endswith("List") or list_kind not in ("", page.kind):
        raise RequestError(f"the answer is no {list_kind or 'list of Kubernetes objects'}")
    if page.items is msgspec.UNSET or (page.items is None and page.kind != METADATA_LIST):
        raise RequestError("the answer is a list without items")
    return page


class Collector:
    """What comes of a list, item by item."""

    def __init__(self, kind: Kind, version: str) -> None:
        """Start with nothing."""
        self._kind = kind
        self._version = version
        self._decoded: list[Decoded] = []
        self._unread: list[Unread] = []

    def add(self, raw: msgspec.Raw | bytes) -> None:
        """Decode one item; one that does not decode is unread, and the others are not harmed."""
        try:
            decoded = decode_item(self._kind, self._version, raw)
        except Undecodable as error:
            ref = error.ref
            self._add_malformed(ref.namespace if ref else "", ref.name if ref else "", str(error))
        else:
            if decoded:
                self._decoded.append(decoded)

    def add_named(self, raw: bytes, namespace: str, name: str) -> None:
        """Decode the object of this name; anything else leaves that one unread, and no other."""
        try:
            decoded = decode_item(self._kind, self._version, raw)
        except Undecodable as error:
            self._add_malformed(namespace, name, str(error))
            return
        if decoded is None or (decoded.ref.namespace, decoded.ref.name) != (namespace, name):
            self._add_malformed(namespace, name, "the answer is another object")
        else:
            self._decoded.append(decoded)

    def _add_malformed(self, namespace: str, name: str, message: str) -> None:
        self._unread.append(
            Unread(
                kind=self._kind,
                namespace=namespace,
                name=name,
                reason=UnreadReason.MALFORMED,
                message=message,
            )
        )

    def reading(
        self,
        *unread: Unread,
        listed: frozenset[str] = frozenset(),
        looked_up: frozenset[tuple[Kind, str, str]] = frozenset(),
    ) -> Reading:
        """Return what has come in; `listed` where that is all there is."""
        return Reading(
            resources=tuple(each.resource for each in self._decoded if each.resource),
            credentials=tuple(each.credential for each in self._decoded if each.credential),
            secret_names=frozenset(
                (each.ref.namespace, each.ref.name)
                for each in self._decoded
                if each.kind is Kind.SECRET
            ),
            documents={each.ref: each.document for each in self._decoded},
            unread=(*self._unread, *_stand_ins(self._decoded), *unread),
            listed={self._kind: listed} if listed else {},
            looked_up=looked_up,
            served_versions={self._kind: self._version},
        )


def decode_item(kind: Kind, version: str, raw: msgspec.Raw | bytes) -> Decoded | None:
    """Decode an object of a known kind; in lists, built-in kinds do not say what they are."""
    value = decode_json(bytes(raw))
    if isinstance(value, dict):
        api_version = f"{kind.group}/{version}" if kind.group else version
        value = {"apiVersion": api_version, "kind": kind.value.kind, **value}
    return decode_object(value, kind=kind)


def _stand_ins(decoded: list[Decoded]) -> Iterator[Unread]:
    for each in decoded:
        if each.stand_in:
            yield Unread(
                kind=each.kind,
                namespace=each.ref.namespace,
                name=each.ref.name,
                reason=UnreadReason.REDACTED,
                message=each.stand_in,
            )


def list_objects(
    connection: Connection, kind: Kind, version: str, namespace: str, listed: str
) -> Reading:
    """Read a list to its end, starting over where its pages have expired or are too large.

    A 403, or a path that the server does not know, raises RequestError: it may be had otherwise.
    Any other failure is part of the reading, beside the items that came before it.
    """
    limit = PAGE
    restarts = 0
    while True:
        collector = Collector(kind, version)
        try:
            for raw in raw_items(connection, path_of(kind, version, namespace), limit=limit):
                collector.add(raw)
            return collector.reading(listed=frozenset({listed}))
        except RequestError as failed:
            if failed.forbidden or failed.unserved:
                raise
            if failed.too_large and limit > SMALL_PAGE:
                limit = SMALL_PAGE
            elif failed.status == EXPIRED and restarts < RESTARTS:
                restarts += 1
            else:
                return collector.reading(failed.unread(kind, namespace))
