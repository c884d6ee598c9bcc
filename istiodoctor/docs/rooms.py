"""The page about the questions of the mesh: what a check may ask, and what that rests on."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from istiodoctor import mesh
from istiodoctor.mesh.question import Question

AnyQuestion = Question[..., Any]

_HEAD = """# Questions of the mesh

What a check may ask: a question is imported from its module and called with the mesh. A kind in
parentheses only shows more where it is read. `log lines` are those that are searched for in the
logs; `Secrets everywhere` is where a Secret is looked for beyond the namespaces of gateways.
"""
_TABLE = "| Question | Answer | Rests on |\n|---|---|---|\n"


def questions() -> Iterator[tuple[ModuleType, AnyQuestion]]:
    """Yield every question with its module, in the order of names."""
    names = sorted(each.name for each in pkgutil.walk_packages(mesh.__path__, "istiodoctor.mesh."))
    for module in map(importlib.import_module, names):
        own = (each for each in vars(module).values() if isinstance(each, Question))
        for each in sorted(own, key=lambda each: each.name):
            if each.__module__ == module.__name__:
                yield module, each


def rooms() -> str:
    """Return the page, in Markdown."""
    found: dict[ModuleType, list[AnyQuestion]] = {}
    for module, each in questions():
        if not each.name.startswith("_"):
            found.setdefault(module, []).append(each)
    return "\n".join((_HEAD, *(_room(module, each) for module, each in found.items())))


def _room(module: ModuleType, own: Sequence[AnyQuestion]) -> str:
    rows = "".join(f"| `{_call(each)}` | {_first_line(each)} | {_rests(each)} |\n" for each in own)
    return f"## {module.__name__}\n\n{_first_line(module)}\n\n{_TABLE}{rows}"


def _call(asked: AnyQuestion) -> str:
    _, *parameters = inspect.signature(asked.function).parameters.values()
    return f"{asked.name}({', '.join(str(each).partition(':')[0] for each in parameters)})"


def _first_line(of: object) -> str:
    return inspect.cleandoc(of.__doc__ or "").partition("\n")[0].replace("|", "\\|")


def _rests(asked: AnyQuestion) -> str:
    lines = ["log lines: " + ", ".join(sorted(asked.logs))] if asked.logs else []
    return ", ".join(
        (
            *sorted(map(str, asked.kinds)),
            *(f"({kind})" for kind in sorted(map(str, asked.evidence))),
            *lines,
            *(["Secrets everywhere"] if asked.searches else []),
        )
    )
