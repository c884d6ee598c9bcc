"""What mends a finding, as data: patches and commands, and makers of those that are common."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from istiodoctor.command import Command, fault_of, kubectl
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import APPS, Kind
from istiodoctor.model.ref import Place, Ref

FETCHED_ANEW = "New pods fetch everything from istiod; those that cannot do not become ready."


class Risk(StrEnum):
    """What applying a fix may cost."""

    SAFE = "safe"
    RESTARTS_TRAFFIC = "restarts-traffic"
    NEEDS_ISSUANCE = "needs-issuance"
    OUTSIDE_CLUSTER = "outside-cluster"


class PatchType(StrEnum):
    """How a patch body is to be applied."""

    MERGE = "merge"
    """JSON Merge Patch (RFC 7396)."""
    JSON = "json"
    """JSON Patch (RFC 6902)."""
    CREATE = "create"
    """The body is a whole new manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A change of one object, as data."""

    ref: Ref
    type: PatchType
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A way to mend a finding, as data; rendering quotes.

    Commands are made by the builders of `istiodoctor.command`. Where one of them, or a patch, is
    for an object that there cannot be, no command is printed at all, and `why` says so.
    """

    title: str
    risk: Risk = Risk.SAFE
    patches: tuple[Patch, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    """Each command as an argument list.

    A tuple of a check's own is taken too. What was read must then never begin one of its words
    after the first unless something before it keeps it from being an option: `secret/NAME`,
    `--selector=VALUE`, or `--`.
    """
    verify: tuple[str, ...] = ()
    """A command that shows whether it worked."""
    undo: tuple[str, ...] = ()
    """A command, or a sentence as one word, that takes it back."""
    why: str = ""
    """What to know before applying it."""

    withheld: str = ""
    """Why none of its commands and patches is printed, as a clause; found where it is made."""

    def __post_init__(self) -> None:
        """Withhold every command where one cannot be: half of a fix may do harm."""
        made = (*self.commands, self.verify, self.undo)
        faults = (
            self.withheld,
            *(each.withheld for each in made if isinstance(each, Command)),
            *(fault_of(patch.ref) for patch in self.patches),
        )
        if fault := next(filter(None, faults), ""):
            reason = f"No command is printed: {fault}."
            why = self.why if reason in self.why else f"{self.why} {reason}".strip()
            for name in ("commands", "verify", "undo"):
                object.__setattr__(self, name, ())
            object.__setattr__(self, "withheld", fault)
            object.__setattr__(self, "why", why)


def set_field(
    place: Place, value: Any, title: str, *, risk: Risk = Risk.SAFE, why: str = ""
) -> Fix:
    """Set one field, or one item of a list, to a value.

    RFC 6902 `add` sets a field whether or not it is there, but would insert before an item.
    """
    operation = "replace" if place.path.rpartition("/")[2].isdecimal() else "add"
    return json_patch(
        place.ref,
        [{"op": operation, "path": place.path, "value": value}],
        title,
        risk=risk,
        why=why,
    )


def remove_field(place: Place, title: str, *, risk: Risk = Risk.SAFE, why: str = "") -> Fix:
    """Remove one field."""
    return json_patch(place.ref, [{"op": "remove", "path": place.path}], title, risk=risk, why=why)


def json_patch(
    ref: Ref,
    operations: list[dict[str, Any]],
    title: str,
    *,
    risk: Risk = Risk.SAFE,
    why: str = "",
) -> Fix:
    """Change one object by RFC 6902 operations."""
    return Fix(
        title=title,
        risk=risk,
        patches=(Patch(ref=ref, type=PatchType.JSON, body=operations),),
        verify=get(ref),
        why=why,
    )


def create(
    manifest: dict[str, Any], kind: Kind, title: str, *, risk: Risk = Risk.SAFE, why: str = ""
) -> Fix:
    """Create an object from a whole manifest; `apiVersion` and `kind` are filled in."""
    api = kind.value
    version = f"{api.group}/{api.versions[0]}" if api.group else api.versions[0]
    metadata = dict(manifest["metadata"])
    ref = Ref(api.group, api.kind, metadata.get("namespace", ""), metadata["name"])
    if not ref.namespace:
        metadata.pop("namespace", None)  # not known: an empty one is no namespace
    body = {"apiVersion": version, "kind": api.kind, **manifest, "metadata": metadata}
    return Fix(
        title=title,
        risk=risk,
        patches=(Patch(ref=ref, type=PatchType.CREATE, body=body),),
        verify=get(ref),
        undo=kubectl("delete", ref),
        why=why,
    )


def get(ref: Ref) -> Command:
    """Return the command that shows an object."""
    return kubectl("get", ref, "-o", "yaml")


def restart(workload: Workload, *, once: str = "", why: str) -> Fix:
    """Make the pods of a gateway anew; `once` says what must be known before."""
    owner = workload.owner
    return Fix(
        title=f"Restart {workload}{f', {once}' if once else ''}",
        risk=Risk.RESTARTS_TRAFFIC,
        commands=(kubectl("rollout", "restart", owner),) if owner.group == APPS else (),
        why=why,
    )
