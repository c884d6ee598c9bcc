"""`istiodoctor trace URL…`: the path of one request, hop by hop, or of many."""

from typing import Annotated

import typer

from istiodoctor.cli.arguments import TraceArguments
from istiodoctor.cli.options import (
    DEFAULT_SINCE,
    DEFAULT_TIMEOUT,
    AssumeNamespaceOption,
    ConfigOption,
    ContextOption,
    DemoOption,
    FileOption,
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
    SinceOption,
    StrictOption,
    TimeoutOption,
    TrustAnchorsOption,
    WholeClusterOption,
)


def trace(
    url: Annotated[
        list[str] | None,
        typer.Argument(help="What a client asks for: https://shop.example.com/; one or several."),
    ] = None,
    requests: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help='Many requests instead of URLs, one a line: {"url": ...}, and where needed'
            " id, method, headers, serverName, workload (NAMESPACE/NAME of gateway pods);"
            " - for stdin.",
        ),
    ] = "",
    method: Annotated[str, typer.Option("--method", "-X", help="The request's method.")] = "GET",
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", help="A header of the request, NAME=VALUE; repeatable."),
    ] = None,
    sni: Annotated[
        str | None,
        typer.Option(
            "--sni",
            metavar="NAME",
            help="The SNI to send instead of the URL's host; '' for none.",
        ),
    ] = None,
    upgrade: Annotated[
        str,
        typer.Option(metavar="PROTOCOL", help="Ask for another protocol, such as websocket."),
    ] = "",
    file: FileOption = None,
    demo: DemoOption = False,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    namespace: NamespaceOption = None,
    only_namespaces: OnlyNamespacesOption = False,
    probe: ProbeOption = False,
    no_logs: NoLogsOption = False,
    no_envoy: NoEnvoyOption = False,
    since: SinceOption = DEFAULT_SINCE,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    whole_cluster: WholeClusterOption = False,
    assume_namespace: AssumeNamespaceOption = "",
    istio_version: IstioVersionOption = "",
    render: RenderOption = False,
    secret_inventory: SecretInventoryOption = False,
    trust_anchors: TrustAnchorsOption = None,
    config: ConfigOption = None,
    strict: StrictOption = False,
    output: OutputOption = None,
) -> int:
    """Follow a request from the load balancer to its backend, and say where it stops.

    Exit status: 0 it is answered, 1 it stops somewhere, 2 wrong usage, 3 nothing could be read, 4
    something on the way could not be read. Of many: 1 one of them stops, 4 with --strict only.
    """
    arguments = TraceArguments(
        urls=tuple(url or ()),
        requests=requests,
        method=method,
        headers=tuple(header or ()),
        server_name=sni,
        upgrade=upgrade,
        probe=probe,
        strict=strict,
        files=tuple(file or ()),
        demo=demo,
        contexts=tuple(context or ()),
        all_contexts=False,
        kubeconfig=kubeconfig,
        namespaces=tuple(namespace or ()),
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
        trust_anchors=trust_anchors,
        config=config,
        outputs=tuple(output or ()),
    )
    from istiodoctor.cli.tracing import run

    return int(run(arguments))
