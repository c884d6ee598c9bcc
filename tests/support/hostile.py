"""Clusters in which a name is not what anybody would call a thing: it means harm, or a program."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from istiodoctor.model.snapshot import Reading, Snapshot
from istiodoctor.testing.clusters import cluster_of, log_lines
from istiodoctor.testing.examples import Example

OPTIONS = ("--all", "-A", "--kubeconfig=/x", "-oyaml", "--", "-")
SHELL = ("$(x)", "a;b", "`id`", "a b", "'", "a|b", "a\nkubectl delete all", "\x1b[2J", "%s", "x>y")
PLACES = ("..", ".", "a/b", "/etc/passwd", "@file", "")
FORMS = ("*", "Name", "a_b", "a=b", "a,b", "a.-b", "é", "x" * 300, f"{'x' * 63}." * 5)
IMPOSSIBLE = (*OPTIONS, *SHELL, *PLACES, *FORMS)
"""What no object of a namespace can be called."""
ODD = ("all", "null", "true", "1e3", "0", "a.b", "x" * 63)
"""What an object can be called, and what something else could take for another thing."""

LABELLED = frozenset({"labels", "matchLabels", "selector", "annotations"})
"""Fields whose keys are names too."""
NO_NAMES = frozenset({"stringData", "creationTimestamp"})
IN_TEXT = re.compile(r"[^\s:'\"\[\]{},@`%&*!|>#]+")
"""What can stand in the text of a log, or of an observation, as one word."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """An example with one of its names made another wherever it stands."""

    example: Example
    objects: tuple[dict[str, Any], ...]
    name: str
    wanted: str

    def snapshot(self) -> Snapshot:
        """Return it as a whole cluster."""
        pattern = standing(self.name)
        objects = [_renamed(each, pattern, self.wanted) for each in self.objects]
        example = self._seen(pattern) if is_word(self.wanted) else self.example
        logs = tuple(line for source, text in example.logs for line in log_lines(source, text))
        return cluster_of(objects, logs).plus(_readings(example, self.example))

    def _seen(self, pattern: re.Pattern[str]) -> Example:
        """Return the example with the name changed in logs, Envoys and what was seen."""

        def changed(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
            return tuple(
                (self._source(source, pattern), pattern.sub(lambda _: self.wanted, text))
                for source, text in pairs
            )

        example = self.example
        return replace(
            example,
            logs=changed(example.logs),
            envoys=changed(example.envoys),
            wire=changed(example.wire),
        )

    def _source(self, source: str, pattern: re.Pattern[str]) -> str:
        return source if "/" in self.wanted else pattern.sub(lambda _: self.wanted, source)


def _readings(example: Example, original: Example) -> Reading:
    """Return what was seen; as it was where the name cannot be written there."""
    try:
        return example.seen()
    except (yaml.YAMLError, ValueError, KeyError):
        return original.seen()


def is_word(name: str) -> bool:
    """Whether a name can stand in logs and observations as it is, and is text there."""
    is_plain = name.isascii() and name.isprintable() and IN_TEXT.fullmatch(name)
    # PyYAML fails on a lone "=", which YAML 1.1 gives a meaning of its own.
    return bool(is_plain) and name != "=" and yaml.safe_load(name) == name


def standing(name: str) -> re.Pattern[str]:
    """Return a pattern for a name where it stands alone, or with the suffix of a CA."""
    return re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w.]|-(?!cacert\b))")


def renamings(example: Example) -> Iterator[Renamed]:
    """Yield an example once for each of its names, to be made another one."""
    objects = tuple(filter(None, yaml.safe_load_all(example.text)))
    sources = (
        part for source, _ in (*example.logs, *example.envoys) for part in source.split("/")
    )
    for name in dict.fromkeys((*names_in(objects), *sources)):
        yield Renamed(example, objects, name, "")


def names_in(objects: tuple[dict[str, Any], ...]) -> tuple[str, ...]:
    """Return every text that may be a name, each once."""
    found = (
        name
        for each in objects
        for field, value in each.items()
        if field not in ("apiVersion", "kind", *NO_NAMES)
        for _, name in _texts(value, field)
    )
    return tuple(dict.fromkeys(name for name in found if name and "\n" not in name))


def _texts(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for key, each in value.items():
                if field in LABELLED:
                    yield field, str(key)
                if key not in NO_NAMES:
                    yield from _texts(each, str(key))
        case list():
            for each in value:
                yield from _texts(each, field)
        case str():
            yield field, value
            if value.count("/") == 1:
                yield from ((field, part) for part in value.split("/"))


def _renamed(value: Any, pattern: re.Pattern[str], wanted: str, field: str = "") -> Any:
    match value:
        case dict() as mapping:
            return dict(_renamed_items(mapping, pattern, wanted, field))
        case list():
            return [_renamed(each, pattern, wanted, field) for each in value]
        case str():
            return pattern.sub(lambda _: wanted, value)
        case _:
            return value


def _renamed_items(
    mapping: Mapping[str, Any], pattern: re.Pattern[str], wanted: str, field: str
) -> Iterator[tuple[str, Any]]:
    for key, each in mapping.items():
        name = pattern.sub(lambda _: wanted, key) if field in LABELLED else key
        is_kept = key in NO_NAMES or (key in ("apiVersion", "kind") and not field)
        yield name, each if is_kept else _renamed(each, pattern, wanted, key)
