"""YAML 1.1 as kubectl reads it, where the fast parser reads something else or nothing.

`yes`, `on` and `n` are booleans, `0644` is a number, every key is a string, and of a key that is
given twice the last one counts.

Sources: go.yaml.in/yaml `v2/resolve.go:31-90` (words), `:115-175` (numbers), `v2/scannerc.go:2604`
(a colon ends a plain scalar only before a blank), `v2/decode.go` (a repeated key replaces, unless
strict); sigs.k8s.io/yaml `yaml.go:204-253` (keys).
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

_DIFFERENT = (
    r"(?:[yY](?:es|ES)?|[nN][oO]?|[oO](?:n|N|ff|FF)|[-+]?0[0-9]++|[-+]?[0-9]++_[0-9_]*+"
    r"|[-+.]?[0-9][^\s:,\[\]{}\"']*+(?=:\s)|(?:[tT]rue|TRUE|[fF]alse|FALSE)(?=:\s))"
    r"(?:[\s,\]}]|:\s|\Z)"
)
"""A scalar that may mean something else, or a key that is no string; too often is no harm."""
_WITHIN = re.compile(rf"[ \t\n\[,{{](?=[yYnNoO0-9+.tTfF-]){_DIFFERENT}")
_AT_START = re.compile(_DIFFERENT)
MOST_DIGITS = 40
MOST_CHARACTERS = 8 * 1024 * 1024
"""Of one document: this parser takes some twenty times as long as the other."""

_COLON_AT_END = re.compile(
    r"\"(?:\\.|[^\"\\])*\"|'(?:''|[^'])*'|(?:^|\s)\#[^\n]*"
    r"|(?<![^\s,\[\]{}])(?P<scalar>[^\s,\[\]{}\"'#&*!|>%@`:?-][^\s,\[\]{}\"']*:)(?=[,\]}])"
)
_BOOLEAN = (
    r"^(?:[yYnN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$"
)
_INTEGER = r"^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)$"
_FLOAT = (
    r"^(?:[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_TRUE = frozenset({"y", "yes", "true", "on"})


class RepeatedKeys(list[tuple[str, int]]):
    """Keys that stand more than once in one mapping, each with its line."""


class _Loader(yaml.CSafeLoader):
    """Resolves plain scalars as go-yaml does."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    repeated: RepeatedKeys


def may_differ(text: str) -> bool:
    """Whether the fast parser may read something else in a document; never false where it does.

    Of the size of documents that this parser is given.
    """
    if len(text) > MOST_CHARACTERS:
        return False
    return _WITHIN.search(text) is not None or _AT_START.match(text) is not None


def prepared(text: str) -> str:
    """Return a document as this parser has to be given it."""
    return _COLON_AT_END.sub(_quoted, text) if ":" in text else text


def load(text: str) -> tuple[Any, RepeatedKeys]:
    """Return a document that was prepared, and its repeated keys; raises yaml.YAMLError."""
    loader = _Loader(text)
    loader.repeated = RepeatedKeys()
    try:
        return loader.get_single_data(), loader.repeated
    finally:
        loader.dispose()


def _quoted(found: re.Match[str]) -> str:
    """Quote a plain scalar that ends with a colon, which only go-yaml takes for one."""
    return f"'{found['scalar']}'" if found["scalar"] else found[0]


def as_key(key: Any) -> str:
    """Return a key as JSON has it; raises ValueError for what can be none."""
    match key:
        case str():
            return key
        case bool():
            return "true" if key else "false"
        case int():
            return str(key)
        case float():
            return repr(key).removesuffix(".0")
        case _:
            raise ValueError("a key is empty, a mapping or a list")


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Any:
    made: dict[str, Any] = {}
    yield made
    loader.flatten_mapping(node)  # merge keys: own ones come last, and win
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key is None:
            raise yaml.constructor.ConstructorError(
                None, None, "nothing is used as a key", key_node.start_mark
            )
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(
                None, None, "a mapping or a list is used as a key", key_node.start_mark
            )
        name, line = as_key(key), key_node.start_mark.line + 1
        start = node.start_mark.line
        if name in lines and lines[name] > start and line > start:
            loader.repeated.append((name, line))
        lines[name] = line
        made[name] = loader.construct_object(value_node)


def _boolean(loader: _Loader, node: yaml.ScalarNode) -> bool:
    return str(node.value).lower() in _TRUE


def _integer(loader: _Loader, node: yaml.ScalarNode) -> Any:
    text = str(node.value).replace("_", "")
    if len(text) > MOST_DIGITS:
        return str(node.value)
    digits = text.lstrip("+-")
    sign = -1 if text.startswith("-") else 1
    if digits[:2].lower() in ("0b", "0o", "0x"):
        number = int(digits, 0)
    elif len(digits) > 1 and digits.startswith("0"):
        number = int(digits, 8)
    else:
        number = int(digits)
    return sign * number if number < 2**64 else float(sign * number)


def _number(loader: _Loader, node: yaml.ScalarNode) -> Any:
    text = str(node.value).replace("_", "").lower()
    try:
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return str(node.value)


def _any_tag(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    """Take a value with a tag of its own for what it is without."""
    match node:
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
        case _:
            return node.value


def _prepare() -> None:
    for tag, pattern, first in (
        ("bool", _BOOLEAN, "yYnNtTfFoO"),
        ("int", _INTEGER, "-+0123456789"),
        ("float", _FLOAT, "-+0123456789."),
        ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
        ("merge", r"^(?:<<)$", "<"),
    ):
        _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))
    for tag, construct in (
        ("map", _mapping),
        ("bool", _boolean),
        ("int", _integer),
        ("float", _number),
    ):
        _Loader.add_constructor(f"tag:yaml.org,2002:{tag}", construct)
    _Loader.add_constructor("tag:yaml.org,2002:binary", lambda _, node: node.value)
    _Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)
    _Loader.add_multi_constructor("", _any_tag)


_prepare()
