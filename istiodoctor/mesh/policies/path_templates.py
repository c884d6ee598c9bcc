"""Paths with `{*}` and `{**}` in an AuthorizationPolicy.

Source: pilot/pkg/security/authz/matcher/template.go and Envoy's
source/extensions/path/uri_template_lib/uri_template_internal.cc (`parseURLPatternSyntax`,
`toRegexPattern`).
"""

import re

from istiodoctor.mesh.regular_expressions import full_match

ONE, ANY = "{*}", "{**}"
_LITERAL = r"a-zA-Z0-9-._~%!$&'()+,;:@"
_SEGMENT = re.compile(rf"(?P<glob>\*\*|\*)?(?P<rest>[{_LITERAL}]*)")
_GLOBS = {"*": f"[{_LITERAL}*=]+", "**": f"[{_LITERAL}*=/]*"}
"""Measured with Envoy 1.40; older ones take no `*` and no `=` there."""


def has_template(path: str) -> bool:
    """Whether a path is a template (`ContainsPathTemplate`, pkg/config/security/security.go)."""
    return ONE in path or ANY in path


def takes_template(template: str, path: str) -> bool | None:
    """Whether a template takes a path without its query; None for what Envoy refuses."""
    pattern = _pattern(template.replace(ONE, "*").replace(ANY, "**"))
    return None if pattern is None else full_match(pattern, path)


def _pattern(template: str) -> str | None:
    """Return the regular expression of a template; None where Envoy takes it for none."""
    if not template.startswith("/"):
        return None
    segments = template[1:].split("/")
    written: list[str] = []
    has_any = False
    for index, segment in enumerate(segments):
        is_last = index == len(segments) - 1
        found = _SEGMENT.fullmatch(segment)
        if found is None or not (segment or is_last):
            return None
        glob, rest = found["glob"], found["rest"]
        if glob and (has_any or (rest and not is_last)):
            return None
        has_any = has_any or glob == "**"
        written.append(_GLOBS.get(glob or "", "") + re.sub(r"([$()+.])", r"\\\1", rest))
    return "/" + "/".join(written)
