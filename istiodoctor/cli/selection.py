"""Which checks run: `--select` and `--ignore` over codes, families and names."""

from collections.abc import Iterable
from difflib import get_close_matches

from istiodoctor.check import Check
from istiodoctor.cli.exits import UsageError, complain
from istiodoctor.config import Config
from istiodoctor.former_names import FORMER_NAMES, RETIRED
from istiodoctor.model.kind import OF_ENVOY, Kind
from istiodoctor.registry import Registry, discover

ALIKE = 0.8
"""How much of a word is right where another one is meant: one letter of seven may be wrong."""


def registry() -> Registry:
    """Find the checks.

    Plugins that break are named on stderr; having no check at all is an error.
    """
    found = discover()
    for broken in found.broken:
        complain(
            f"the checks of {broken.origin} ({broken.module}) cannot be used: {broken.reason}"
        )
    if not found.checks:
        raise UsageError("no checks are installed; reinstall istiodoctor")
    return found


def chosen(found: Registry, select: Iterable[str], ignore: Iterable[str]) -> tuple[Check, ...]:
    """Return the checks that are selected and not ignored; an unknown name is wrong usage.

    A retired name selects the check that finds the same since, but leaves nothing out: that one
    finds more.
    """
    wanted = tuple(present_name(found, word) for word in _words(select))
    ignored = {word: present_name(found, word) for word in _words(ignore)}
    left_out = tuple(name for word, name in ignored.items() if word.lower() not in RETIRED)
    refuse_unknown(found, (*wanted, *left_out))
    kept = tuple(
        check
        for check in found.checks
        if (not wanted or any(_matches(check, word) for word in wanted))
        and not any(_matches(check, word) for word in left_out)
    )
    if not kept:
        raise UsageError("--select and --ignore leave no check to run")
    return kept


def refuse_unknown(found: Registry, words: Iterable[str], where: str = "") -> None:
    """Raise UsageError for a word that is no code, family or name; `where` says who wrote it."""
    for word in _words(words):
        if not (_is_known(found, word) or word.lower() in {*FORMER_NAMES, *RETIRED}):
            raise UsageError(
                f"{where}no check is called {word};{_meant(found, word)}"
                " 'istiodoctor checks' lists codes, families and names"
            )


def unknown(found: Registry, word: str) -> str:
    """Return the sentence for one word that is no code or name."""
    return f"no check is called {word};{_meant(found, word)} 'istiodoctor checks' lists them"


def _meant(found: Registry, word: str) -> str:
    names = dict.fromkeys(
        name for each in found.checks for name in (each.code, each.family, each.name)
    )
    asked = word.lower() if "-" in word else word.upper()
    near = get_close_matches(asked, names, n=1, cutoff=ALIKE)
    return f" did you mean {near[0]}?" if near else ""


def present_name(found: Registry, word: str) -> str:
    """Return what a former name, or a retired check, is found by now; say so on stderr."""
    former = word.lower()
    if _is_known(found, word):  # a plugin may have taken the name
        return word
    if former in RETIRED:
        complain(f"{word} is retired: {RETIRED[former]} finds the same, and more")
        return RETIRED[former]
    if former in FORMER_NAMES:
        complain(f"the check {word} is called {FORMER_NAMES[former]} now")
        return FORMER_NAMES[former]
    return word


def declined(*, logs: bool, envoy: bool) -> frozenset[Kind]:
    """Return the observations that the user does not want."""
    found = frozenset({Kind.POD_LOG}) if logs else frozenset()
    return found | OF_ENVOY if envoy else found


def check_config(found: Registry, config: Config) -> None:
    """Raise UsageError for a configuration that names checks which do not exist."""
    refuse_unknown(found, (*config.select, *config.ignore), f"{config.origin}: ")
    for rule in config.rules:
        if rule.code.lower() in RETIRED:
            present_name(found, rule.code)
        elif not any(rule.names(check.code) for check in found.checks):
            raise UsageError(
                f"{config.origin}: [[ignores]] names the code {rule.code}, which no check has"
            )


def _words(values: Iterable[str]) -> Iterable[str]:
    return (word.strip() for value in values for word in value.split(",") if word.strip())


def _is_known(found: Registry, word: str) -> bool:
    return any(_matches(check, word) for check in found.checks)


def _matches(check: Check, word: str) -> bool:
    return word.upper() in (check.code, check.family) or word.lower() == check.name
