"""Discovery of checks: built-in ones and those of plugins, by one entry-point group."""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from istiodoctor.check import DISTRIBUTION, Check
from istiodoctor.finding import Severity
from istiodoctor.index import listed
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.question import Question

GROUP = "istiodoctor.checks"
CODE = re.compile(r"[A-Z]{2,10}[0-9]{3}")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
FIELDS: Mapping[str, tuple[str, type]] = {
    "illustrated_by": ("evidence", Question),
    "explains": ("explains", str),
}
"""What the sets that a check declares are called, and what they may hold."""


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


def discover(*, by_index: bool = True) -> Registry:
    """Find every check of every entry point in the group, in the order of their codes.

    Those that come with the tool are taken from their index, where they are not imported before
    they run; without `by_index` they are loaded as those of plugins are.

    A plugin that breaks while it loads is reported and costs nobody else's checks. Of two checks
    with one code or name the first stays, and built-ins come first: they cannot be replaced.
    """
    checks: dict[str, Check] = {}
    names: dict[str, str] = {}
    broken: list[BrokenPlugin] = []
    for point in sorted(entry_points(group=GROUP), key=_order):
        origin = _origin(point)
        for found in _found(point, origin, by_index=by_index):
            if isinstance(found, BrokenPlugin):
                broken.append(found)
            elif fault := _fault(found, checks, names):
                broken.append(BrokenPlugin(origin=origin, module=point.value, reason=fault))
            else:
                checks.setdefault(found.code, found)
                names.setdefault(found.name, found.code)
    return Registry(checks=tuple(checks[code] for code in sorted(checks)), broken=tuple(broken))


def _found(point: EntryPoint, origin: str, *, by_index: bool) -> Iterable[Check | BrokenPlugin]:
    known = listed(point.value, origin) if by_index and _is_own(point) else None
    return checks_below(point.value, origin) if known is None else known


def _is_own(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == DISTRIBUTION


def _order(point: EntryPoint) -> tuple[bool, str, str]:
    return not _is_own(point), point.name, point.value


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def checks_below(root: str, origin: str) -> Iterator[Check | BrokenPlugin]:
    """Yield every check that a module, or a package and what is below it, holds."""
    for module in _modules(root, origin):
        if isinstance(module, BrokenPlugin):
            yield module
            continue
        for value in vars(module).values():
            if isinstance(value, Check):
                yield replace(value, origin=origin)


def _modules(root: str, origin: str) -> Iterator[ModuleType | BrokenPlugin]:
    """Import a package and everything below it, one module at a time."""
    names = [root]
    while names:
        name = names.pop(0)
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:  # a plugin's bug is a result, not a crash
            reason = f"{type(error).__name__}: {error}"
            yield BrokenPlugin(origin=origin, module=name, reason=reason)
            continue
        yield module
        paths = getattr(module, "__path__", None)
        if paths is not None:
            names += sorted(f"{name}.{each.name}" for each in pkgutil.iter_modules(paths))


def _fault(check: Check, others: Mapping[str, Check], names: Mapping[str, str]) -> str:
    """Say what keeps a check from being used beside others; empty when nothing does."""
    if fault := _misdeclared(check):
        return fault
    other = others.get(check.code)
    if other and other.source != check.source:  # the same again is one imported from elsewhere
        return f"its code {check.code} is already that of {other.name}"
    if names.get(check.name, check.code) != check.code:
        return f"its name {check.name} is already that of another check"
    return ""


def _misdeclared(check: Any) -> str:
    """Say what a plugin's check, whose types nobody has checked, declares wrongly."""
    if not (CODE.fullmatch(str(check.code)) and NAME.fullmatch(str(check.name))):
        return f"{check.code} {check.name}: a code looks like CRED001, a name like a-problem"
    if not isinstance(check.severity, Severity):
        return f"{check.code}: its severity is no Severity"
    if check.claims is not None and not isinstance(check.claims, Claim):
        return f"{check.code}: what it claims is no Claim"
    for field, (name, kind) in FIELDS.items():
        if not all(isinstance(each, kind) for each in getattr(check, field)):
            return f"{check.code}: its {name} are not all of the type {kind.__name__}"
    return _asks_nothing(check)


def _asks_nothing(check: Check) -> str:
    """Say that nothing is known of what a check reads: it would pass without having looked."""
    if check.listed:
        return ""
    try:
        asked = check.rests.questions
    except Exception as error:  # a plugin's bug is a result, not a crash
        return f"{check.code}: what it asks cannot be told: {type(error).__name__}: {error}"
    return "" if asked else f"{check.code}: its body names no question of the mesh"
