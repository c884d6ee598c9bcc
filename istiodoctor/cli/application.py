"""The commands, and how each of them ends: `istiodoctor COMMAND`."""

import sys
from collections.abc import Sequence
from typing import Any

import typer

from istiodoctor import __version__
from istiodoctor.cli.checks import checks
from istiodoctor.cli.exits import Exit, UsageError, complain, say_interrupted
from istiodoctor.cli.explain import explain
from istiodoctor.cli.manifests import manifests
from istiodoctor.cli.scan import scan
from istiodoctor.cli.streams import OutputError, abandon_standard_output
from istiodoctor.cli.trace import trace

Refusal: Any = typer.BadParameter.__mro__[2]
"""Click's exception for whatever was typed wrongly. Typer has a copy of Click of its own (or, in
older versions, depends on it) and names this one class of it."""

app = typer.Typer(
    name="istiodoctor",
    help="Find out why HTTPS is broken at an Istio ingress gateway, and what to change.",
    epilog="Exit status: 0 fine, 1 problems found or standard output cannot be written, 2 wrong "
    "usage, 3 nothing could be scanned, 4 incomplete (with --strict).",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (scan, trace, explain, checks, manifests):
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


def run(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit status; no failure ends in a traceback."""
    try:
        status = app(args=arguments, prog_name="istiodoctor", standalone_mode=False)
        if status == Exit.INTERRUPTED:  # Typer has caught the KeyboardInterrupt itself
            say_interrupted()
    except Refusal as error:
        status = Exit.USAGE
        if type(error).__name__ == "NoArgsIsHelpError":  # what it has to say is the help
            typer.echo(error.format_message(), err=True)
        else:
            complain(error.format_message() + _hint(error))
    except UsageError as error:
        complain(str(error))
        status = Exit.USAGE
    except (KeyboardInterrupt, typer.Abort):
        say_interrupted()
        status = Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone: not worth a word, and Python must not say one either.
        abandon_standard_output()
        status = Exit.OK
    except OutputError as error:
        abandon_standard_output()
        complain(str(error))
        status = Exit.UNWRITTEN
    except Exception as error:  # a bug of ours: said in a sentence, and never taken for a finding
        complain(_bug(error))
        status = Exit.NOTHING_SCANNED
    sys.exit(int(status or 0))


def _hint(error: Any) -> str:
    where = error.ctx.command_path if getattr(error, "ctx", None) else ""
    return f" (see '{where} --help')" if where else ""


def _bug(error: Exception) -> str:
    """Say what broke and where, for a bug report."""
    last = error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    code = last.tb_frame.f_code if last else None
    where = f" in {code.co_name} ({code.co_filename}:{last.tb_lineno})" if code and last else ""
    from istiodoctor.model.redaction import redact  # the error may quote what was read

    words = redact(f"{type(error).__name__}: {error}")
    return f"this is a bug of istiodoctor, please report it: {words}{where}"
