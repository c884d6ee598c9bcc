"""Answers that hold nothing of objects but metadata: names of Secrets without their content."""

from collections.abc import Iterable, Iterator

import msgspec

from istiodoctor.sources.cluster.request_error import RequestError

METADATA_LIST = "PartialObjectMetadataList"
METADATA_OBJECT = "PartialObjectMetadata"
METADATA_ONLY = f"application/json;as={METADATA_LIST};g=meta.k8s.io;v=v1"
METADATA_OF_ONE = f"application/json;as={METADATA_OBJECT};g=meta.k8s.io;v=v1"
"""No plain JSON as a second choice: who does not know the first would send whole Secrets."""


class _Metadata(msgspec.Struct):
    name: str = ""
    namespace: str = ""


class _Named(msgspec.Struct):
    metadata: _Metadata
    kind: str = ""


_NAMED = msgspec.json.Decoder(_Named)


def named(items: Iterable[msgspec.Raw]) -> Iterator[tuple[str, str]]:
    """Yield namespace and name of each item; raises RequestError for one that has none."""
    for item in items:
        try:
            metadata = _NAMED.decode(item).metadata
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise RequestError("an item of the list has no name") from None
        yield metadata.namespace, metadata.name


def is_metadata_of(body: bytes, namespace: str, name: str) -> bool:
    """Whether an answer holds the metadata of this object, and says that it holds no more."""
    try:
        found = _NAMED.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    said = (found.kind, found.metadata.namespace, found.metadata.name)
    return said == (METADATA_OBJECT, namespace, name)
