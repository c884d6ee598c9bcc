"""`istiodoctor.toml`: what to check, what to leave out and why, and facts no cluster can tell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import msgspec

from istiodoctor.finding import Severity
from istiodoctor.mesh.facts import FrontProxy

FILE_NAME = "istiodoctor.toml"


class ConfigError(ValueError):
    """The configuration cannot be used; the message says where and why."""


class IgnoreRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[ignores]]` entry: findings that are left out, with a reason.

    With a code and a fingerprint, those that have both.
    """

    code: str = ""
    """A code, or several by `*`: `CERT*`."""
    fingerprint: str = ""
    reason: str
    until: date | None = None
    """The last day on which it holds (UTC)."""

    @property
    def until_time(self) -> datetime | None:
        """The end of the last day."""
        return datetime.combine(self.until, time(23, 59, 59), UTC) if self.until else None

    def holds(self, code: str, fingerprint: str, now: datetime) -> bool:
        """Whether it leaves out a finding now."""
        if self.until and now.astimezone(UTC).date() > self.until:
            return False
        return self.names(code) and self.fingerprint in ("", fingerprint)

    def names(self, code: str) -> bool:
        """Whether it may be about findings of this code."""
        return not self.code or fnmatchcase(code, self.code.upper())


class _FrontProxy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hosts: tuple[str, ...]
    terminates_tls: bool = False
    sends_x_forwarded_proto: Literal["", "http", "https"] = ""
    http_version: str = ""
    sends_sni: bool | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: str | None = None
    ignores: tuple[IgnoreRule, ...] = ()
    front_proxy: tuple[_FrontProxy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration in force."""

    select: tuple[str, ...] = ()
    """Codes, families or names of checks; empty selects all."""
    ignore: tuple[str, ...] = ()
    fail_on: str | None = None
    """`critical`, `high`, `medium`, `low` or `never`; None leaves the default."""
    rules: tuple[IgnoreRule, ...] = ()
    front_proxies: tuple[FrontProxy, ...] = ()
    origin: str = ""
    """The file it was read from; empty for the defaults."""

    def ignores(self, code: str, fingerprint: str, now: datetime) -> IgnoreRule | None:
        """Return the rule that leaves a finding out, or None."""
        return next((rule for rule in self.rules if rule.holds(code, fingerprint, now)), None)


FAIL_ON = ("critical", "high", "medium", "low", "never")


def load(path: Path) -> Config:
    """Read a configuration file; raises ConfigError with one sentence."""
    try:
        written = msgspec.toml.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is no istiodoctor configuration: {_said(error)}") from None
    if written.fail_on is not None and written.fail_on not in FAIL_ON:
        raise ConfigError(f"{path}: fail_on is one of {', '.join(FAIL_ON)}")
    for number, rule in enumerate(written.ignores, start=1):
        _refuse_vague(rule, f"{path}: [[ignores]] number {number}")
    return Config(
        select=written.select,
        ignore=written.ignore,
        fail_on=written.fail_on,
        rules=written.ignores,
        front_proxies=tuple(_front_proxy(each) for each in written.front_proxy),
        origin=str(path),
    )


def _said(error: Exception) -> str:
    """Return an error with the keys that there are, where it is about one that there is not."""
    found = _UNKNOWN.search(str(error))
    if not found:
        return str(error)
    place = found["place"] or ""
    table = next((each for each in _TABLES if each and place.startswith(f"$.{each}")), "")
    keys = _TABLES[table].__struct_fields__
    near = get_close_matches(found["key"], keys, n=1)
    meant = f", did you mean {near[0]}?" if near else ""
    where = f"in [[{table}]] " if table else ""
    return f"{where}there is no key {found['key']}{meant}; there are {', '.join(keys)}"


_UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]*)`(?: - at `(?P<place>[^`]*)`)?")
_TABLES: Mapping[str, type[msgspec.Struct]] = {
    "": _File,
    "ignores": IgnoreRule,
    "front_proxy": _FrontProxy,
}
"""The tables of the file, by their names."""


def find(working_directory: Path, config_folder: Path) -> Path | None:
    """Return the configuration beside the user: the working directory's, else the user's own."""
    places = (working_directory / FILE_NAME, config_folder / FILE_NAME)
    return next((place for place in places if _is_file(place)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long, or a folder on the way may not be entered
        return False


def threshold(name: str) -> Severity | None:
    """Return the severity at which a scan fails; None for never."""
    return None if name == "never" else Severity(name)


def _refuse_vague(rule: IgnoreRule, where: str) -> None:
    """Raise ConfigError for a rule that does not say what it leaves out, or why."""
    if not (rule.code or rule.fingerprint):
        raise ConfigError(f"{where} needs a code or a fingerprint")
    if not rule.reason.strip():
        raise ConfigError(f"{where} needs a reason")


def _front_proxy(written: _FrontProxy) -> FrontProxy:
    fields: dict[str, Any] = {name: getattr(written, name) for name in written.__struct_fields__}
    return FrontProxy(**{**fields, "hosts": tuple(host.lower() for host in written.hosts)})
