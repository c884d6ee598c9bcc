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

LONGEST_NAME = 52
"""Of a CronJob: its Jobs are called by it and a time."""


def manifests(
    image: Annotated[
        str | None,
        typer.Option(help="Your image of istiodoctor; none is published. [istiodoctor:latest]"),
    ] = None,
    name: Annotated[
        str,
        typer.Option(help="What tells this installation from others of the same namespace."),
    ] = "istiodoctor",
    schedule: Annotated[str, typer.Option(help="When to scan, as cron says it.")] = "*/15 * * * *",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Where the CronJob runs.")
    ] = "istiodoctor",
    gateway_namespace: Annotated[
        list[str] | None,
        typer.Option(
            help="Where gateway pods run, and so each namespace with a Gateway of the Gateway API;"
            " repeatable. [istio-system]"
        ),
    ] = None,
    secret_namespace: Annotated[
        list[str] | None,
        typer.Option(
            help="Where else Secrets and ConfigMaps of client CAs are that Gateways name: those"
            " that a ReferenceGrant lends to them; repeatable."
        ),
    ] = None,
    istio_namespace: Annotated[str, typer.Option(help="Where istiod runs.")] = "istio-system",
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    no_logs: NoLogsOption = False,
    no_envoy: NoEnvoyOption = False,
    secret_inventory: SecretInventoryOption = False,
    fail_job_on: Annotated[
        str | None,
        typer.Option(
            help="Let a Job fail at this severity: critical, high, medium, low. Without it a Job"
            " fails only where nothing could be scanned: what is found stands in its log."
        ),
    ] = None,
) -> None:
    """Print a ServiceAccount, exactly the rights that the selected checks need, and a CronJob."""
    import yaml

    from istiodoctor.cli.arguments import namespace as valid
    from istiodoctor.cli.exits import UsageError
    from istiodoctor.cli.selection import chosen, declined, registry
    from istiodoctor.config import FAIL_ON
    from istiodoctor.engine import wanted_kinds
    from istiodoctor.manifests import STAND_IN_IMAGE, Deployment, note
    from istiodoctor.manifests import manifests as made

    if fail_job_on is not None and fail_job_on not in FAIL_ON:
        raise UsageError(f"--fail-job-on takes one of {', '.join(FAIL_ON)}, not {fail_job_on}")
    if len(name) > LONGEST_NAME:
        raise UsageError(f"--name takes at most {LONGEST_NAME} characters")
    checks = chosen(registry(), select or (), ignore or ())
    selection = [
        *(argument for word in select or () for argument in ("--select", word)),
        *(argument for word in ignore or () for argument in ("--ignore", word)),
        *(["--no-logs"] if no_logs else []),
        *(["--no-envoy"] if no_envoy else []),
    ]
    deployment = Deployment(
        image=image or STAND_IN_IMAGE,
        schedule=schedule,
        name=valid(name, "--name", "one installation"),
        namespace=valid(namespace),
        gateway_namespaces=tuple(
            valid(each, "--gateway-namespace") for each in gateway_namespace or ("istio-system",)
        ),
        secret_namespaces=tuple(
            valid(each, "--secret-namespace") for each in secret_namespace or ()
        ),
        control_plane_namespace=valid(istio_namespace, "--istio-namespace"),
        arguments=tuple(selection),
        fail_on=fail_job_on or "",
        secret_inventory=secret_inventory,
    )
    typer.echo(note(deployment), nl=False)
    documents = made(wanted_kinds(checks, declined(logs=no_logs, envoy=no_envoy)), deployment)
    typer.echo(yaml.safe_dump_all(documents, sort_keys=False, explicit_start=True), nl=False)
