"""Answers about resources: lists, single objects, logs, tunnels and questions about rights."""

from collections.abc import Iterable

from aiohttp import web

from tests.apiserver import listing
from tests.apiserver.answers import (
    RefusedError,
    UnroutedError,
    details,
    document,
    encoded,
    plain,
    unknown_resource,
)
from tests.apiserver.attributes import Attributes
from tests.apiserver.authentication import User
from tests.apiserver.cluster import Cluster
from tests.apiserver.kinds import Kind
from tests.apiserver.objects import Stored, dumps

_MEDIA_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


async def answer(
    cluster: Cluster, request: web.Request, user: User, attributes: Attributes
) -> web.StreamResponse:
    """Answer a permitted request for a resource; writing would have its verbs here."""
    kind = _kind(cluster, attributes)
    match attributes.verb, attributes.subresource:
        case "create", "" if kind.name == "SelfSubjectAccessReview":
            return await _access_review(cluster, request, user)
        case "list", "":
            return _list(cluster, request, kind, attributes)
        case "get", "":
            return _get(cluster, request, kind, attributes)
        case "get", "log" if kind.name == "Pod":
            pod = _stored(cluster, kind, attributes).body
            return plain(cluster.logs.text(pod, request.query))
        case "get" | "create", "portforward" if kind.name == "Pod":
            pod = _stored(cluster, kind, attributes).body
            return await cluster.port_forwards.serve(request, pod)
    message = "the server does not allow this method on the requested resource"
    raise RefusedError(405, "MethodNotAllowed", message)


def _kind(cluster: Cluster, attributes: Attributes) -> Kind:
    kind = cluster.catalog.served(attributes.group, attributes.version, attributes.resource)
    if kind is None:
        served = cluster.catalog.resources(attributes.group, attributes.version)
        if any(not other.custom for other in served):
            raise unknown_resource()
        raise UnroutedError
    if kind.namespaced and attributes.verb == "get" and not attributes.namespace:
        raise unknown_resource()
    return kind


def _list(
    cluster: Cluster, request: web.Request, kind: Kind, attributes: Attributes
) -> web.Response:
    partial = _wants_metadata(cluster, request, "PartialObjectMetadataList")
    page = listing.list_page(cluster.store, kind, attributes.namespace, request.query)
    version = attributes.version
    if partial:
        items = [stored.metadata_only for stored in page.items]
        return _items("PartialObjectMetadataList", "meta.k8s.io/v1", page.metadata, items)
    items = [stored.list_item(kind, version) for stored in page.items]
    api_version = f"{kind.group}/{version}" if kind.group else version
    return _items(f"{kind.name}List", api_version, page.metadata, items)


def _items(
    kind: str, api_version: str, metadata: dict[str, object], items: Iterable[bytes]
) -> web.Response:
    head = dumps({"kind": kind, "apiVersion": api_version, "metadata": metadata})[:-1]
    return encoded(b'%b,"items":[%b]}\n' % (head, b",".join(items)))


def _get(
    cluster: Cluster, request: web.Request, kind: Kind, attributes: Attributes
) -> web.Response:
    partial = _wants_metadata(cluster, request, "PartialObjectMetadata")
    stored = _stored(cluster, kind, attributes)
    return encoded(stored.metadata_only if partial else stored.typed(kind, attributes.version))


def _stored(cluster: Cluster, kind: Kind, attributes: Attributes) -> Stored:
    namespace = attributes.namespace if kind.namespaced else ""
    if stored := cluster.store.get(kind, namespace, attributes.name):
        return stored
    raise RefusedError(
        404,
        "NotFound",
        f'{kind.qualified} "{attributes.name}" not found',
        details=details(kind.plural, kind.group, attributes.name),
    )


def _wants_metadata(cluster: Cluster, request: web.Request, shape: str) -> bool:
    """Read the Accept header from left to right: the first form the server knows is sent."""
    accepted = request.headers.get("Accept") or "*/*"
    for choice in accepted.split(","):
        media_type, *parameters = [part.strip() for part in choice.split(";")]
        wanted = dict(part.partition("=")[::2] for part in parameters)
        if media_type not in ("application/json", "application/*", "*/*"):
            continue
        if "as" not in wanted:
            return False
        asked = (wanted["as"], wanted.get("g"), wanted.get("v"))
        if cluster.knows_partial_metadata and asked == (shape, "meta.k8s.io", "v1"):
            return True
    message = f"only the following media types are accepted: {_MEDIA_TYPES}"
    raise RefusedError(406, "NotAcceptable", message)


async def _access_review(cluster: Cluster, request: web.Request, user: User) -> web.Response:
    """Answer `kubectl auth can-i`."""
    review = await request.json()
    spec = review.get("spec") or {}
    if asked := spec.get("resourceAttributes"):
        names = ("verb", "group", "resource", "subresource", "namespace", "name")
        attributes = Attributes(**{name: asked.get(name) or "" for name in names})
    else:
        asked = spec.get("nonResourceAttributes") or {}
        attributes = Attributes(verb=asked.get("verb", ""), path=asked.get("path", ""))
    allowed = cluster.authorization.allowed(user, attributes)
    return document({**review, "status": {"allowed": allowed}}, status=201)
