"""Whether a route takes a request.

Source: Envoy's source/common/router/config_impl.cc (`matchRoute` and the `matches` of each kind
of path), header_utility.cc (`HeaderData…::matchesHeaders`), config_utility.cc
(`QueryParameterMatcher`), source/common/common/matchers.cc (`StringMatcherImpl`).

Every answer is yes, no, or None for "not known": what a token claims, a header that holds what
only Envoy knows, a pattern that Envoy refuses.
"""

from collections.abc import Iterable, Iterator, Mapping

from istiodoctor.mesh.configuration.received_request import ReceivedRequest
from istiodoctor.mesh.configuration.route import (
    Comparison,
    HeaderMatcher,
    PathComparison,
    QueryParameterMatcher,
    RouteMatch,
    StringMatcher,
)
from istiodoctor.mesh.configuration.texts import ascii_lower
from istiodoctor.mesh.regular_expressions import full_match


def takes(match: RouteMatch, request: ReceivedRequest) -> bool | None:
    """Whether every condition of a match holds."""
    return every(_conditions(match, request))


def every(answers: Iterable[bool | None]) -> bool | None:
    """Whether all hold: one no decides, else one "not known" does."""
    is_known = True
    for answer in answers:
        if answer is False:
            return False
        is_known = is_known and answer is not None
    return True if is_known else None


def _conditions(match: RouteMatch, request: ReceivedRequest) -> Iterator[bool | None]:
    yield takes_path(match, request.path_only)
    yield from (takes_header(each, request) for each in match.headers)
    if match.query_parameters:
        parameters = query_parameters(request.query or "")
        yield from (_takes_parameter(each, parameters) for each in match.query_parameters)
    if match.metadata:
        yield None


def takes_path(match: RouteMatch, path: str) -> bool | None:
    """Whether a path, its query cut off, is one that a match asks for."""
    wanted = match.path
    if match.comparison is PathComparison.REGEX:
        return full_match(wanted, path)  # `case_sensitive` says nothing to a regular expression
    if not match.case_sensitive:
        wanted, path = ascii_lower(wanted), ascii_lower(path)
    match match.comparison:
        case PathComparison.EXACT:
            return path == wanted
        case PathComparison.PREFIX:
            return path.startswith(wanted)
        case PathComparison.SEPARATED_PREFIX:
            return path.startswith(wanted) and path[len(wanted) :][:1] in ("", "/")


def takes_header(matcher: HeaderMatcher, request: ReceivedRequest) -> bool | None:
    """Whether a header is as a condition asks.

    One that is missing fails even a condition that is inverted, unless it counts as empty. Of a
    header that was sent more than once it is enough that one of the values fits.
    """
    if matcher.matcher is None:
        present = True if matcher.treats_missing_as_empty else request.is_present(matcher.name)
        return None if present is None else present != matcher.invert
    values = request.values(matcher.name)
    if values is None:
        return None
    if not values and not matcher.treats_missing_as_empty:
        return False
    answers = [takes_text(matcher.matcher, each) for each in values or ("",)]
    if True in answers:
        return not matcher.invert
    return None if None in answers else matcher.invert


def takes_text(matcher: StringMatcher, text: str) -> bool | None:
    """Whether a text is as a pattern asks; None for a regular expression that Envoy refuses."""
    value = matcher.value
    if matcher.comparison is Comparison.REGEX:
        return full_match(value, text)
    if matcher.ignore_case:
        value, text = ascii_lower(value), ascii_lower(text)
    match matcher.comparison:
        case Comparison.EXACT:
            return text == value
        case Comparison.PREFIX:
            return text.startswith(value)
        case Comparison.SUFFIX:
            return text.endswith(value)
        case Comparison.CONTAINS:
            return value in text


def query_parameters(query: str) -> Mapping[str, str]:
    """Return the parameters of a query as written, undecoded; the first of equal names counts."""
    found: dict[str, str] = {}
    for each in query.split("&") if query else ():
        name, _, value = each.partition("=")
        found.setdefault(name, value)
    return found


def _takes_parameter(matcher: QueryParameterMatcher, parameters: Mapping[str, str]) -> bool | None:
    value = parameters.get(matcher.name)
    if value is None:
        return False
    return True if matcher.matcher is None else takes_text(matcher.matcher, value)
