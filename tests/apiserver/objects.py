"""The objects of the cluster, encoded once, so that a list is a join of bytes."""

import base64
import json
import uuid
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.apiserver.kinds import Catalog, Kind

Key = tuple[str, str]


def dumps(value: object) -> bytes:
    """JSON as Go writes it: compact, in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


class Stored:
    """One object and its encodings."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        """Encode all but the type, which depends on the version that is asked for."""
        self.body = body
        rest = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
        self._tail = dumps(rest)[1:]

    @cached_property
    def metadata_only(self) -> bytes:
        """The object as a PartialObjectMetadata; the server types these even inside lists."""
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        return dumps({**partial, "metadata": self.body["metadata"]})

    def typed(self, kind: Kind, version: str) -> bytes:
        """The object under one version of its group."""
        api_version = f"{kind.group}/{version}" if kind.group else version
        return b'{"apiVersion":"%b","kind":"%b",%b' % (
            api_version.encode(),
            kind.name.encode(),
            self._tail,
        )

    def list_item(self, kind: Kind, version: str) -> bytes:
        """The object inside a list, where only custom kinds say what they are."""
        return self.typed(kind, version) if kind.custom else b"{" + self._tail


@dataclass(frozen=True, slots=True)
class Ordered:
    """The objects of one kind at one revision, in the order of etcd."""

    keys: tuple[Key, ...]
    items: tuple[Stored, ...]

    def bounds(self, namespace: str) -> tuple[int, int]:
        """Where a namespace begins and ends; all of it without one."""
        if not namespace:
            return 0, len(self.keys)
        end = bisect_left(self.keys, (namespace + "\0", ""))
        return bisect_left(self.keys, (namespace, "")), end


class Store:
    """Every object, with the revisions that continue tokens still point to."""

    def __init__(self, catalog: Catalog, *, created: str) -> None:
        """`created` is the creation time of objects that come without one."""
        self.revision = 1
        self._catalog = catalog
        self._created = created
        self._objects: dict[Kind, dict[Key, Stored]] = {}
        self._ordered: dict[Kind, Ordered] = {}
        self._kept: dict[tuple[Kind, int], Ordered] = {}

    def apply(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Create or replace objects, and the namespaces they live in."""
        for body in objects:
            if str(body.get("kind", "")).endswith("List") and "items" in body:
                self.apply(body["items"] or ())
                continue
            self._put(body)
            if namespace := body["metadata"].get("namespace"):
                self.ensure_namespace(namespace)

    def ensure_namespace(self, name: str) -> None:
        """Make a Namespace nobody gave; a cluster has no object outside of one."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if ("", name) not in self._objects.get(self._catalog.kind_of(body), {}):
            labels = {"kubernetes.io/metadata.name": name}
            active = {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
            self._put({**body, "metadata": {"name": name, "labels": labels}, **active})

    def delete(self, kind: Kind, namespace: str, name: str) -> bool:
        """Remove an object; says whether there was one."""
        self.revision += 1
        self._ordered.pop(kind, None)
        return self._objects.get(kind, {}).pop((namespace, name), None) is not None

    def get(self, kind: Kind, namespace: str, name: str) -> Stored | None:
        """One object."""
        return self._objects.get(kind, {}).get((namespace, name))

    def every(self, group: str, name: str) -> list[Mapping[str, Any]]:
        """The bodies of all objects of a kind; for the server's own use."""
        kinds = [kind for kind in self._objects if (kind.group, kind.name) == (group, name)]
        return [stored.body for kind in kinds for stored in self._objects[kind].values()]

    def ordered(self, kind: Kind) -> Ordered:
        """The objects of a kind as they are now."""
        if kind not in self._ordered:
            objects = self._objects.get(kind, {})
            keys = tuple(sorted(objects))
            self._ordered[kind] = Ordered(keys, tuple(objects[key] for key in keys))
        return self._ordered[kind]

    def keep(self, kind: Kind, revision: int, ordered: Ordered) -> None:
        """Keep a revision for the pages to come: all pages of one list show one instant."""
        self._kept[kind, revision] = ordered

    def kept(self, kind: Kind, revision: int) -> Ordered | None:
        """A revision as it was, unless it has been compacted."""
        return self._kept.get((kind, revision))

    def compact(self) -> None:
        """Forget old revisions, as etcd does every five minutes."""
        self._kept.clear()

    def _put(self, body: Mapping[str, Any]) -> None:
        kind = self._catalog.kind_of(body)
        self.revision += 1
        given = dict(body["metadata"])
        namespace = given.pop("namespace", None)
        if kind.namespaced:
            given["namespace"] = namespace or "default"
        key = (given.get("namespace", ""), str(given["name"]))
        metadata = {
            "uid": _uid(kind, key),
            "creationTimestamp": self._created,
            **given,
            "resourceVersion": str(self.revision),
        }
        self._objects.setdefault(kind, {})[key] = Stored(_admitted({**body, "metadata": metadata}))
        self._ordered.pop(kind, None)


def _uid(kind: Kind, key: Key) -> str:
    """The same for every run, so that outputs can be compared as whole files."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join((kind.qualified, *key))))


def _admitted(body: dict[str, Any]) -> dict[str, Any]:
    """What the server itself does to an object on its way in: `stringData` becomes `data`."""
    if body["kind"] != "Secret" or body["apiVersion"] != "v1":
        return body
    written = body.pop("stringData", None) or {}
    data = {key: base64.b64encode(str(text).encode()).decode() for key, text in written.items()}
    if data:
        body["data"] = {**(body.get("data") or {}), **data}
    return {"type": "Opaque", **body}
