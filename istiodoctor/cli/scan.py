"""`istiodoctor scan`: read, judge, report."""

from typing import Annotated

import typer

from istiodoctor.cli.arguments import ScanArguments
from istiodoctor.cli.options import (
    DEFAULT_SINCE,
    DEFAULT_TIMEOUT,
    AssumeNamespaceOption,
    ConfigOption,
    ContextOption,
    DemoOption,
    FileOption,
    IgnoreOption,
    IstioVersionOption,
    KubeconfigOption,
    NamespaceOption,
    NoEnvoyOption,
    NoLogsOption,
    OnlyNamespacesOption,
    OutputOption,
    ProbeOption,
    RenderOption,
    SecretInventoryOption,
    SelectOption,
    SinceOption,
    StrictOption,
    TimeoutOption,
    TrustAnchorsOption,
    WholeClusterOption,
)


def scan(
    file: FileOption = None,
    demo: DemoOption = False,
    context: ContextOption = None,
    all_contexts: Annotated[
        bool, typer.Option("--all-contexts", help="Every context of the kubeconfig.")
    ] = False,
    kubeconfig: KubeconfigOption = None,
    namespace: NamespaceOption = None,
    gateway: Annotated[
        list[str] | None, typer.Option(help="Report about these gateways (NS/NAME); repeatable.")
    ] = None,
    host: Annotated[
        list[str] | None, typer.Option(help="Report about these hosts; repeatable.")
    ] = None,
    only_namespaces: OnlyNamespacesOption = False,
    probe: ProbeOption = False,
    no_logs: NoLogsOption = False,
    no_envoy: NoEnvoyOption = False,
    since: SinceOption = DEFAULT_SINCE,
    wait: Annotated[
        str,
        typer.Option(
            help="Scan a cluster again until nothing at --fail-on remains or this time is up: 60s,"
            " 5m. A scan that is under way then is finished, within --timeout."
        ),
    ] = "0",
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    whole_cluster: WholeClusterOption = False,
    assume_namespace: AssumeNamespaceOption = "",
    istio_version: IstioVersionOption = "",
    render: RenderOption = False,
    secret_inventory: SecretInventoryOption = False,
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    trust_anchors: TrustAnchorsOption = None,
    config: ConfigOption = None,
    output: OutputOption = None,
    fail_on: Annotated[
        str | None,
        typer.Option(help="Exit 1 at this severity: critical, high, medium, low, never. [high]"),
    ] = None,
    strict: StrictOption = False,
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
        probe=probe,
        only_namespaces=only_namespaces,
        no_logs=no_logs,
        no_envoy=no_envoy,
        since=since,
        timeout=timeout,
        whole_cluster=whole_cluster,
        assume_namespace=assume_namespace,
        istio_version=istio_version,
        render=render,
        secret_inventory=secret_inventory,
        select=tuple(select or ()),
        ignore=tuple(ignore or ()),
        trust_anchors=trust_anchors,
        config=config,
        outputs=tuple(output or ()),
        fail_on=fail_on,
        strict=strict,
        exit_zero=exit_zero,
        wait=wait,
    )
    from istiodoctor.cli.scanning import run

    return int(run(arguments))
