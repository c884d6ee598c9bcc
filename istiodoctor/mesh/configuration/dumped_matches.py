"""Route matches of an Envoy's dump, decoded into the types of the expected configuration."""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.match_translation import CLAIMS
from istiodoctor.mesh.configuration.route import (
    Comparison,
    HeaderMatcher,
    PathComparison,
    QueryParameterMatcher,
    RouteMatch,
    StringMatcher,
)
from istiodoctor.model import envoy_matches as envoy

WHOLE = 100.0
PARTS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}
"""`FractionalPercent.DenominatorType` by name."""
CLAIMS_OF_REQUEST = "request.auth.claims"


def held_match(match: envoy.Match) -> RouteMatch:
    """Return what a route takes."""
    comparison, path = _path(match)
    return RouteMatch(
        comparison=comparison,
        path=path,
        case_sensitive=match.case_sensitive,
        headers=tuple(map(_header, match.headers)),
        query_parameters=tuple(
            QueryParameterMatcher(name=each.name, matcher=held_string_matcher(each.string_match))
            for each in match.query_parameters
        ),
        metadata=tuple(_claim(each) for each in match.dynamic_metadata),
    )


def unknown_conditions(match: envoy.Match) -> Iterator[str]:
    """Yield the conditions that are not modelled or were not kept."""
    others = {
        "a CONNECT matcher": match.connect_matcher,
        "a path template": match.path_match_policy,
        "a condition on gRPC": match.grpc,
        "a condition on the client's TLS": match.tls_context,
        "a condition on the filters' state": match.filter_state,
        "a condition on cookies": match.cookies,
    }
    yield from (words for words, condition in others.items() if condition)
    if match.runtime_fraction and share(match.runtime_fraction.default_value) < WHOLE:
        yield "a share of requests"
    for each in match.headers:
        if each.is_redacted:
            yield f"a value of the header {each.name}, which is not kept"
        elif each.range_match or (each.string_match and each.string_match.custom):
            yield f"a condition on the header {each.name}"
    for parameter in match.query_parameters:
        if parameter.string_match and parameter.string_match.custom:
            yield f"a condition on the parameter {parameter.name}"


def share(percent: envoy.FractionalPercent) -> float:
    """Return a share of requests in percent."""
    parts = PARTS.get(str(percent.denominator), PARTS["HUNDRED"])
    return 100 * percent.numerator / parts


def _path(match: envoy.Match) -> tuple[PathComparison, str]:
    if match.path is not None:
        return PathComparison.EXACT, match.path
    if match.path_separated_prefix is not None:
        return PathComparison.SEPARATED_PREFIX, match.path_separated_prefix
    if match.safe_regex is not None:
        return PathComparison.REGEX, match.safe_regex.regex
    return PathComparison.PREFIX, match.prefix or ""


def _header(written: envoy.HeaderMatch) -> HeaderMatcher:
    """Return a condition on a header, whichever of Envoy's forms it has."""
    absent = written.present_match is False
    return HeaderMatcher(
        name=written.name.lower(),
        matcher=held_string_matcher(written.string_match) or _older(written),
        invert=written.invert_match != absent,
        treats_missing_as_empty=written.treat_missing_header_as_empty,
        is_redacted=written.is_redacted,
    )


def _older(written: envoy.HeaderMatch) -> StringMatcher | None:
    """Return the pattern of the forms that Envoy had before `string_match`."""
    return held_string_matcher(
        envoy.StringMatch(
            exact=written.exact_match,
            prefix=written.prefix_match,
            suffix=written.suffix_match,
            contains=written.contains_match,
            safe_regex=written.safe_regex_match,
        )
    )


def held_string_matcher(written: envoy.StringMatch | None) -> StringMatcher | None:
    """Return a pattern; None for one that asks only whether there is a value."""
    if written is None:
        return None
    values = (
        (Comparison.EXACT, written.exact),
        (Comparison.PREFIX, written.prefix),
        (Comparison.SUFFIX, written.suffix),
        (Comparison.CONTAINS, written.contains),
        (Comparison.REGEX, written.safe_regex.regex if written.safe_regex else None),
    )
    for comparison, value in values:
        if value is not None:
            return StringMatcher(
                comparison=comparison, value=value, ignore_case=written.ignore_case
            )
    return None


def _claim(written: envoy.MetadataMatch) -> str:
    """Return a claim as VirtualServices name it (`translateMetadataMatch`, route.go:1194)."""
    keys = [each.key for each in written.path]
    if keys[:1] == [CLAIMS_OF_REQUEST]:
        return ".".join((CLAIMS, *keys[1:]))
    return "/".join((written.filter, *keys))
