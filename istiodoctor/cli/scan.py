"""`istiodoctor scan`: read, judge, report."""

from pathlib import Path
from typing import Annotated

import typer

from istiodoctor.cli.arguments import ScanArguments


def scan(
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", help="Manifests, folders or a snapshot; - for stdin."),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Scan a built-in broken cluster.")] = False,
    context: Annotated[
        list[str] | None, typer.Option(help="A context of the kubeconfig; repeatable.")
    ] = None,
    all_contexts: Annotated[
        bool, typer.Option("--all-contexts", help="Every context of the kubeconfig.")
    ] = False,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="A kubeconfig instead of the usual one.")
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Report about these namespaces; repeatable."),
    ] = None,
    gateway: Annotated[
        list[str] | None, typer.Option(help="Report about these gateways (NS/NAME); repeatable.")
    ] = None,
    host: Annotated[
        list[str] | None, typer.Option(help="Report about these hosts; repeatable.")
    ] = None,
    only_namespaces: Annotated[
        bool, typer.Option("--only-namespaces", help="Ask the API about the -n namespaces only.")
    ] = False,
    no_logs: Annotated[bool, typer.Option("--no-logs", help="Read no logs.")] = False,
    since: Annotated[str, typer.Option(help="How far back logs are read: 90s, 30m, 1h.")] = "1h",
    timeout: Annotated[str, typer.Option(help="How long reading may take in all.")] = "60s",
    whole_cluster: Annotated[
        bool, typer.Option("--whole-cluster", help="The files are everything there is.")
    ] = False,
    secret_inventory: Annotated[
        bool,
        typer.Option("--secret-inventory", help="List the names of all Secrets, not contents."),
    ] = False,
    select: Annotated[
        list[str] | None, typer.Option(help="Run these checks only: codes, families, names.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Leave these checks out: codes, families, names.")
    ] = None,
    trust_anchors: Annotated[
        Path | None,
        typer.Option(help="PEM file of roots that clients trust, beside the system's."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The istiodoctor.toml to use instead of the usual one.")
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option("--output", "-o", help="terminal or json, each with =FILE to write a file."),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(help="Exit 1 at this severity: critical, high, medium, low, never. [high]"),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 4 when something could not be read.")
    ] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 whatever is found.")
    ] = False,
) -> int:
    """Find what breaks HTTPS at the gateways, ranked by damage, with evidence and fixes."""
    arguments = ScanArguments(
        files=tuple(file or ()),
        demo=demo,
        contexts=tuple(context or ()),
        all_contexts=all_contexts,
        kubeconfig=kubeconfig,
        namespaces=tuple(namespace or ()),
        gateways=tuple(gateway or ()),
        hosts=tuple(host or ()),
        only_namespaces=only_namespaces,
        no_logs=no_logs,
        since=since,
        timeout=timeout,
        whole_cluster=whole_cluster,
        secret_inventory=secret_inventory,
        select=tuple(select or ()),
        ignore=tuple(ignore or ()),
        trust_anchors=trust_anchors,
        config=config,
        outputs=tuple(output or ()),
        fail_on=fail_on,
        strict=strict,
        exit_zero=exit_zero,
    )
    from istiodoctor.cli.scanning import run

    return int(run(arguments))
