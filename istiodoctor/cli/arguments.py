"""What the user typed, before anything heavy is imported."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from istiodoctor.cli.exits import UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(?:\d{1,6}[smhd])+")
_LONGEST = timedelta(days=3650)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_HEADER = re.compile(r"(:authority|[!#$%&'*+.^_`|~0-9A-Za-z-]+)")
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceArguments:
    """What is to be read, as typed."""

    files: tuple[str, ...]
    demo: bool
    contexts: tuple[str, ...]
    all_contexts: bool
    kubeconfig: Path | None
    namespaces: tuple[str, ...]
    only_namespaces: bool
    no_logs: bool
    no_envoy: bool
    since: str
    timeout: str
    whole_cluster: bool
    assume_namespace: str
    istio_version: str
    render: bool
    secret_inventory: bool
    trust_anchors: Path | None
    config: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanArguments(SourceArguments):
    """The options of `scan`, as typed."""

    gateways: tuple[str, ...]
    hosts: tuple[str, ...]
    probe: bool
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    outputs: tuple[str, ...]
    fail_on: str | None
    strict: bool
    exit_zero: bool
    wait: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceArguments(SourceArguments):
    """The URLs and options of `trace`, as typed."""

    urls: tuple[str, ...]
    requests: str
    """A file of requests instead of URLs; empty for none."""
    method: str
    headers: tuple[str, ...]
    server_name: str | None
    upgrade: str
    probe: bool
    strict: bool
    outputs: tuple[str, ...]


def refuse_contradictions(arguments: SourceArguments) -> None:
    """Raise UsageError for options that exclude each other."""
    from_cluster = bool(arguments.contexts or arguments.all_contexts or arguments.kubeconfig)
    if sum((bool(arguments.files), arguments.demo, from_cluster)) > 1:
        raise UsageError("choose one source: --file, --demo, or a cluster by --context")
    if arguments.contexts and arguments.all_contexts:
        raise UsageError("--context and --all-contexts exclude each other")
    if arguments.whole_cluster and not arguments.files:
        raise UsageError("--whole-cluster says something about files: name them with -f")
    for given, option in (
        (arguments.assume_namespace, "--assume-namespace"),
        (arguments.render, "--render"),
    ):
        if given and not arguments.files:
            raise UsageError(f"{option} says something about files: name them with -f")
    if arguments.only_namespaces and not arguments.namespaces:
        raise UsageError("--only-namespaces needs at least one -n NAMESPACE")


def duration(text: str, option: str) -> timedelta:
    """Return a duration as Go and kubectl write it: `90s`, `1h30m`; a bare number is seconds."""
    if text.isdecimal() and len(text) <= 7:
        return timedelta(seconds=int(text))
    if not _DURATION.fullmatch(text):
        raise UsageError(f"{option} takes a duration such as 90s, 30m or 1h, not {text!r}")
    total = timedelta()
    for number, unit in re.findall(r"(\d+)([smhd])", text):
        total += timedelta(**{_UNITS[unit]: int(number)})
    if total > _LONGEST:
        raise UsageError(f"{option} takes ten years at most, not {text}")
    return total


def namespace(text: str, option: str = "--namespace", what: str = "one namespace") -> str:
    """Return the name of a namespace, if it can be one."""
    if not _NAME.fullmatch(text):
        raise UsageError(f"{option} takes the name of {what}, not {text!r}")
    return text


def gateway(text: str) -> tuple[str, str]:
    """Return a Gateway's namespace and name."""
    where, separator, name = text.partition("/")
    if not (separator and _NAME.fullmatch(where) and name and "/" not in name):
        raise UsageError(f"--gateway takes NAMESPACE/NAME, not {text!r}")
    return where, name


def host(text: str) -> str:
    """Return a host as clients ask for it: a name, not a URL."""
    name = text.lower().removesuffix(".")
    if not _HOST.fullmatch(name):
        raise UsageError(
            f"--host takes a name such as shop.example.com, without https:// or port, not {text!r}"
        )
    return name


def header(text: str) -> tuple[str, str]:
    """Return name and value of a header written as NAME=VALUE."""
    name, separator, value = text.partition("=")
    if not (separator and _HEADER.fullmatch(name)) or not (value.isprintable() or not value):
        raise UsageError(f"--header takes NAME=VALUE, such as cookie=beta, not {text!r}")
    return name, value


def outputs(
    written: tuple[str, ...], known: tuple[str, ...]
) -> tuple[tuple[str, Path | None], ...]:
    """Return output names with their files; at most one goes to stdout, `terminal` by default."""
    found: list[tuple[str, Path | None]] = []
    for each in written or ("terminal",):
        name, separator, path = each.partition("=")
        if name not in known:
            raise UsageError(f"--output {name} is not known; there is {', '.join(known)}")
        if separator and not path:
            raise UsageError(f"--output {each} names no file after the =")
        found.append((name, Path(path) if path else None))
    files = [path for _, path in found if path]
    if len(set(files)) < len(files):
        raise UsageError("two --output options name the same file")
    if len(found) - len(files) > 1:
        raise UsageError("only one --output can go to stdout; give the others a file: NAME=FILE")
    return tuple(found)
