"""Objects that stand in manifests for a Secret which a controller will make."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from istiodoctor.model.ref import UNKNOWN_NAMESPACE, Ref


@dataclass(frozen=True, slots=True)
class StandInSecret:
    """The Secret that another object stands for."""

    namespace: str
    name: str
    reason: str
    exists: bool = True
    """False where the object only adds to a Secret that someone else makes."""


def stand_in_secret(group: str, raw: Mapping[str, Any]) -> StandInSecret | None:
    """Return the Secret that a SealedSecret or ExternalSecret stands for; None for other kinds."""
    metadata, spec = _mapping(raw, "metadata"), _mapping(raw, "spec")
    name = _text(metadata, "name")
    namespace = _text(metadata, "namespace") or UNKNOWN_NAMESPACE
    exists = True
    match group, raw.get("kind"):
        case "bitnami.com", "SealedSecret":
            template = _mapping(_mapping(spec, "template"), "metadata")
            name = _text(template, "name") or name
            namespace = _text(template, "namespace") or namespace
        case "external-secrets.io", "ExternalSecret":
            target = _mapping(spec, "target")
            if target.get("creationPolicy") == "None":
                return None
            exists = target.get("creationPolicy") != "Merge"
            name = _text(target, "name") or name
        case _:
            return None
    if not name:
        return None
    made_from = Ref(group, str(raw["kind"]), namespace, _text(metadata, "name"))
    reason = f"its content comes from the {made_from}"
    return StandInSecret(namespace, name, reason, exists)


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""
