"""`istiodoctor checks`: what is looked for."""

from typing import Annotated

import typer


def checks(
    output: Annotated[str, typer.Option(help="terminal or json.")] = "terminal",
) -> None:
    """List every check: code, severity, name, and where it comes from."""
    from istiodoctor.cli.exits import UsageError
    from istiodoctor.cli.selection import registry

    if output not in ("terminal", "json"):
        raise UsageError(f"--output of this command is terminal or json, not {output}")
    found = registry().checks
    if output == "json":
        import msgspec

        rows = [
            {
                "code": check.code,
                "name": check.name,
                "severity": str(check.severity),
                "title": check.title,
                "needs": sorted(map(str, check.needs)),
                "evidence": sorted(map(str, check.evidence)),
                "explains": sorted(check.explains),
                "origin": check.origin,
            }
            for check in found
        ]
        typer.echo(msgspec.json.format(msgspec.json.encode({"checks": rows})).decode())
        return
    for check in found:
        foreign = "" if check.is_built_in else f"  [{check.origin}]"
        typer.echo(f"{check.code:<9} {check.severity:<9} {check.name}{foreign}")
    typer.echo(f"{len(found)} checks; 'istiodoctor explain CODE' tells about one.")
