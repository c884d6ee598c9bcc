"""From a Secret to its public view, and to a copy of it that anybody may see."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from istiodoctor.model.certificates import (
    next_update,
    read_bundle,
    redact_bundle,
    redact_revocation_list,
)
from istiodoctor.model.credential import Credential, KeyPair, KeyState, PrivateKeyFacts
from istiodoctor.model.metadata import Fields, Metadata
from istiodoctor.model.private_key import read_private_key
from istiodoctor.model.secret_values import SecretValues
from istiodoctor.model.stand_in import StandIn, style_of

__all__ = ["StandIn", "decode_secret", "redact_secret"]

PAIRS = (("cert", "key"), ("tls.crt", "tls.key"))
"""The keys of a server certificate and its private key, in istiod's order."""
CA_KEYS = ("cacert", "ca.crt")
"""The keys of client CAs, in istiod's order."""
REVOCATION_LISTS = {"cacert": "crl", "ca.crt": "ca.crl"}
"""The key of the revocation list that istiod reads beside each of them."""
TLS_TYPE = "kubernetes.io/tls"

_BUNDLES = frozenset({*(certificate for certificate, _ in PAIRS), *CA_KEYS})
_KEPT_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "ownerReferences",
    "finalizers",
)
_REDACTED = "REDACTED"
_COPIES_OF_OBJECTS = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "kapp.k14s.io/original",
        "objectset.rio.cattle.io/applied",
        "banzaicloud.com/last-applied",
    }
)
"""Annotations in which tools keep the whole object, private key and all."""
_SUSPICIOUS = re.compile(r"PRIVATE KEY|[A-Za-z0-9+/]{40,}|\"(?:string)?[dD]ata\"")
_DIGEST = re.compile(r"[0-9a-f]{40,64}")


_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Manager(Fields, frozen=True, kw_only=True):
    """One entry of `metadata.managedFields`."""

    manager: str = ""
    time: Any = None
    fields_v1: Any = None

    @property
    def owns_data(self) -> bool:
        fields = self.fields_v1
        return isinstance(fields, dict) and ("f:data" in fields or "f:stringData" in fields)

    @property
    def at(self) -> datetime | None:
        """When it last wrote; bookkeeping that does not parse is no reason to lose a Secret."""
        try:
            return msgspec.convert(self.time, _Time | None)
        except msgspec.ValidationError:
            return None


class _Metadata(Metadata, frozen=True, kw_only=True):
    managed_fields: tuple[_Manager, ...] = ()


class _Head(Fields, frozen=True, kw_only=True):
    """A Secret without its values."""

    metadata: _Metadata = _Metadata()
    type: str = ""


def decode_secret(raw: dict[str, Any]) -> Credential:
    """Return the public view of a Secret.

    Raises StandIn when the values only stand for others, and msgspec.ValidationError for fields
    that do not have the types of the API. Neither ever quotes a value.
    """
    head = _head(raw)
    values = _values(raw, head)
    ca_key = values.first(CA_KEYS)
    revocation_list = _revocation_list_key(values, ca_key)
    metadata = head.metadata
    return Credential(
        namespace=metadata.namespace,
        name=metadata.name,
        type=head.type,
        keys=values.keys,
        empty_keys=values.empty_keys,
        pairs=tuple(_pair(values, *names) for names in PAIRS if values.has(*names)),
        ca_key=ca_key,
        ca_bundle=read_bundle(_public(values, ca_key)),
        revocation_list_key=revocation_list,
        revocation_list_next_update=next_update(values.read(revocation_list)),
        labels=_without_values(metadata.labels),
        annotations=_without_values(metadata.annotations),
        creation_timestamp=metadata.creation_timestamp,
        updated_at=max(filter(None, _managers(metadata).values()), default=None),
        owners=tuple(f"{each.kind}/{each.name}" for each in metadata.owner_references),
        managers=tuple(_managers(metadata)),
    )


