"""`istiodoctor checks`: what is looked for."""

from istiodoctor.cli.options import OutputOption


def checks(output: OutputOption = None) -> int:
    """List every check: code, severity, name, and where it comes from."""
    from istiodoctor.cli.arguments import outputs
    from istiodoctor.cli.catalogue import FORMATS
    from istiodoctor.cli.output import refuse_unwritable, write_each
    from istiodoctor.cli.selection import registry

    targets = outputs(tuple(output or ()), tuple(FORMATS))
    refuse_unwritable(targets)
    found = registry().checks
    return int(write_each(targets, lambda name, display: FORMATS[name](found)))
