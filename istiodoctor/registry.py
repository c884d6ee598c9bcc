"""Find the checks: built-ins and strangers' plugins come in by the same door."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from istiodoctor.check import Check

GROUP = "istiodoctor.checks"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenPlugin:
    """A module of checks that could not be loaded."""

    origin: str
    module: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What was found: checks by code, and plugins that failed."""

    checks: tuple[Check, ...]
    broken: tuple[BrokenPlugin, ...] = ()

    def by_code(self) -> dict[str, Check]:
        """Return the checks under their codes."""
        return {check.code: check for check in self.checks}


def discover() -> Registry:
    """Load every check of every entry point in the group, in the order of their codes.

    A plugin that breaks while it loads is reported and costs nobody else's checks. Of two checks
    with one code the
    first stays: built-ins cannot be replaced.
    """
    checks: dict[str, Check] = {}
    broken: list[BrokenPlugin] = []
    points = sorted(
        entry_points(group=GROUP), key=lambda each: (each.name != "builtin", each.name)
    )
    for point in points:
        origin = _origin(point)
        for found in _load(point, origin):
            if isinstance(found, BrokenPlugin):
                broken.append(found)
            elif found.code in checks:
                reason = f"its code {found.code} is already that of {checks[found.code].name}"
                broken.append(BrokenPlugin(origin=origin, module=point.value, reason=reason))
            else:
                checks[found.code] = found
    return Registry(checks=tuple(checks[code] for code in sorted(checks)), broken=tuple(broken))


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _load(point: EntryPoint, origin: str) -> Iterator[Check | BrokenPlugin]:
    for name, module in _modules(point.value, origin):
        if isinstance(module, BrokenPlugin):
            yield module
            continue
        for value in vars(module).values():
            if isinstance(value, Check) and value.judge.__module__ == name:
                yield replace(value, origin=origin)


def _modules(root: str, origin: str) -> Iterator[tuple[str, ModuleType | BrokenPlugin]]:
    """Import a package and everything below it, one module at a time."""
    names = [root]
    while names:
        name = names.pop(0)
        try:
            module = importlib.import_module(name)
        except Exception as error:  # a plugin's bug is a result, not a crash
            reason = f"{type(error).__name__}: {error}"
            yield name, BrokenPlugin(origin=origin, module=name, reason=reason)
            continue
        yield name, module
        paths = getattr(module, "__path__", None)
        if paths is not None:
            names += sorted(f"{name}.{each.name}" for each in pkgutil.iter_modules(paths))
