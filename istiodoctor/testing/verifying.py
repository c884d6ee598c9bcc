"""Whether an example holds, and if not, what may be wrong with it."""

import difflib
from collections.abc import Iterator
from typing import Any

import yaml

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers, workloads_of
from istiodoctor.model.decode import TYPES
from istiodoctor.model.kind import Kind, kind_of
from istiodoctor.registry import discover
from istiodoctor.testing.examples import BAD, Example
from istiodoctor.testing.findings import Unreadable, found_in, is_same, written
from istiodoctor.testing.words import STARTS, WORDS
from istiodoctor.text import listing

PEM = "-----BEGIN"
VALUES = (".crt", ".key", "cert", "key", "cacert", ".crl", "crl")
"""How the keys of a Secret end under which PEM is looked for."""


class ExampleFailed(AssertionError):
    """The documentation of a check says something else than the check."""


def verify(example: Example, *, must_tell: bool = False) -> None:
    """Fail where the check does not do what its example says.

    With `must_tell` a bad block must be followed by what the check says of it.
    """
    if fault := fault_of(example, must_tell=must_tell):
        raise ExampleFailed(f"{example}: {fault}")


def fault_of(example: Example, *, must_tell: bool = False) -> str:
    """Say what an example and its check differ in; empty where they agree."""
    try:
        found = found_in(example)
    except Unreadable as error:
        return f"the {example.verdict} block cannot be read: {error}"
    says = written(example.check, found)
    if example.verdict != BAD:
        if example.said is not None:
            return "a finding block belongs after a bad block, not after a good one"
        return f"the good block fires:\n{says}" if found else ""
    if not found:
        return "\n".join(("nothing fired on the bad block", *map("- {}".format, hints(example))))
    if example.said is None:
        return f"the block ```finding is missing; {_how(example)}" if must_tell else ""
    if is_same(example.said, says):
        return ""
    lines = difflib.ndiff(example.said.splitlines(), says.splitlines())
    return "\n".join(("it says something else than its block (+):", *lines, _how(example)))


def _how(example: Example) -> str:
    module, _ = example.check.source
    return f"python -m istiodoctor.testing --write {module} writes it"


def hints(example: Example) -> Iterator[str]:
    """Yield what may be why nothing fired."""
    mesh = Mesh(example.snapshot())
    objects = [each for each in yaml.safe_load_all(example.text) if each]
    yield from _unknown_kinds(objects)
    yield from _no_gateway(mesh)
    yield from _missing_kinds(example, objects)
    yield from _strange_values(objects)
    yield from _others(example, mesh)


def _kind(document: dict[str, Any]) -> Kind | None:
    return kind_of(document["apiVersion"].rpartition("/")[0], document["kind"])


def _unknown_kinds(objects: list[dict[str, Any]]) -> Iterator[str]:
    for each in objects:
        if _kind(each) is None:
            yield f"no question reads {each['apiVersion']} {each['kind']}"


def _no_gateway(mesh: Mesh) -> Iterator[str]:
    asked = servers(mesh)
    if not asked:
        yield "no server of a gateway is in the block: no Gateway or listener that istiod serves"
    elif not any(pod for server in asked for pod in workloads_of(mesh, server)):
        gateways = listing(each.gateway for each in asked)
        yield f"no pod of a gateway is in the block: none has the labels that {gateways} selects"


def _missing_kinds(example: Example, objects: list[dict[str, Any]]) -> Iterator[str]:
    """Tell of the kinds that the check needs; pods and their templates stand for each other."""
    shown = {_kind(each) for each in objects}
    missing = sorted(str(each) for each in example.check.needs & TYPES.keys() if each not in shown)
    if missing:
        names = listing(missing, shown=len(missing))
        yield f"the check asks about kinds of which the block has none, perhaps rightly: {names}"


def _strange_values(objects: list[dict[str, Any]]) -> Iterator[str]:
    strange = tuple(
        f"“{value}”"
        for each in objects
        if each["kind"] == "Secret"
        for key, value in (each.get("stringData") or {}).items()
        if key.endswith(VALUES) and not str(value).startswith((PEM, *STARTS))
        if value not in ("empty", "intermediate")
    )
    if strange:
        yield (
            f"{listing(strange)} in a Secret is neither PEM nor the words for a certificate:\n"
            f"{WORDS}"
        )


def _others(example: Example, mesh: Mesh) -> Iterator[str]:
    """Yield which other checks fired instead."""
    for check in discover().checks:
        if check.code == example.check.code:
            continue
        try:
            found = next(iter(check.run(mesh)), None)
        except Exception:  # a bug of another plugin is not what this example is about
            continue
        if found:
            yield f"{check.code} {check.name} fired instead: {found.message}"
