"""The entry point: `istiodoctor COMMAND`."""

import os
import sys
from collections.abc import Sequence

import click
import typer

from istiodoctor import __version__
from istiodoctor.cli.checks import checks
from istiodoctor.cli.exits import Exit, UsageError, complain
from istiodoctor.cli.explain import explain
from istiodoctor.cli.manifests import manifests
from istiodoctor.cli.scan import scan

app = typer.Typer(
    name="istiodoctor",
    help="Find out why HTTPS is broken at an Istio ingress gateway, and what to change.",
    epilog="Exit status: 0 fine, 1 problems found, 2 wrong usage, 3 nothing could be scanned, "
    "4 incomplete (with --strict).",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (scan, explain, checks, manifests):
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"istiodoctor {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    """Find out why HTTPS is broken at an Istio ingress gateway, and what to change."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit status; no failure ends in a traceback."""
    try:
        status = app(args=arguments, prog_name="istiodoctor", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as shown:
        typer.echo(shown.ctx.get_help() if shown.ctx else "", err=True)
        status = Exit.USAGE
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        hint = f" (see '{where} --help')" if where else ""
        complain(error.format_message() + hint)
        status = Exit.USAGE
    except UsageError as error:
        complain(str(error))
        status = Exit.USAGE
    except (KeyboardInterrupt, click.Abort):
        complain("interrupted")
        status = Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone: not worth a word, and Python must not say one either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = Exit.OK
    sys.exit(int(status or 0))


if __name__ == "__main__":
    main()
