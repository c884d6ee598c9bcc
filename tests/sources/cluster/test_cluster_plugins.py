"""Credential plugins."""

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from istiodoctor.sources.source import SourceErrorKind
from tests.apiserver import ApiServer
from tests.sources.cluster.logins import failure, opened, rewritten, what_is_read
from tests.sources.cluster.objects import gateway

OBJECTS = [gateway("shop/web")]
EVERYTHING_READ = ["Gateway shop/web"]

PATIENCE = 10
"""Seconds that a killed process may take to go."""


@pytest.mark.parametrize(
    ("plugin", "what"),
    [
        ("fails", "failed with status 1: cannot reach the token broker"),
        ("garbage", "did not print an ExecCredential"),
    ],
)
def test_a_credential_plugin_that_does_not_work_is_named(
    server: ApiServer,
    kubeconfig: Path,
    plugin: Any,
    what: str,
    capfd: pytest.CaptureFixture[str],
):
    path = server.kubeconfig(kubeconfig, user="exec", plugin=plugin, token="hush")

    assert failure(lambda: opened(path)) == (
        SourceErrorKind.UNAUTHORIZED,
        f"the credential plugin {plugin_of(path)} {what}",
    )
    assert capfd.readouterr() == ("", "")


def test_a_credential_plugin_that_is_not_installed_is_named_with_its_hint(
    server: ApiServer, kubeconfig: Path
):
    def missing(config: dict[str, Any]) -> None:
        hint = "Install it\n from the shop."
        user = {"exec": {"command": "no-such-plugin", "installHint": hint}}
        config["users"][0].update(user=user)

    path = rewritten(server.kubeconfig(kubeconfig), missing)

    assert failure(lambda: opened(path)) == (
        SourceErrorKind.UNAUTHORIZED,
        "the credential plugin no-such-plugin cannot be run: No such file or directory;"
        " Install it from the shop.",
    )


def test_a_credential_plugin_that_hangs_is_ended_at_the_deadline(
    server: ApiServer, kubeconfig: Path
):
    path = server.kubeconfig(kubeconfig, user="exec", plugin="hangs")

    assert failure(lambda: opened(path, seconds=1)) == (
        SourceErrorKind.TIMED_OUT,
        f"the credential plugin {plugin_of(path)} was not done after 1 s;"
        " run it by hand, or wait longer with --timeout",
    )
    assert has_ended(plugin_of(path))


def test_a_credential_plugin_that_hangs_is_ended_with_its_children(
    server: ApiServer, kubeconfig: Path
):
    sleep = f"sleep 86399.{os.getpid()}"
    user = {"exec": {"command": "sh", "args": ["-c", f"{sleep}; true"]}}
    path = server.kubeconfig(kubeconfig)
    rewritten(path, lambda config: config["users"][0].update(user=user))

    kind, _ = failure(lambda: opened(path, seconds=1))

    assert kind is SourceErrorKind.TIMED_OUT
    assert has_ended(sleep)


def plugin_of(path: Path) -> str:
    user = yaml.safe_load(path.read_text())["users"][0]["user"]
    return Path(user["exec"]["command"]).name


def has_ended(command: str) -> bool:
    """Whether nothing runs a command any more: what is killed goes a moment later."""
    deadline = time.monotonic() + PATIENCE
    while command in running_commands():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def running_commands() -> str:
    processes = psutil.process_iter(["cmdline"])
    return "\n".join(" ".join(process.info["cmdline"] or ()) for process in processes)


def test_a_credential_plugin_learns_what_kubectl_would_tell_it(
    server: ApiServer, kubeconfig: Path, tmp_path: Path
):
    program = tmp_path / "plugin"
    program.write_text(
        '#!/bin/sh\nprintf %s "$KUBERNETES_EXEC_INFO" > "$TARGET"\n'
        'echo "{\\"kind\\":\\"ExecCredential\\",\\"status\\":{\\"token\\":\\"$1\\"}}"\n'
    )
    program.chmod(0o700)
    told = tmp_path / "told"

    def with_plugin(config: dict[str, Any]) -> None:
        config["clusters"][0]["cluster"]["extensions"] = [
            {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "shop"}}
        ]
        config["users"][0]["user"] = {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "./plugin",
                "args": [server.token("jane")],
                "env": [{"name": "TARGET", "value": str(told)}],
                "provideClusterInfo": True,
                "interactiveMode": "Never",
            }
        }

    path = rewritten(server.kubeconfig(kubeconfig), with_plugin)
    authority = yaml.safe_load(path.read_text())["clusters"][0]["cluster"]

    assert what_is_read(opened(path)) == EVERYTHING_READ
    assert yaml.safe_load(told.read_text()) == {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            "cluster": {
                "server": server.url,
                "certificate-authority-data": authority["certificate-authority-data"],
                "config": {"audience": "shop"},
            },
        },
    }


def test_a_plugin_may_give_a_client_certificate(
    server: ApiServer, kubeconfig: Path, tmp_path: Path
):

    certified = yaml.safe_load(
        server.kubeconfig(tmp_path / "other", user="client-certificate", name="jane").read_text()
    )["users"][0]["user"]
    status = {
        "clientCertificateData": base64.b64decode(certified["client-certificate-data"]).decode(),
        "clientKeyData": base64.b64decode(certified["client-key-data"]).decode(),
    }
    credential = tmp_path / "credential"
    credential.write_text(json.dumps({"kind": "ExecCredential", "status": status}))
    user = {"exec": {"command": "cat", "args": [str(credential)]}}
    path = server.kubeconfig(kubeconfig)
    rewritten(path, lambda config: config["users"][0].update(user=user))
    server.forget_requests()

    assert what_is_read(opened(path)) == EVERYTHING_READ
    assert {request.user for request in server.requests()} == {"jane"}
