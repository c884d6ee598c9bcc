"""Fixes as lines to paste into a shell."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import yaml

from istiodoctor.problem import Fix, Patch, PatchType, change, kubectl
from istiodoctor.renderers.text import is_visible, plain

_SHELL_SPECIAL = {"'": "\\'", "\\": "\\\\", "!": "\\x21"}
# Everything else is quoted: `1e3`, `y`, `0644` are strings here and numbers or booleans elsewhere.
_BARE_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]+(?:[-./][A-Za-z0-9]+)*")


class _Manifest(yaml.CSafeDumper):
    """Writes YAML that every YAML parser reads as the same strings, without shared nodes."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out: an anchor in a manifest only puzzles."""
        return True


def _represent_string(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _BARE_WORD.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Manifest.add_representer(str, _represent_string)


def shell_line(arguments: Sequence[str], *, ascii_only: bool = False) -> str:
    """Return the command on one line, quoted so that pasting it gives exactly these arguments."""
    return " ".join(_quoted(argument, ascii_only=ascii_only) for argument in arguments)


def _quoted(argument: str, *, ascii_only: bool) -> str:
    r"""Quote one argument; what could act while it is pasted is written as `$'\x1b'`."""
    if is_visible(argument) and (argument.isascii() or not ascii_only):
        return shlex.quote(argument)
    # A shell ends an argument at NUL: cutting one short could name another object.
    whole = argument.replace("\0", "\ufffd")
    return "$'" + "".join(_shell_escape(character) for character in whole) + "'"


def _shell_escape(character: str) -> str:
    if character in _SHELL_SPECIAL:
        return _SHELL_SPECIAL[character]
    if character.isascii() and character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "replace"))


def blocks(fix: Fix, *, ascii_only: bool = False) -> tuple[str, ...]:
    """Return what to paste to apply a fix: its patches, then its commands.

    Nothing, where one of them is for an object that there cannot be: `why` tells it.
    """
    if fix.withheld:
        return ()
    return (
        *(patch_block(patch, ascii_only=ascii_only) for patch in fix.patches),
        *(shell_line(command, ascii_only=ascii_only) for command in fix.commands),
    )


def patch_block(patch: Patch, *, ascii_only: bool = False) -> str:
    """Return the kubectl command that applies a patch; several lines for a new manifest."""
    if patch.type is PatchType.CREATE:
        return apply_block(patch.body)
    body = json.dumps(plain(patch.body), separators=(",", ":"))
    how: Literal["--type=json", "--type=merge"] = (
        "--type=json" if patch.type is PatchType.JSON else "--type=merge"
    )
    return shell_line(kubectl("patch", patch.ref, how, change(body)), ascii_only=ascii_only)


def apply_block(manifest: Mapping[str, Any]) -> str:
    """Return a here document for `kubectl apply`; its end marker is no line of the manifest."""
    text = yaml.dump(
        plain(manifest), Dumper=_Manifest, sort_keys=False, allow_unicode=False, width=1_000_000
    )
    # Only double-quoted strings hold a `!`, which an interactive shell may take for its history.
    text = text.replace("!", "\\x21")
    marker = "EOF"
    while marker in text:
        marker += "_"
    return f"kubectl apply -f - <<'{marker}'\n{text}{marker}"


def is_command(words: Sequence[str]) -> bool:
    """Whether an undo is a command, and not a sentence held as one word."""
    return len(words) > 1 or (len(words) == 1 and " " not in words[0])
