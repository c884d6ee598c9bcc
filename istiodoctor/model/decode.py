"""From bytes, or from what a YAML parser made of them, to typed objects.

This is the only place that decodes: a private value of a Secret leaves it only as a fact
about it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from istiodoctor.model import (
    authorization,
    backend_tls_policy,
    certmanager,
    events,
    gatewayapi,
    grpcroute,
    ingress,
    istio,
    kubernetes,
    pods,
    rbac,
    services,
)
from istiodoctor.model.credential import Credential
from istiodoctor.model.document import Document
from istiodoctor.model.kind import Kind, kind_of
from istiodoctor.model.managed_fields import last_writers
from istiodoctor.model.metadata import Resource
from istiodoctor.model.nulls import without_nulls
from istiodoctor.model.redaction import redact_words
from istiodoctor.model.ref import Ref
from istiodoctor.model.secret import StandIn, decode_secret, redact_secret

TYPES: Mapping[Kind, type[Resource]] = {
    each.KIND: each
    for each in (
        kubernetes.Namespace,
        kubernetes.Node,
        pods.Pod,
        services.Service,
        kubernetes.ConfigMap,
        kubernetes.ServiceAccount,
        events.Event,
        pods.Deployment,
        pods.DaemonSet,
        services.EndpointSlice,
        ingress.Ingress,
        ingress.IngressClass,
        rbac.Role,
        rbac.RoleBinding,
        rbac.ClusterRole,
        rbac.ClusterRoleBinding,
        istio.IstioGateway,
        istio.VirtualService,
        istio.DestinationRule,
        istio.ServiceEntry,
        istio.WorkloadEntry,
        istio.EnvoyFilter,
        istio.WasmPlugin,
        istio.TrafficExtension,
        istio.PeerAuthentication,
        authorization.AuthorizationPolicy,
        authorization.RequestAuthentication,
        certmanager.Certificate,
        certmanager.CertificateRequest,
        certmanager.Issuer,
        certmanager.ClusterIssuer,
        certmanager.Order,
        certmanager.Challenge,
        gatewayapi.GatewayClass,
        gatewayapi.Gateway,
        gatewayapi.HttpRoute,
        grpcroute.GrpcRoute,
        gatewayapi.TlsRoute,
        gatewayapi.TcpRoute,
        gatewayapi.ReferenceGrant,
        gatewayapi.ListenerSet,
        gatewayapi.XListenerSet,
        backend_tls_policy.BackendTlsPolicy,
    )
}

BULKY_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
CHALLENGE_SECRETS = ("token", "key")
"""Of a Challenge's spec. The issuer asks for the token in plain HTTP, so that probes may know it;
no document keeps it."""
FREE_TEXT = frozenset({"message", "note", "reason"})
"""Fields of a status, and of an Event, that hold sentences."""


class Undecodable(ValueError):
    """An object whose fields do not have the types that its API gives them."""

    def __init__(self, reason: str, *, kind: Kind | None = None, ref: Ref | None = None) -> None:
        """Keep what is known of the object beside the reason."""
        super().__init__(reason)
        self.kind = kind
        self.ref = ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """One object: typed (or the public view of a Secret), and its redacted document."""

    kind: Kind
    ref: Ref
    resource: Resource | None = None
    credential: Credential | None = None
    stand_in: str = ""
    """Why a Secret's content is unknown, when its values only stand for others."""
    document: Document


