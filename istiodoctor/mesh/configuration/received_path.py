r"""What Envoy makes of a path before it chooses a route.

Source: Envoy's source/common/http/conn_manager_utility.cc (`maybeNormalizePath`) and
path_utility.cc (`canonicalPath`, `unescapeSlashes`, `mergeSlashes`,
`stripParametersFromDotSegments`); which characters are decoded and encoded is Chromium's
`url::CanonicalizePath`, measured byte by byte with Envoy 1.40. Which steps are taken follows from
`meshConfig.pathNormalization` (pilot/pkg/networking/core/listener_builder.go:407-420) and from a
proxy's `connectionSettings` (connection_settings.go:186-196).
"""

import re

from istiodoctor.mesh.configuration.listener import HttpOptions
from istiodoctor.mesh.configuration.request_line import EarlyAnswer
from istiodoctor.model.http_statuses import TEMPORARY_REDIRECT

_ESCAPED_SLASH = re.compile(r"%(?:2[Ff]|5[Cc])")
_UNRESERVED = re.compile(r"%(?:2[DdEe]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe])")
_MARK = "\0"
"""Stands for a lone percent sign while a path is decoded; no path has one of its own."""
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NESTED_ESCAPE = re.compile(_MARK + r"(?=[0-9A-Fa-f]{2})")
_ENCODED = {ord(each): f"%{ord(each):02X}" for each in '"<>^`{|}'} | {ord("\\"): "/"}
_SLASHES = re.compile("//+")


def normalized_target(target: str, options: HttpOptions) -> str | EarlyAnswer:
    """Return `:path` as routes see it, its query as it was; an answer where it goes no further."""
    target = target.partition("#")[0]
    path, mark, query = target.partition("?")
    has_escaped = bool(_ESCAPED_SLASH.search(path))
    if has_escaped and options.rejects_escaped_slashes:
        return EarlyAnswer(status=400, reason="its path has an escaped slash")
    if options.unescapes_slashes or options.redirects_escaped_slashes:
        path = _ESCAPED_SLASH.sub(lambda found: "\\" if "5" in found[0] else "/", path)
    if options.normalizes_path:
        if "%00" in path:
            return EarlyAnswer(status=400, reason="its path has an escaped null character")
        path = _canonical(path)
    if options.merges_slashes:
        path = _SLASHES.sub("/", path) if path.strip("/") else path[:2]  # `///` becomes `//`
    if has_escaped and options.redirects_escaped_slashes:
        reason = "its path has an escaped slash"
        location = path + mark + query
        return EarlyAnswer(status=TEMPORARY_REDIRECT, reason=reason, location=location)
    return path + mark + query


def _canonical(path: str) -> str:
    """Return a path with dot segments resolved and each character written in one way."""
    path = "/".join(map(_without_parameters, path.split("/"))) if ".;" in path else path
    if "%" in path:
        path = _decoded(path)
    path = path.translate(_ENCODED)
    return _without_dot_segments(path) if "/." in path else path


def _decoded(path: str) -> str:
    """Return a path with its unreserved characters decoded.

    A percent sign that escapes nothing and would do so afterwards is escaped itself: `%4%61` is
    `%254a` (Chromium's `CheckForNestedEscapes`).
    """
    marked = _LONE_PERCENT.sub(_MARK, path)
    decoded = _UNRESERVED.sub(lambda found: chr(int(found[0][1:], 16)), marked)
    return _NESTED_ESCAPE.sub("%25", decoded).replace(_MARK, "%")


def _without_parameters(segment: str) -> str:
    """Return a dot segment without what follows a `;`, any other segment as it is."""
    for dots in ("..", "."):
        if segment.startswith(f"{dots};"):
            return dots
    return segment


def _without_dot_segments(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
