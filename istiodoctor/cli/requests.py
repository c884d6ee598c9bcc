"""The requests to trace: URLs as typed, or a file with one request a line."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from istiodoctor.cli.arguments import TraceArguments, header
from istiodoctor.cli.exits import UsageError
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.model.redaction import redact

MOST_LINE = 64 * 1024
"""Bytes of one line: more than Envoy takes of headers."""
MOST_REQUESTS = 100_000
MOST_BYTES = 64 * 1024 * 1024
STANDARD_INPUT = "-"
_MARK = b"\xef\xbb\xbf"
"""What Windows begins a file of UTF-8 with."""
_SHOWN = 200
"""Characters of a URL that is none."""

Asked = tuple[str, Request]
"""A request with what tells it from the others."""


class RequestLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of a file of requests; fields that are not known here are passed over."""

    url: str
    id: str | None = None
    method: str | None = None
    headers: dict[str, str] | None = None
    workload: str | None = None
    server_name: str | None = None


def typed_requests(arguments: TraceArguments) -> tuple[Asked, ...]:
    """Return the requests for the URLs on the command line, each with its position."""
    headers = (*map(header, arguments.headers), *_upgrading(arguments.upgrade))
    return tuple(
        (str(number), _of_url(url, headers, arguments))
        for number, url in enumerate(arguments.urls, start=1)
    )


def read_requests(name: str) -> tuple[Asked, ...]:
    """Return the requests of a file; raises UsageError for the first line that is none."""
    shown = "standard input" if name == STANDARD_INPUT else name
    content = _content(name, shown)
    found: list[Asked] = []
    for number, line in _lines(content):
        if len(found) == MOST_REQUESTS:
            raise UsageError(f"{shown} holds more than {MOST_REQUESTS:,} requests")
        try:
            found.append(_read(line, number))
        except ValueError as error:
            raise UsageError(f"{shown}:{number}: {error}") from None
    if not found:
        raise UsageError(f"{shown} holds no request: one JSON object a line, each with a url")
    return tuple(found)


def _of_url(url: str, headers: tuple[tuple[str, str], ...], arguments: TraceArguments) -> Request:
    try:
        return Request.of_url(
            url,
            method=arguments.method,
            headers=headers,
            server_name=arguments.server_name,
        )
    except ValueError as error:
        raise UsageError(f"{redact(url)!r} cannot be traced: {error}") from None


def _upgrading(protocol: str) -> tuple[tuple[str, str], ...]:
    """Return the headers that ask for another protocol (RFC 9110 §7.8); none for none."""
    return (("connection", "Upgrade"), ("upgrade", protocol)) if protocol else ()


def _content(name: str, shown: str) -> bytes:
    """Return the bytes of a file of requests."""
    try:
        if name == STANDARD_INPUT:
            return _bounded(sys.stdin.buffer, shown) if sys.stdin else b""
        with Path(name).open("rb") as file:
            return _bounded(file, shown)
    except IsADirectoryError:
        raise UsageError(f"{shown} is a folder: --requests takes one file") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{shown} cannot be read: {reason}") from None


def _bounded(file: BinaryIO, shown: str) -> bytes:
    content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UsageError(f"{shown} is larger than {MOST_BYTES // 1024 // 1024} MiB")
    return content


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, counted from 1."""
    for number, line in enumerate(content.removeprefix(_MARK).split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _read(line: bytes, number: int) -> Asked:
    """Return the request of a line; raises ValueError with a sentence."""
    if len(line) > MOST_LINE:
        raise ValueError(f"a line is at most {MOST_LINE:,} bytes long")
    try:
        line.decode()
        read = msgspec.json.decode(line, type=RequestLine)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from None
    try:
        request = Request.of_url(
            read.url,
            method="GET" if read.method is None else read.method,
            headers=(read.headers or {}).items(),
            server_name=read.server_name,
            workload=read.workload or "",
        )
    except (ValueError, UsageError) as error:
        raise ValueError(f"{redact(read.url)[:_SHOWN]!r} cannot be traced: {error}") from None
    return str(number) if read.id is None else read.id, request
