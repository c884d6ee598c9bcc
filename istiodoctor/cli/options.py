"""The options that several commands share, each declared here and nowhere else."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_SINCE = "1h"
DEFAULT_TIMEOUT = "60s"

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
NamespaceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--namespace",
        "-n",
        help="A namespace to report about, or to read with --only-namespaces; repeatable.",
    ),
]
OnlyNamespacesOption = Annotated[
    bool, typer.Option("--only-namespaces", help="Ask the API about the -n namespaces only.")
]
ProbeOption = Annotated[
    bool,
    typer.Option(
        "--probe",
        help="Also look at the wire: TLS handshakes, and requests by GET or HEAD only.",
    ),
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
AssumeNamespaceOption = Annotated[
    str,
    typer.Option(
        "--assume-namespace",
        metavar="NS",
        help="Where the objects in files are that name no namespace.",
    ),
]
IstioVersionOption = Annotated[
    str,
    typer.Option(
        "--istio-version", metavar="VERSION", help="Of istiod, where nothing shows it: 1.27.1."
    ),
]
RenderOption = Annotated[
    bool,
    typer.Option(
        "--render", help="Build kustomizations and charts in the files: kubectl, kustomize, helm."
    ),
]
SecretInventoryOption = Annotated[
    bool,
    typer.Option(
        "--secret-inventory",
        help="Find Secrets in a wrong namespace, too: asks for the names of all, never contents.",
    ),
]
TrustAnchorsOption = Annotated[
    Path | None, typer.Option(help="PEM file of roots that clients trust, beside the system's.")
]
ConfigOption = Annotated[
    Path | None, typer.Option(help="The istiodoctor.toml to use instead of the usual one.")
]
SelectOption = Annotated[
    list[str] | None, typer.Option(help="Run these checks only: codes, families, names.")
]
IgnoreOption = Annotated[
    list[str] | None, typer.Option(help="Leave these checks out: codes, families, names.")
]
OutputOption = Annotated[
    list[str] | None,
    typer.Option("--output", "-o", help="terminal or json, each with =FILE to write a file."),
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Exit 4 when something could not be read.")
]
