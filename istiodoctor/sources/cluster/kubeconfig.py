"""Kubeconfig files, found and merged as kubectl does it.

The client's own merger lets the last `current-context` win and puts whole user entries, tokens
and all, into the names it prints in errors. Nothing here quotes a value.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from istiodoctor.sources.source import SourceError, SourceErrorKind

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SECTIONS = ("clusters", "users", "contexts")
PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambient:
    """What a process finds around it: environment variables, and the files of a pod."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    service_account: Path = SERVICE_ACCOUNT

    @property
    def in_pod(self) -> bool:
        """Whether a Kubernetes pod is what this process runs in."""
        host = self.environment.get("KUBERNETES_SERVICE_HOST")
        return bool(host and (self.service_account / "token").is_file())


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubeconfig:
    """The files that count, merged: for each name, the first file that has it wins."""

    files: tuple[Path, ...]
    current: str
    clusters: Mapping[str, Entry]
    users: Mapping[str, Entry]
    contexts: Mapping[str, Entry]

    @property
    def where(self) -> str:
        """The files, for messages."""
        return ", ".join(str(file) for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One context of a kubeconfig, with the cluster and the user that it joins."""

    context: str
    cluster: Entry
    user: Entry
    where: str

    def as_config(self) -> dict[str, Any]:
        """Return a kubeconfig that holds this context and nothing else."""
        context = {"cluster": "cluster", "user": "user"}
        return {
            "current-context": self.context,
            "contexts": [{"name": self.context, "context": context}],
            "clusters": [{"name": "cluster", "cluster": self.cluster}],
            "users": [{"name": "user", "user": self.user}],
        }


def find_kubeconfig(path: Path | None, ambient: Ambient) -> Kubeconfig | None:
    """Read the named file, else those of KUBECONFIG, else `~/.kube/config`; None without any."""
    if path is not None:
        if (file := _present(path)) is None:
            message = f"there is no kubeconfig file {path}; name another with --kubeconfig"
            raise SourceError(SourceErrorKind.NO_KUBECONFIG, message)
        return _merged([file])
    named = map(_present, _ambient_files(ambient.environment))
    files = [file for file in named if file is not None]
    return _merged(files) if files else None


def _present(path: Path) -> Path | None:
    """Return where a file is that is there; None for a name that no file can have, too."""
    try:
        file = path.expanduser()
        return file if file.is_file() else None
    except (OSError, RuntimeError):  # too long, not permitted, or the home of no known user
        return None


def contexts(path: Path | None = None, ambient: Ambient | None = None) -> tuple[str, ...]:
    """Return the names of all contexts, in the order of the files."""
    config = find_kubeconfig(path, ambient or Ambient())
    return tuple(config.contexts) if config else ()


def choose(config: Kubeconfig, name: str | None) -> Choice:
    """Return the context of this name, else the current one; raises SourceError."""
    wanted = name or config.current
    known = ", ".join(sorted(config.contexts)) or "none"
    if not wanted:
        message = f"no current context is set in {config.where}; name one with --context: {known}"
        raise SourceError(SourceErrorKind.UNKNOWN_CONTEXT, message)
    context = config.contexts.get(wanted)
    if context is None:
        message = f"there is no context {wanted} in {config.where}; it has: {known}"
        raise SourceError(SourceErrorKind.UNKNOWN_CONTEXT, message)
    cluster = config.clusters.get(str(context.get("cluster")))
    if cluster is None or not isinstance(cluster.get("server"), str):
        raise _bad(f"context {wanted} in {config.where} names no cluster that has a server")
    user_name = context.get("user")
    user = config.users.get(str(user_name)) if user_name else {}
    if user is None:
        raise _bad(
            f"context {wanted} in {config.where} names the user {user_name}, which is not there"
        )
    return Choice(context=wanted, cluster=cluster, user=user, where=config.where)


def _ambient_files(environment: Mapping[str, str]) -> Iterator[Path]:
    if listed := environment.get("KUBECONFIG"):
        yield from (Path(part) for part in listed.split(os.pathsep) if part)
    else:
        home = environment.get("HOME")
        yield Path(home or "~") / ".kube" / "config"


def _merged(files: list[Path]) -> Kubeconfig:
    sections: dict[str, dict[str, Entry]] = {section: {} for section in SECTIONS}
    current = ""
    for file in files:
        content = _load(file)
        current = current or str(content.get("current-context") or "")
        for section in SECTIONS:
            for name, entry in _entries(file, content, section):
                sections[section].setdefault(name, entry)
    return Kubeconfig(files=tuple(files), current=current, **sections)


def _load(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise _bad(f"cannot read the kubeconfig file {file}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _bad(f"the kubeconfig file {file} is no YAML{_line(error)}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise _bad(f"the file {file} is no kubeconfig: it holds no mapping")
    return content


def _line(error: Exception) -> str:
    """Where it does not parse; never what stands there, which may be a credential."""
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark else ""


def _entries(file: Path, content: Mapping[str, Any], section: str) -> Iterator[tuple[str, Entry]]:
    listed = content.get(section) or []
    if not isinstance(listed, list):
        raise _bad(f"{section} in the kubeconfig file {file} is no list")
    for position, item in enumerate(listed):
        entry = item.get(section[:-1]) if isinstance(item, dict) else None
        if not isinstance(entry, dict) or not item.get("name"):
            raise _bad(
                f"{section}[{position}] in the kubeconfig file {file} has no name or content"
            )
        yield str(item["name"]), _absolute(entry, file.absolute().parent)


def _absolute(entry: Entry, folder: Path) -> Entry:
    """Resolve paths from where the file is, as kubectl does; a bare command stays for PATH."""
    resolved = dict(entry)
    for key in PATHS:
        if isinstance(entry.get(key), str) and entry[key]:
            resolved[key] = str(folder / entry[key])
    plugin = entry.get("exec")
    command = plugin.get("command") if isinstance(plugin, dict) else None
    if isinstance(command, str) and os.sep in command:
        resolved["exec"] = {**entry["exec"], "command": str(folder / command)}
    return resolved


def _bad(message: str) -> SourceError:
    return SourceError(SourceErrorKind.BAD_KUBECONFIG, message)