def decode_json(data: bytes) -> Any:
    """Return JSON as plain values; raises Undecodable for what does not parse."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Undecodable(f"not valid JSON: {error or 'nested too deeply'}") from None


def decode_object(raw: Any, *, kind: Kind | None = None) -> Decoded | None:
    """Decode one object; None for a kind that no question asks about.

    `kind` is given where the API server leaves `apiVersion` and `kind` out (items of a list).
    """
    if not isinstance(raw, dict):
        raise Undecodable(f"a Kubernetes object is a mapping, this is {_type_name(raw)}")
    kind = kind or _kind_of(raw)
    if kind is None or (kind not in TYPES and kind is not Kind.SECRET):
        return None
    ref = _ref(kind, raw)
    if not ref.name:
        raise Undecodable("metadata.name is missing", kind=kind, ref=ref)
    try:
        return _decode(kind, ref, _slimmed(kind, raw))
    except msgspec.ValidationError as error:
        raise Undecodable(_field_error(error), kind=kind, ref=ref) from None
    except RecursionError:
        raise Undecodable("nested too deeply", kind=kind, ref=ref) from None


def _decode(kind: Kind, ref: Ref, raw: dict[str, Any]) -> Decoded:
    if kind is Kind.SECRET:
        document = Document(msgspec.json.encode(redact_secret(raw)))
        try:
            return Decoded(kind=kind, ref=ref, credential=decode_secret(raw), document=document)
        except StandIn as stand_in:
            return Decoded(kind=kind, ref=ref, stand_in=str(stand_in), document=document)
    return Decoded(
        kind=kind,
        ref=ref,
        resource=_typed(raw, TYPES[kind]),
        document=Document(msgspec.json.encode(_without_secrets(kind, raw))),
    )


def _typed(raw: dict[str, Any], of: type[Resource]) -> Resource:
    try:
        return msgspec.convert(raw, of)
    except msgspec.ValidationError as error:
        if "`null`" not in str(error):
            raise
        return msgspec.convert(without_nulls(raw), of)


def _kind_of(raw: Mapping[str, Any]) -> Kind | None:
    version, name = raw.get("apiVersion"), raw.get("kind")
    if not isinstance(version, str) or not isinstance(name, str):
        raise Undecodable("no Kubernetes object: apiVersion and kind are missing")
    return kind_of(version.rpartition("/")[0], name)


def _ref(kind: Kind, raw: Mapping[str, Any]) -> Ref:
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    return Ref(
        kind.group,
        kind.value.kind,
        namespace if isinstance(namespace, str) and kind.namespaced else "",
        name if isinstance(name, str) else "",
    )


def _slimmed(kind: Kind, raw: dict[str, Any]) -> dict[str, Any]:
    """Return the object without bookkeeping, and without what must not be kept."""
    metadata = raw.get("metadata")
    if isinstance(metadata, dict):
        metadata = dict(metadata)
        if "managedFields" in metadata and kind is not Kind.SECRET:
            writers = last_writers(metadata.pop("managedFields"))
            if writers:
                metadata["managedFields"] = writers
        annotations = metadata.get("annotations")
        if isinstance(annotations, dict) and BULKY_ANNOTATION in annotations:
            kept = {k: v for k, v in annotations.items() if k != BULKY_ANNOTATION}
            metadata["annotations"] = kept
        raw = {**raw, "metadata": metadata}
    if kind is Kind.EVENT:
        said = {key: raw[key] for key in FREE_TEXT if isinstance(raw.get(key), str)}
        return {**raw, **{key: redact_words(text) for key, text in said.items()}}
    status = raw.get("status")
    if status and isinstance(status, dict):
        raw = {**raw, "status": _without_secret_words(status)}
    return raw


def _without_secret_words(value: Any) -> Any:
    """Return it without secrets in what controllers say: conditions hold errors of their clients.

    Every kind says it under the same names, at whatever depth (listeners, parents, containers).
    """
    match value:
        case dict():
            return {
                key: redact_words(each)
                if key in FREE_TEXT and isinstance(each, str)
                else _without_secret_words(each)
                if isinstance(each, dict | list)
                else each
                for key, each in value.items()
            }
        case list():
            return [
                _without_secret_words(each) if isinstance(each, dict | list) else each
                for each in value
            ]
    return value


def _without_secrets(kind: Kind, raw: dict[str, Any]) -> dict[str, Any]:
    spec = raw.get("spec")
    if kind is Kind.CHALLENGE and isinstance(spec, dict):
        return {**raw, "spec": {k: v for k, v in spec.items() if k not in CHALLENGE_SECRETS}}
    return raw


def _type_name(value: Any) -> str:
    match value:
        case None:
            return "empty"
        case list():
            return "a list"
        case str():
            return "a string"
        case _:
            return f"a {type(value).__name__}"


def _field_error(error: msgspec.ValidationError) -> str:
    """Turn msgspec's words into a sentence with the field in front."""
    text = str(error)
    found = re.match(r"(?P<what>.*?)(?: - at `\$\.?(?P<where>.*)`)?$", text, re.DOTALL)
    what, where = (found["what"], found["where"]) if found else (text, None)
    what = what.replace("Expected", "expected").replace("`", "")
    return f"{where}: {what}" if where else what
