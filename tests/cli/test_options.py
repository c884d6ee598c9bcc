"""Commands that share an option share its declaration: name, help, type and default."""

from collections import defaultdict
from inspect import signature
from typing import Any, get_type_hints

from istiodoctor.cli.application import app

OTHER_MEANING = {("manifests", "namespace")}
"""One namespace that objects are made in, where other commands take those to look at."""


def test_an_option_of_several_commands_is_declared_once() -> None:
    declarations: dict[str, list[tuple[str, Any, Any]]] = defaultdict(list)
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.callback.__name__
        hints = get_type_hints(command.callback, include_extras=True)
        for parameter in signature(command.callback).parameters.values():
            if (name, parameter.name) not in OTHER_MEANING:
                declared = (name, hints[parameter.name], parameter.default)
                declarations[parameter.name].append(declared)

    # What Typer is told of an option is equal to itself only.
    differing = {
        parameter: [command for command, *_ in found]
        for parameter, found in declarations.items()
        if any(declared != found[0][1:] for _, *rest in found for declared in (tuple(rest),))
    }
    assert len(declarations["output"]) == 3
    assert differing == {}
