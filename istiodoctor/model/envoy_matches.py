"""What routes match, as Envoy shows it, as far as it decides an answer.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto
Values that a header with a credential is compared with are dropped as they are decoded.
"""

from typing import Annotated

import msgspec

from istiodoctor.model.envoy_shapes import Part, Present

Number = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "apikey",
        "api-key",
        "x-auth-token",
        "x-amz-security-token",
    }
)
"""Headers whose values are credentials."""


class Regex(Part, frozen=True, kw_only=True):
    """A regular expression of RE2."""

    regex: str = ""


class StringMatch(Part, frozen=True, kw_only=True):
    """How a string is compared; one of these is set."""

    exact: str | None = None
    prefix: str | None = None
    suffix: str | None = None
    contains: str | None = None
    safe_regex: Regex | None = None
    custom: Present | None = None
    ignore_case: bool = False


class FractionalPercent(Part, frozen=True, kw_only=True):
    """A share of requests."""

    numerator: Number = 0
    denominator: str | int = "HUNDRED"


class RuntimeFraction(Part, frozen=True, kw_only=True):
    """A share of requests that the runtime may change."""

    default_value: FractionalPercent = FractionalPercent()


class HeaderMatch(Part, frozen=True, kw_only=True):
    """A condition on a header, in today's form and in those of older releases."""

    name: str = ""
    string_match: StringMatch | None = None
    present_match: bool | None = None
    range_match: Present | None = None
    exact_match: str | None = None
    prefix_match: str | None = None
    suffix_match: str | None = None
    contains_match: str | None = None
    safe_regex_match: Regex | None = None
    invert_match: bool = False
    treat_missing_header_as_empty: bool = False
    is_redacted: bool = msgspec.field(name="@redacted", default=False)
    """Whether the value it is compared with was dropped here."""

    def __post_init__(self) -> None:
        if self.name.lower() not in SECRET_HEADERS:
            return
        for field in VALUES_OF_HEADERS:
            if getattr(self, field) is not None:
                msgspec.structs.force_setattr(self, field, None)
                msgspec.structs.force_setattr(self, "is_redacted", True)


VALUES_OF_HEADERS = (
    "string_match",
    "exact_match",
    "prefix_match",
    "suffix_match",
    "contains_match",
    "safe_regex_match",
)


class QueryParameterMatch(Part, frozen=True, kw_only=True):
    """A condition on a query parameter."""

    name: str = ""
    string_match: StringMatch | None = None
    present_match: bool | None = None


class PathSegment(Part, frozen=True, kw_only=True):
    """One key on the way to a value of metadata."""

    key: str = ""


class MetadataMatch(Part, frozen=True, kw_only=True):
    """A condition on what filters noted of a request: claims of its token."""

    filter: str = ""
    path: tuple[PathSegment, ...] = ()


class Match(Part, frozen=True, kw_only=True):
    """What a route takes."""

    prefix: str | None = None
    path: str | None = None
    path_separated_prefix: str | None = None
    safe_regex: Regex | None = None
    connect_matcher: Present | None = None
    path_match_policy: Present | None = None
    case_sensitive: bool = True
    headers: tuple[HeaderMatch, ...] = ()
    query_parameters: tuple[QueryParameterMatch, ...] = ()
    dynamic_metadata: tuple[MetadataMatch, ...] = ()
    runtime_fraction: RuntimeFraction | None = None
    grpc: Present | None = None
    tls_context: Present | None = None
    filter_state: tuple[Present, ...] = ()
    cookies: tuple[Present, ...] = ()
