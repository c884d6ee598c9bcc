"""The options that say what is read: the same for every command that reads something."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from istiodoctor.cli.exits import UsageError

FileOption = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", help="Manifests, folders or a snapshot; - for stdin."),
]
DemoOption = Annotated[bool, typer.Option("--demo", help="Scan a built-in broken cluster.")]
ContextOption = Annotated[
    list[str] | None, typer.Option(help="A context of the kubeconfig; repeatable.")
]
KubeconfigOption = Annotated[
    Path | None, typer.Option(help="A kubeconfig instead of the usual one.")
]
OnlyNamespacesOption = Annotated[
    bool, typer.Option("--only-namespaces", help="Ask the API about the -n namespaces only.")
]
NoLogsOption = Annotated[bool, typer.Option("--no-logs", help="Read no logs.")]
NoEnvoyOption = Annotated[
    bool, typer.Option("--no-envoy", help="Ask no gateway's Envoy for its state.")
]
SinceOption = Annotated[str, typer.Option(help="How far back logs are read: 90s, 30m, 1h.")]
TimeoutOption = Annotated[
    str, typer.Option(help="How long reading may take in all, and --probe as long again.")
]
WholeClusterOption = Annotated[
    bool, typer.Option("--whole-cluster", help="The files are everything there is.")
]
SecretInventoryOption = Annotated[
    bool, typer.Option("--secret-inventory", help="List the names of all Secrets, not contents.")
]
TrustAnchorsOption = Annotated[
    Path | None, typer.Option(help="PEM file of roots that clients trust, beside the system's.")
]
ConfigOption = Annotated[
    Path | None, typer.Option(help="The istiodoctor.toml to use instead of the usual one.")
]


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
    secret_inventory: bool
    trust_anchors: Path | None
    config: Path | None


def refuse_contradictions(arguments: SourceArguments) -> None:
    """Raise UsageError for options that exclude each other."""
    from_cluster = bool(arguments.contexts or arguments.all_contexts or arguments.kubeconfig)
    if sum((bool(arguments.files), arguments.demo, from_cluster)) > 1:
        raise UsageError("choose one source: --file, --demo, or a cluster by --context")
    if arguments.contexts and arguments.all_contexts:
        raise UsageError("--context and --all-contexts exclude each other")
    if arguments.whole_cluster and not arguments.files:
        raise UsageError("--whole-cluster says something about files: name them with -f")
    if arguments.only_namespaces and not arguments.namespaces:
        raise UsageError("--only-namespaces needs at least one -n NAMESPACE")
