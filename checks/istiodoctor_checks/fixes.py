"""Fixes that several checks offer, as data."""

import json
from typing import Any

from istiodoctor.finding import Fix, Patch, PatchType, Risk
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.credential import Credential
from istiodoctor.model.kind import APPS, Kind
from istiodoctor.model.ref import Place, Ref

FETCHED_ANEW = "New pods fetch everything from istiod; those that cannot do not become ready."
SECRET_WHY = "Needs the certificate chain (leaf first) and its key as PEM files."


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
    metadata = manifest["metadata"]
    ref = Ref(api.group, api.kind, metadata.get("namespace", ""), metadata["name"])
    body = {"apiVersion": version, "kind": api.kind, **manifest}
    return Fix(
        title=title,
        risk=risk,
        patches=(Patch(ref=ref, type=PatchType.CREATE, body=body),),
        verify=get(ref),
        undo=("kubectl", "delete", ref.resource, ref.name, *_namespaced(ref)),
        why=why,
    )


def create_tls_secret(namespace: str, name: str, title: str) -> Fix:
    """Create a server certificate Secret from files that the user has."""
    return Fix(
        title=title,
        commands=(
            (
                "kubectl", "create", "secret", "tls", name, "-n", namespace,
                "--cert=fullchain.pem", "--key=privkey.pem",
            ),
        ),
        verify=("kubectl", "get", "secret", name, "-n", namespace),
        undo=("kubectl", "delete", "secret", name, "-n", namespace),
        why=SECRET_WHY,
    )  # fmt: skip


def create_and_name_secret(place: Place, namespace: str, name: str, title: str) -> Fix:
    """Create a server certificate Secret, then name it in a field that names another now."""
    created = create_tls_secret(namespace, name, title)
    patch = [{"op": "replace", "path": place.path, "value": name}]
    return Fix(
        title=title,
        commands=(
            *created.commands,
            (
                "kubectl", "patch", place.ref.resource, place.ref.name, *_namespaced(place.ref),
                "--type=json", "-p", json.dumps(patch),
            ),
        ),
        verify=get(place.ref),
        undo=created.undo,
        why=SECRET_WHY,
    )  # fmt: skip


def replace_tls_secret(credential: Credential, title: str) -> Fix:
    """Make a server certificate Secret again from files; the type of a Secret cannot change."""
    made = create_tls_secret(credential.namespace, credential.name, title)
    writers = credential.owners or credential.managers
    warning = f" {', '.join(writers)} writes this Secret: change it there." if writers else ""
    return Fix(
        title=title,
        commands=(
            ("kubectl", "delete", "secret", credential.name, "-n", credential.namespace),
            *made.commands,
        ),
        verify=made.verify,
        why=SECRET_WHY + warning,
    )


def get(ref: Ref) -> tuple[str, ...]:
    """Return the command that shows an object."""
    return ("kubectl", "get", ref.resource, ref.name, *_namespaced(ref), "-o", "yaml")


def _namespaced(ref: Ref) -> tuple[str, ...]:
    return ("-n", ref.namespace) if ref.namespace else ()


def restart(workload: Workload, *, once: str = "", why: str) -> Fix:
    """Make the pods of a gateway anew; `once` says what must be known before."""
    owner = workload.owner
    target = f"{owner.resource}/{owner.name}"
    command = ("kubectl", "rollout", "restart", target, "-n", owner.namespace)
    return Fix(
        title=f"Restart {workload}{f', {once}' if once else ''}",
        risk=Risk.RESTARTS_TRAFFIC,
        commands=(command,) if owner.group == APPS else (),
        why=why,
    )


def restart_once_good(workload: Workload) -> Fix:
    """Restart the pods, which ask for their Secrets anew."""
    return restart(
        workload,
        once="once the Secret is known to be good",
        why=(
            "A pod that starts has no older certificate to fall back on: if the Secret cannot be"
            " delivered or loaded, it serves nothing."
        ),
    )
