"""Fixes that several checks offer, as data."""

import json
from typing import Any

from istiodoctor.command import Command, Fixed, change, kubectl, name_of
from istiodoctor.finding import Fix, Patch, PatchType, Risk
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.credential import Credential
from istiodoctor.model.kind import APPS, CORE, Kind
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


def remove_tls(place: Place, title: str, *, why: str = "") -> Fix:
    """Have the gateway speak no TLS to a backend as an object says that it does.

    A BackendTLSPolicy without its validation is none, and may be for other backends too.
    """
    if place.ref.kind != Kind.BACKEND_TLS_POLICY.value.kind:
        return remove_field(place, title, why=why)
    return Fix(
        title=f"{title}: take the backend out of targetRefs of {place.ref}",
        verify=get(place.ref),
        why=why,
    )


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


def create_tls_secret(namespace: str, name: str, title: str) -> Fix:
    """Create a server certificate Secret from files that the user has."""
    secret = Ref(CORE, "Secret", namespace, name)
    return Fix(
        title=title,
        commands=(make_tls_secret(secret),),
        verify=kubectl("get", secret),
        undo=kubectl("delete", secret),
        why=SECRET_WHY,
    )


def make_tls_secret(secret: Ref) -> Command:
    """Return the command that makes a server certificate Secret from files."""
    files: tuple[Fixed, ...] = ("--cert=fullchain.pem", "--key=privkey.pem")
    return kubectl("create", "secret", "tls", name_of(secret), *files)


def create_and_name_secret(place: Place, namespace: str, name: str, title: str) -> Fix:
    """Create a server certificate Secret, then name it in a field that names another now."""
    secret = Ref(CORE, "Secret", namespace, name)
    patch = [{"op": "replace", "path": place.path, "value": name}]
    return Fix(
        title=title,
        commands=(
            make_tls_secret(secret),
            kubectl("patch", place.ref, "--type=json", change(json.dumps(patch))),
        ),
        verify=get(place.ref),
        undo=kubectl("delete", secret),
        why=SECRET_WHY,
    )


def replace_tls_secret(credential: Credential, title: str) -> Fix:
    """Make a server certificate Secret again from files; the type of a Secret cannot change."""
    secret = credential.ref
    writers = credential.owners or credential.managers
    warning = f" {', '.join(writers)} writes this Secret: change it there." if writers else ""
    return Fix(
        title=title,
        commands=(kubectl("delete", secret), make_tls_secret(secret)),
        verify=kubectl("get", secret),
        why=SECRET_WHY + warning,
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
