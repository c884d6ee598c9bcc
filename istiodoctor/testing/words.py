"""The words that stand for certificates and keys in the Secrets of an example.

No key is written into documentation: the words become real PEM here, made once in a run. The same
words are the same certificate, wherever they stand.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

from istiodoctor.testing.certificates import Authority, Issued, key_pem, new_key

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""The clock of every example."""

WORDS = """\
  certificate for HOST, HOST; OPTION; OPTION   a chain, leaf first; options:
      expired, not yet valid, expires in N days, renewed, self-signed, issued by NAME,
      without subject alternative names, leaf only, intermediate first, glued,
      key KIND (ec, ec384, ec521, ed25519, rsa, rsa4096 …)
  key of HOST                                  the key of the certificate whose first name that is;
      one option after a semicolon: encrypted, self-signed, key KIND
  authority NAME                               a CA's own certificate; option: expired
  revocation list of NAME                      a CA's list; option: expired
  intermediate                                 the certificate that signs what names no issuer
  empty                                        no text at all"""
"""What is understood, for messages."""

STARTS = ("certificate for ", "key of ", "authority ", "revocation list of ")


class UnknownWords(ValueError):
    """Words that stand for no certificate and no key."""

    def __init__(self, words: str) -> None:
        """Say which, and which there are."""
        super().__init__(f"not understood: “{words}”. What stands for certificates:\n{WORDS}")


def pem(words: str) -> str:
    """Return the PEM that words stand for; other text as it is."""
    text = " ".join(words.split())
    if text == "empty":
        return ""
    if text == "intermediate":
        return _intermediate().pem
    start = next((each for each in STARTS if text.startswith(each)), "")
    subject, *options = (each.strip() for each in text.removeprefix(start).split(";"))
    try:
        return MAKERS[start](subject, tuple(filter(None, options))) if start else words
    except (KeyError, ValueError):
        raise UnknownWords(text) from None


def authority(name: str) -> Authority:
    """Return the authority of this name."""
    return _authority(name, expired=False)


@cache
def _authority(name: str, *, expired: bool) -> Authority:
    return Authority(name, not_after=NOW - timedelta(days=2)) if expired else Authority(name)


def _is_expired(options: tuple[str, ...]) -> bool:
    if options not in ((), ("expired",)):
        raise ValueError(options)
    return bool(options)


def _authority_pem(name: str, options: tuple[str, ...]) -> str:
    return _authority(name, expired=_is_expired(options)).pem


def _revocation_list(name: str, options: tuple[str, ...]) -> str:
    ends = NOW + timedelta(days=-2 if _is_expired(options) else 30)
    return authority(name).revoke(next_update=ends)


@cache
def _intermediate() -> Authority:
    return Authority("Example Intermediate", parent=authority("Example Root"))


@cache
def _key(name: str, kind: str = "ec") -> Any:
    return new_key(kind)


def _private_key(name: str, options: tuple[str, ...]) -> str:
    match " ".join(options).split():
        case []:
            return _issued(name).key_pem
        case ["encrypted"]:
            return key_pem(_key(name), password=b"example")
        case ["self-signed"]:
            return key_pem(authority(name).key)
        case ["key", kind]:
            return key_pem(_key(name, kind))
        case _:
            raise ValueError(options)


@cache
def _issued(name: str) -> Issued:
    """Return the plain certificate whose first name this is; its key serves every variant."""
    return _intermediate().issue(name, key=_key(name))


@cache
def _certificate(subject: str, options: tuple[str, ...]) -> str:
    """Return a chain with the options applied in order; `renewed` makes another one."""
    names = tuple(each.strip() for each in subject.split(","))
    settings: dict[str, Any] = {"key": _key(names[0]), "serial": _serial(subject, *options)}
    signer = _intermediate()
    shape: Callable[[Issued], str] = _chain
    for option in options:
        if found := re.fullmatch(r"expires in (\d+) days", option):
            settings["not_after"] = NOW + timedelta(days=int(found[1]))
        elif found := re.fullmatch(r"issued by (.+)", option):
            signer = authority(found[1])
        elif found := re.fullmatch(r"key (\w+)", option):
            settings["key"] = _key(names[0], found[1])
        elif option == "self-signed":
            signer = authority(names[0])
            settings["key"] = signer.key
        elif option in SHAPES:
            shape = SHAPES[option]
        else:
            settings |= OPTIONS[option]
    return shape(signer.issue(*names, **settings))


def _serial(*words: str) -> int:
    """Return a serial that is the same in every run: findings tell certificates apart by it."""
    return int.from_bytes(sha256("; ".join(words).encode()).digest()[:8]) | 1


def _chain(made: Issued) -> str:
    return made.chain_pem


OPTIONS: Mapping[str, dict[str, Any]] = {
    "renewed": {},
    "expired": {"not_after": NOW - timedelta(days=2)},
    "not yet valid": {"not_before": NOW + timedelta(days=2)},
    "without subject alternative names": {"without_san": True},
}
SHAPES: Mapping[str, Callable[[Issued], str]] = {
    "leaf only": lambda made: made.pem,
    "intermediate first": lambda made: made.intermediates_pem + made.pem,
    "glued": lambda made: made.chain_pem.replace("-----\n-----", "----------"),
}
MAKERS: Mapping[str, Callable[[str, tuple[str, ...]], str]] = {
    "certificate for ": _certificate,
    "key of ": _private_key,
    "authority ": _authority_pem,
    "revocation list of ": _revocation_list,
}
