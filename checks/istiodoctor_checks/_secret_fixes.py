"""Fixes for Secrets with a server certificate, which several families offer."""

import json

from istiodoctor.command import Command, Fixed, change, kubectl, name_of
from istiodoctor.fix import Fix, get, restart
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.credential import Credential
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Place, Ref

SECRET_WHY = "Needs the certificate chain (leaf first) and its key as PEM files."


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
