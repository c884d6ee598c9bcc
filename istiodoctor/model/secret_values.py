"""The values of a Secret, as the API server would merge and decode them."""

import binascii
import re
import string
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from istiodoctor.model.stand_in import SHORT, style_of

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_PEM = b"-+/= \r\n" + string.ascii_letters.encode() + string.digits.encode()
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f]")


class SecretValues:
    """`data` and `stringData` together: the latter wins. Values are decoded when they are read.

    Short-lived: it holds private values, and no repr, error or attribute of its results may.
    """

    __slots__ = ("_encoded", "_plain", "_read", "empty_keys", "keys")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        """Check the types of all values; raises msgspec.ValidationError."""
        self._plain = _texts(raw, "stringData")
        encoded = _texts(raw, "data")
        self._encoded = {key: encoded[key] for key in encoded if key not in self._plain}
        self._read: dict[str, bytes | None] = {}
        self.keys = tuple(sorted({**self._plain, **self._encoded}))
        self.empty_keys = tuple(key for key in self.keys if not self._is_filled(key))

    @staticmethod
    def encode(value: bytes) -> str:
        """Return a value as it stands in `data`."""
        return binascii.b2a_base64(value, newline=False).decode()

    def has(self, *keys: str) -> bool:
        """Whether all of these keys are there, empty or not."""
        return all(key in self._plain or key in self._encoded for key in keys)

    def first(self, keys: Iterable[str]) -> str:
        """Return the first of these keys with a value, else the first there is, else nothing."""
        present = [key for key in keys if self.has(key)]
        filled = (key for key in present if key not in self.empty_keys)
        return next(filled, present[0] if present else "")

    def read(self, key: str) -> bytes:
        """Return a value; empty when there is none.

        Raises msgspec.ValidationError for what is not base64.
        """
        value = self._decoded(key)
        if value is None:
            raise msgspec.ValidationError(f"not base64 - at `$.data.{key}`")
        return value

    def style_of(self, key: str) -> str:
        """Return what kind of stand-in a value is, as written or decoded; empty for a real one."""
        value = self._decoded(key)
        written = self._encoded.get(key, "")
        if (value is None or len(written) <= SHORT) and (style := style_of(written)):
            return style
        if not value or _is_plain_pem(value) or _CONTROL.search(value):
            return ""
        return style_of(value.decode(errors="replace"))

    def _decoded(self, key: str) -> bytes | None:
        if key in self._plain:
            return self._plain[key].encode(errors="surrogatepass")
        if key not in self._read:
            self._read[key] = _decoded(self._encoded.get(key, ""))
        return self._read[key]

    def _is_filled(self, key: str) -> bool:
        if key in self._plain:
            return self._plain[key] != ""
        return self._encoded[key].strip("\r\n") != ""


def _texts(raw: Mapping[str, Any], field: str) -> dict[str, str]:
    entries = raw.get(field)
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise _wrong_type("object", entries, f"$.{field}")
    for key, value in entries.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            # Not shown: what is no name may be a line of the value.
            raise msgspec.ValidationError(
                f"a key is no name of letters, digits, `-`, `_` and `.` - at `$.{field}`"
            )
        if value is not None and not isinstance(value, str):
            raise _wrong_type("str", value, f"$.{field}.{key}")
    return {key: value or "" for key, value in entries.items()}


def _wrong_type(expected: str, value: object, path: str) -> msgspec.ValidationError:
    return msgspec.ValidationError(
        f"Expected `{expected}`, got `{_type_name(value)}` - at `{path}`"
    )


def _type_name(value: object) -> str:
    names = {dict: "object", list: "array", bool: "bool", int: "int", float: "float"}
    return names.get(type(value), type(value).__name__)


def _is_plain_pem(value: bytes) -> bool:
    """Return whether a value has only characters of PEM, so that it needs no closer look."""
    return len(value) > SHORT and not value.translate(None, _PEM)


def _decoded(text: str) -> bytes | None:
    """Decode as Go does: line breaks do not count. None for what is not base64."""
    try:
        return binascii.a2b_base64(text.replace("\n", "").replace("\r", ""), strict_mode=True)
    except ValueError:
        return None
