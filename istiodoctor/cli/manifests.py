"""`istiodoctor manifests`: run scans in a cluster on a schedule."""

from typing import Annotated

import typer

from istiodoctor.cli.options import (
    IgnoreOption,
    NoEnvoyOption,
    NoLogsOption,
    SecretInventoryOption,
    SelectOption,
)


def manifests(
    image: Annotated[str, typer.Option(help="The image that runs istiodoctor.")] = (
        "istiodoctor:latest"
    ),
    schedule: Annotated[str, typer.Option(help="When to scan, as cron says it.")] = "*/15 * * * *",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Where the CronJob runs.")
    ] = "istiodoctor",
    gateway_namespace: Annotated[
        list[str] | None, typer.Option(help="Where gateway pods run; repeatable. [istio-system]")
    ] = None,
    istio_namespace: Annotated[str, typer.Option(help="Where istiod runs.")] = "istio-system",
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    no_logs: NoLogsOption = False,
    no_envoy: NoEnvoyOption = False,
    secret_inventory: SecretInventoryOption = False,
) -> None:
    """Print a ServiceAccount, exactly the rights that the selected checks need, and a CronJob."""
    import yaml

    from istiodoctor.cli.arguments import namespace as valid
    from istiodoctor.cli.selection import chosen, declined, registry
    from istiodoctor.engine import wanted_kinds
    from istiodoctor.manifests import Deployment
    from istiodoctor.manifests import manifests as made

    checks = chosen(registry(), select or (), ignore or ())
    selection = [
        *(argument for word in select or () for argument in ("--select", word)),
        *(argument for word in ignore or () for argument in ("--ignore", word)),
        *(["--no-logs"] if no_logs else []),
        *(["--no-envoy"] if no_envoy else []),
    ]
    deployment = Deployment(
        image=image,
        schedule=schedule,
        namespace=valid(namespace),
        gateway_namespaces=tuple(
            valid(each, "--gateway-namespace") for each in gateway_namespace or ("istio-system",)
        ),
        control_plane_namespace=valid(istio_namespace, "--istio-namespace"),
        arguments=tuple(selection),
        secret_inventory=secret_inventory,
    )
    typer.echo(_NOTE_INVENTORY if secret_inventory else _NOTE, nl=False)
    documents = made(wanted_kinds(checks, declined(logs=no_logs, envoy=no_envoy)), deployment)
    typer.echo(yaml.safe_dump_all(documents, sort_keys=False, explicit_start=True), nl=False)


_NOTE = """\
# Secrets are read by name in the namespaces of the gateways only, and keys are dropped at once.
# A Secret that lies in a wrong namespace is then reported as missing. --secret-inventory finds it,
# at a price: RBAC cannot grant names without contents, so it lets this account list all Secrets.
"""
_NOTE_INVENTORY = """\
# --secret-inventory: this account may list every Secret of the cluster, contents included, since
# RBAC cannot grant names alone. istiodoctor asks for metadata only; whoever holds the account's
# token could ask for more. Leave the option out to grant single Secrets of the gateways only.
"""
