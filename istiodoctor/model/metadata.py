"""What every Kubernetes object carries."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import ClassVar

import msgspec

from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place, Ref


class Fields(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of an object: fields in snake case here, in camel case in the API."""


class OwnerReference(Fields, frozen=True, kw_only=True):
    """Who controls an object's life."""

    kind: str = ""
    name: str = ""
    controller: bool = False


class Metadata(Fields, frozen=True, kw_only=True):
    """The `metadata` of an object, as far as we ask about it."""

    name: str = ""
    namespace: str = ""
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    generation: int = 0
    owner_references: tuple[OwnerReference, ...] = ()


class Condition(Fields, frozen=True, kw_only=True):
    """One entry of a `status.conditions` list (Kubernetes API conventions)."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None
    observed_generation: int = 0


class Resource(Fields, frozen=True, kw_only=True):
    """An object as read, typed. Each subclass names its kind."""

    KIND: ClassVar[Kind]

    metadata: Metadata = Metadata()

    def __hash__(self) -> int:
        return hash((self.metadata.namespace, self.metadata.name))

    @property
    def ref(self) -> Ref:
        """The object's name in messages and reports."""
        api = self.KIND._value_  # `.value` goes through a slow descriptor
        return Ref(api.group, api.kind, self.metadata.namespace, self.metadata.name)

    @property
    def namespace(self) -> str:
        """The namespace; empty for a cluster-scoped object."""
        return self.metadata.namespace

    @property
    def name(self) -> str:
        """The name within its namespace."""
        return self.metadata.name

    @property
    def age_order(self) -> tuple[str, str, str]:
        """Istio's order of configuration: creation time, then name, then namespace."""
        metadata = self.metadata
        created = metadata.creation_timestamp
        return (_as_text(created) if created else "", metadata.name, metadata.namespace)

    def at(self, path: str = "") -> Place:
        """Return a field of this object by JSON Pointer."""
        return Place(self.ref, path)


@lru_cache(maxsize=100_000)
def _as_text(moment: datetime) -> str:
    """Return a time as text: asked for the same objects again and again, and slow to make."""
    return moment.isoformat()


def condition(conditions: tuple[Condition, ...], kind: str) -> Condition | None:
    """Return the condition of this type, if the object has it."""
    return next((each for each in conditions if each.type == kind), None)
