"""Credential plugins: programs that a kubeconfig names to log in with.

They are run here, not by the client: that one waits for ever, and after a failure it logs it and
goes on as nobody.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import base64
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from errno import ENOENT
from pathlib import Path
from typing import Any

import msgspec

from istiodoctor.deadline import Deadline
from istiodoctor.model.redaction import redact_words
from istiodoctor.sources.source import SourceError, SourceErrorKind

LONGEST_WORDS = 300
MOST_WORDS = 10_000
EXTENSION = "client.authentication.k8s.io/exec"
_CREDENTIAL_LIKE = re.compile(r"[\w+/=.-]{40,}")


def log_in(
    plugin: Mapping[str, Any],
    cluster: Mapping[str, Any],
    *,
    deadline: Deadline,
    environment: Mapping[str, str],
) -> dict[str, str]:
    """Run a plugin and return the fields of a kubeconfig user that it stands for.

    Raises SourceError when it is not there, fails, says nonsense or is not done by the deadline.
    """
    command = plugin.get("command")
    if not isinstance(command, str) or not command:
        raise SourceError(
            SourceErrorKind.BAD_KUBECONFIG, "a user's exec in the kubeconfig has no command"
        )
    name = Path(command).name
    interactive = _is_interactive(plugin, name)
    arguments = [command, *(str(each) for each in plugin.get("args") or ())]
    variables = {**environment, **_variables(plugin, cluster, interactive=interactive)}
    try:
        status, output, words = _run(arguments, variables, deadline, interactive=interactive)
    except OSError as error:
        hint = _hint(plugin)
        raise _failed(
            f"the credential plugin {name} cannot be run: {error.strerror}{hint}"
        ) from None
    except subprocess.TimeoutExpired:
        message = (
            f"the credential plugin {name} was not done after {deadline.seconds:g} s;"
            " run it by hand, or wait longer with --timeout"
        )
        raise SourceError(SourceErrorKind.TIMED_OUT, message) from None
    if status != 0:
        raise _failed(f"the credential plugin {name} failed with status {status}{_quoted(words)}")
    return _credentials(name, output)


def _is_interactive(plugin: Mapping[str, Any], name: str) -> bool:
    """Whether the plugin may ask the user, whose terminal it then gets."""
    terminal = sys.stdin is not None and sys.stdin.isatty()
    mode = plugin.get("interactiveMode", "IfAvailable")
    if mode == "Always" and not terminal:
        raise _failed(f"the credential plugin {name} must ask a user, and there is no terminal")
    return terminal and mode != "Never"


def _variables(
    plugin: Mapping[str, Any], cluster: Mapping[str, Any], *, interactive: bool
) -> dict[str, str]:
    named = [each for each in plugin.get("env") or () if isinstance(each, dict)]
    variables = {str(each.get("name")): str(each.get("value", "")) for each in named}
    specification: dict[str, Any] = {"interactive": interactive}
    if plugin.get("provideClusterInfo"):
        specification["cluster"] = _cluster_information(cluster)
    credential = {
        "apiVersion": plugin.get("apiVersion"),
        "kind": "ExecCredential",
        "spec": specification,
    }
    variables["KUBERNETES_EXEC_INFO"] = msgspec.json.encode(credential).decode()
    return variables


def _cluster_information(cluster: Mapping[str, Any]) -> dict[str, Any]:
    plain = (
        "server",
        "tls-server-name",
        "insecure-skip-tls-verify",
        "certificate-authority-data",
        "proxy-url",
    )
    information = {key: cluster[key] for key in plain if key in cluster}
    authority = cluster.get("certificate-authority")
    if "certificate-authority-data" not in information and isinstance(authority, str):
        try:
            if not Path(authority).is_file():  # reading a pipe may never end
                raise FileNotFoundError(ENOENT, os.strerror(ENOENT))
            content = Path(authority).read_bytes()
        except OSError as error:
            raise SourceError(
                SourceErrorKind.BAD_KUBECONFIG,
                f"cannot read the certificate-authority {authority}: {error.strerror}",
            ) from None
        information["certificate-authority-data"] = base64.b64encode(content).decode()
    for extension in cluster.get("extensions") or ():
        if extension.get("name") == EXTENSION:
            information["config"] = extension.get("extension")
    return information


def _run(
    arguments: list[str],
    variables: Mapping[str, str],
    deadline: Deadline,
    *,
    interactive: bool,
) -> tuple[int, bytes, bytes]:
    """Return exit status, standard output and what it said on standard error.

    Without a user it gets a session of its own, so that it can be ended with all its children.
    """
    process = subprocess.Popen(
        arguments,
        env=variables,
        stdin=None if interactive else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if interactive else subprocess.PIPE,
        start_new_session=not interactive,
    )
    try:
        output, words = process.communicate(timeout=deadline.remaining)
    except BaseException:
        _end(process, with_children=not interactive)
        raise
    return process.returncode, output, words or b""


def _end(process: "subprocess.Popen[bytes]", *, with_children: bool) -> None:
    if with_children:
        with contextlib.suppress(ProcessLookupError):  # it may be gone by now
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()


def _credentials(name: str, output: bytes) -> dict[str, str]:
    try:
        status = msgspec.json.decode(output).get("status") or {}
    except (msgspec.DecodeError, AttributeError, RecursionError, UnicodeDecodeError):
        raise _failed(f"the credential plugin {name} did not print an ExecCredential") from None
    fields = {}
    if isinstance(token := status.get("token"), str) and token:
        fields["token"] = token
    certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
    if isinstance(certificate, str) and isinstance(key, str):
        fields["client-certificate-data"] = base64.b64encode(certificate.encode()).decode()
        fields["client-key-data"] = base64.b64encode(key.encode()).decode()
    if not fields:
        raise _failed(f"the credential plugin {name} printed no token and no client certificate")
    return fields


def _hint(plugin: Mapping[str, Any]) -> str:
    hint = plugin.get("installHint")
    if not isinstance(hint, str) or not hint:
        return ""
    return f"; {redact_words(' '.join(hint[:MOST_WORDS].split()))[:LONGEST_WORDS]}"


def _quoted(words: bytes) -> str:
    """Return the last line it said, short, without what might be a credential."""
    lines = words.decode(errors="replace").strip().splitlines()
    if not lines:
        return ""
    last = redact_words(lines[-1][:MOST_WORDS])
    return f": {_CREDENTIAL_LIKE.sub('…', last)[:LONGEST_WORDS]}"


def _failed(message: str) -> SourceError:
    return SourceError(SourceErrorKind.UNAUTHORIZED, message)
