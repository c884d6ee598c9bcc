"""Get single objects by name."""

from dataclasses import dataclass

from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading
from istiodoctor.sources.cluster.connection import Connection
from istiodoctor.sources.cluster.discovery import Apis
from istiodoctor.sources.cluster.listing import (
    Collector,
    by_name,
    is_possible,
    path_of,
    raw_items,
)
from istiodoctor.sources.cluster.metadata import METADATA_OF_ONE, is_metadata_of
from istiodoctor.sources.cluster.request_error import RequestError


@dataclass(frozen=True, slots=True)
class GetByName:
    """Gets objects by name."""

    connection: Connection
    apis: Apis

    def get(self, kind: Kind, namespace: str, name: str) -> Reading:
        """Return the object, or the fact that it is not there, or why it cannot be told."""
        try:
            return self.answer(kind, namespace, name)
        except RequestError as failed:
            return Reading(unread=(failed.unread(kind, namespace, name),))

    def find(self, kind: Kind, namespace: str, name: str) -> Reading:
        """Do the same for a kind that is listed: asking needs no other right than listing it."""
        asked = frozenset({(kind, namespace, name)})
        if not is_possible(name) or (kind.namespaced and not is_possible(namespace)):
            return Reading(looked_up=asked)
        for version in self.apis.versions(kind):
            collector = Collector(kind, version)
            path = path_of(kind, version, namespace)
            try:
                for raw in raw_items(self.connection, path, query=by_name(name)):
                    collector.add(raw)
            except RequestError as failed:
                if failed.unserved and not self.apis.offers(kind, version):
                    continue
                return Reading(unread=(failed.unread(kind, namespace, name),))
            return collector.reading(looked_up=asked)
        return Reading(absent_apis=frozenset({kind}))

    def answer(self, kind: Kind, namespace: str, name: str) -> Reading:
        """Do the same, but raise RequestError when it cannot be told."""
        asked = frozenset({(kind, namespace, name)})
        if not is_possible(name) or (kind.namespaced and not is_possible(namespace)):
            return Reading(looked_up=asked)
        for version in self.apis.versions(kind):
            try:
                body = self.connection.get(*path_of(kind, version, namespace, name))
            except RequestError as failed:
                if not failed.not_found:
                    raise
                return Reading(looked_up=asked)
            collector = Collector(kind, version)
            collector.add_named(body, namespace, name)
            return collector.reading(looked_up=asked)
        return Reading(absent_apis=frozenset({kind}))

    def secret_name(self, namespace: str, name: str) -> Reading:
        """Return whether there is a Secret, by its metadata alone; raises RequestError."""
        asked = frozenset({(Kind.SECRET, namespace, name)})
        if not is_possible(name) or not is_possible(namespace):
            return Reading(looked_up=asked)
        path = path_of(Kind.SECRET, "v1", namespace, name)
        try:
            body = self.connection.get(*path, accept=METADATA_OF_ONE)
        except RequestError as failed:
            if not failed.not_found:
                raise
            return Reading(looked_up=asked)
        if not is_metadata_of(body, namespace, name):
            raise RequestError("the answer is not the metadata of this object")
        return Reading(secret_names=frozenset({(namespace, name)}), looked_up=asked)
