"""Write what a check says of its bad examples into its own docstring."""

import ast
import importlib
import inspect
from pathlib import Path

from istiodoctor.check import Check
from istiodoctor.finding import Finding
from istiodoctor.testing.examples import BAD, Example, examples, grouped
from istiodoctor.testing.findings import Unreadable, found_in, is_same, written

FENCE = "```"


class NotWritable(ValueError):
    """A docstring that cannot be changed by a program."""


def write(check: Check) -> bool:
    """Put a `finding` block after each bad example; say whether the file changed.

    A block that says what the check says is left as it is, and one that fires on nothing too.
    """
    module, name = check.source
    path = Path(inspect.getsourcefile(importlib.import_module(module)) or "")
    source = path.read_text(encoding="utf-8")
    before, docstring, after = _parted(source, name)
    changed = before + _with_findings(check, docstring) + after
    if changed != source:
        path.write_text(changed, encoding="utf-8")
    return changed != source


def _parted(source: str, function: str) -> tuple[str, str, str]:
    """Return the lines before the docstring of a function, its own, and those after."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == function and ast.get_docstring(node):
            first, last = node.body[0].lineno - 1, node.body[0].end_lineno or 0
            lines = source.splitlines(keepends=True)
            return "".join(lines[:first]), "".join(lines[first:last]), "".join(lines[last:])
    raise NotWritable(f"no function {function} with a docstring")


def _with_findings(check: Check, docstring: str) -> str:
    groups = grouped(docstring)
    known = tuple(examples(check))
    if len(groups) != len(known):
        raise NotWritable(f"{check.code}: the blocks of the docstring cannot be found in its file")
    changed = docstring
    for (first, *others), example in reversed(tuple(zip(groups, known, strict=True))):
        if example.verdict != BAD or not (found := _found(example)):
            continue
        stale = next((each for each in others if each["language"] is None), None)
        if stale and is_same(example.said or "", written(check, found)):
            continue
        indent = first["indent"]
        block = _block(written(check, found, indent=len(indent)), indent)
        escaped = block if docstring.lstrip()[0] in "rR" else block.replace("\\", "\\\\")
        last = others[-1] if others else first
        start, end = stale.span() if stale else (last.end(), last.end())
        changed = changed[:start] + ("" if stale else "\n") + escaped + changed[end:]
    return changed


def _found(example: Example) -> tuple[Finding, ...]:
    try:
        return found_in(example)
    except Unreadable:  # nothing can be written; running it says why
        return ()


def _block(text: str, indent: str) -> str:
    lines = (f"{FENCE}finding", *text.splitlines(), FENCE)
    return "".join(f"{indent}{line}".rstrip() + "\n" for line in lines)
