"""Kubeconfig files, credential plugins and what a pod finds about its cluster."""

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import yaml

# What a credential plugin does; the one that hangs ends by itself once the server is gone.
_PLUGINS = {
    "works": "cat '{credential}'",
    "fails": "echo 'cannot reach the token broker' >&2; exit 1",
    "garbage": "echo 'Please sign in first'",
    "hangs": "while [ -e '{credential}' ]; do sleep 0.1; done",
}


def encoded(content: bytes) -> str:
    """File content as a kubeconfig holds it inline."""
    return base64.b64encode(content).decode()


def plugin(folder: Path, token: str, behaviour: str) -> dict[str, Any]:
    """A user whose credentials come from a program, and the program."""
    suffix = secrets.token_hex(4)
    credential = folder / f"credential-{suffix}.json"
    body = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token},
    }
    credential.write_text(json.dumps(body))
    program = folder / f"credential-plugin-{suffix}"
    program.write_text("#!/bin/sh\n" + _PLUGINS[behaviour].format(credential=credential) + "\n")
    program.chmod(0o700)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(program),
            "interactiveMode": "Never",
        }
    }


def add_context(
    path: Path, name: str, *, cluster: dict[str, Any], user: dict[str, Any], namespace: str | None
) -> None:
    """Write a kubeconfig, or add a context to one; the first stays the current one."""
    config = yaml.safe_load(path.read_text()) if path.exists() else {}
    config = {"apiVersion": "v1", "kind": "Config", "current-context": name, **config}
    context = {"cluster": name, "user": name, **({"namespace": namespace} if namespace else {})}
    for section, entry in (("cluster", cluster), ("user", user), ("context", context)):
        entries = config.setdefault(section + "s", [])
        entries[:] = [other for other in entries if other["name"] != name]
        entries.append({"name": name, section: entry})
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o600)


def pod_files(folder: Path, *, token: str, authority: bytes, namespace: str) -> None:
    """What the kubelet mounts at /var/run/secrets/kubernetes.io/serviceaccount."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "token").write_text(token)
    (folder / "ca.crt").write_bytes(authority)
    (folder / "namespace").write_text(namespace)
