"""`istiodoctor explain CODE`: the documentation page of one check."""

from typing import Annotated

import typer


def explain(
    code: Annotated[str, typer.Argument(help="A code such as CRED001, or a name.")],
) -> None:
    """Explain one check: what it means, why it happens, how to fix it."""
    from istiodoctor.cli.exits import UsageError
    from istiodoctor.cli.selection import present_name, registry, unknown
    from istiodoctor.docs import page

    found = registry()
    name = present_name(found, code)
    for check in found.checks:
        if name.upper() == check.code or name.lower() == check.name:
            typer.echo(page(check), nl=False)
            return
    raise UsageError(unknown(found, code))