def redact_secret(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the Secret without private values: certificates and lists of revoked ones stay.

    Decoding it gives the same credential with its private keys unknown, or a stand-in where the
    Secret was one.
    """
    head = _head(raw)
    redacted = {key: raw[key] for key in ("apiVersion", "kind") if isinstance(raw.get(key), str)}
    redacted["metadata"] = _redacted_metadata(raw.get("metadata") or {}, head.metadata)
    if head.type:
        redacted["type"] = head.type
    if isinstance(raw.get("immutable"), bool):
        redacted["immutable"] = raw["immutable"]
    if raw.get("sops") is not None:
        redacted["sops"] = {}
    if _whole_stand_in(raw):
        return {**redacted, "data": _REDACTED}
    values = SecretValues(raw)
    redacted["data"] = {key: _redacted_value(values, key) for key in values.keys}
    return redacted


def _head(raw: dict[str, Any]) -> _Head:
    head = {key: raw[key] for key in ("metadata", "type") if raw.get(key) is not None}
    try:
        return msgspec.convert(head, _Head)
    except msgspec.ValidationError as error:
        if "`null`" not in str(error):
            raise
    return msgspec.convert(_without_nulls(head), _Head)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value if each is not None]
    return value


def _values(raw: dict[str, Any], head: _Head) -> SecretValues:
    if raw.get("sops") is not None:
        raise StandIn("the values are encrypted by SOPS")
    if style := _whole_stand_in(raw):
        raise StandIn(f"data is {style}")
    values = SecretValues(raw)
    if head.type == TLS_TYPE and not values.keys:
        raise StandIn(f"there is no data, which no API server lets a {TLS_TYPE} Secret lack")
    return values


def _whole_stand_in(raw: Mapping[str, Any]) -> str:
    found = (raw.get(field) for field in ("data", "stringData"))
    return next(
        (style for each in found if isinstance(each, str) and (style := style_of(each))), ""
    )


def _pair(values: SecretValues, certificate: str, private_key: str) -> KeyPair:
    return KeyPair(
        certificate_key=certificate,
        private_key_key=private_key,
        certificate_empty=certificate in values.empty_keys,
        private_key_empty=private_key in values.empty_keys,
        chain=read_bundle(_public(values, certificate)),
        private_key=_private_key(values, private_key),
    )


def _public(values: SecretValues, key: str) -> bytes:
    if style := values.style_of(key):
        raise StandIn(f"{key} is {style}")
    return values.read(key)


def _private_key(values: SecretValues, key: str) -> PrivateKeyFacts:
    if values.style_of(key):
        return PrivateKeyFacts(state=KeyState.UNKNOWN)
    return read_private_key(values.read(key))


def _revocation_list_key(values: SecretValues, ca_key: str) -> str:
    expected = REVOCATION_LISTS.get(ca_key)
    return values.first((expected,) if expected else tuple(REVOCATION_LISTS.values()))


def _managers(metadata: _Metadata) -> dict[str, datetime | None]:
    """Return who owns keys of the data, by name, and when each last wrote."""
    found: dict[str, datetime | None] = {}
    for each in metadata.managed_fields:
        if each.owns_data:
            times = filter(None, (each.at, found.get(each.manager)))
            found[each.manager] = max(times, default=None)
    return dict(sorted(found.items()))


def _redacted_metadata(raw: Mapping[str, Any], metadata: _Metadata) -> dict[str, Any]:
    kept = {key: raw[key] for key in _KEPT_METADATA if raw.get(key) is not None}
    kept["labels"] = _without_values(metadata.labels)
    kept["annotations"] = _without_values(metadata.annotations)
    if managers := _managers(metadata):
        # Who owns the data is a fact that the copy must still give; the rest is bookkeeping.
        kept["managedFields"] = [
            {"manager": name, "fieldsV1": {"f:data": {}}, **_time(at)}
            for name, at in managers.items()
        ]
    return {key: value for key, value in kept.items() if value}


def _time(at: datetime | None) -> dict[str, str]:
    return {"time": at.astimezone(UTC).isoformat().replace("+00:00", "Z")} if at else {}


def _redacted_value(values: SecretValues, key: str) -> str:
    if key in values.empty_keys:
        return ""
    if key in _BUNDLES and not values.style_of(key):
        return SecretValues.encode(redact_bundle(values.read(key)))
    if key in REVOCATION_LISTS.values() and (found := redact_revocation_list(values.read(key))):
        return SecretValues.encode(found)
    return SecretValues.encode(_REDACTED.encode())


def _without_values(entries: Mapping[str, str]) -> dict[str, str]:
    """Return labels or annotations without those that may hold a copy of a value."""
    return {
        key: value
        for key, value in entries.items()
        if key not in _COPIES_OF_OBJECTS and not _may_hold_a_value((key, value))
    }


def _may_hold_a_value(texts: Iterable[str]) -> bool:
    return any(_SUSPICIOUS.search(each) and not _DIGEST.fullmatch(each) for each in texts)
