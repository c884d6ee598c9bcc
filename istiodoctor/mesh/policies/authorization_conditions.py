"""Whether one value of an AuthorizationPolicy's rule fits.

Source: pilot/pkg/security/authz/model/generator.go (what istiod makes of each field),
pilot/pkg/security/authz/matcher/{string,header}.go, and Envoy's
source/extensions/filters/common/rbac/matchers.cc (what Envoy compares it with).

`Invalid` stands for the error that istiod's generators return: of a rule that allows all is then
left out, of one that denies only that value.
"""

from ipaddress import ip_network

from istiodoctor.mesh.configuration.received_request import ReceivedRequest
from istiodoctor.mesh.configuration.route import Comparison, HeaderMatcher, StringMatcher
from istiodoctor.mesh.configuration.route_match import takes_header, takes_text
from istiodoctor.mesh.policies.authorization_facts import (
    AuthorizationFacts,
    Network,
    any_within,
    within,
)
from istiodoctor.mesh.policies.path_templates import has_template, takes_template

MOST_PORT = 65_535
HEADERS, CLAIMS = "request.headers", "request.auth.claims"
FILTERS = "experimental.envoy.filters."
TOKEN_KEYS = frozenset(
    {"request.auth.principal", "request.auth.audiences", "request.auth.presenter"}
)
IDENTITY_KEYS = frozenset(
    {
        "source.principal",
        "source.namespace",
        "source.serviceAccount",
        "source.trustDomain",
    }
)


ATTRIBUTES = frozenset(
    {
        *TOKEN_KEYS,
        *IDENTITY_KEYS,
        "source.ip",
        "remote.ip",
        "destination.ip",
        "destination.port",
        "connection.sni",
    }
)
"""Keys of `when` that stand for themselves."""


class Invalid(Exception):
    """A value that istiod makes nothing of, for the reason that it carries."""


def fits(key: str, value: str, facts: AuthorizationFacts) -> bool | None:
    """Whether a value under a key (of `when`, or what stands for a field) fits.

    Raises Invalid where istiod makes no condition of it.
    """
    if key in IDENTITY_KEYS:
        return False if facts.has_identity is False else None
    if key in TOKEN_KEYS or key.startswith(CLAIMS):
        _request(facts, key)
        _named(key, CLAIMS)
        return False if facts.has_token is False else None
    match key:
        case "source.ip":
            return within(facts.client_address, facts.pod_addresses, _network(value))
        case "remote.ip":
            return within(facts.remote_address, facts.pod_addresses, _network(value))
        case "destination.ip":
            return any_within(facts.pod_addresses, _network(value))
        case "destination.port":
            return facts.port == _port(value)
        case "connection.sni":
            return takes_text(text_matcher(value), facts.server_name)
        case "path":
            return _takes_path(value, _request(facts, key))
        case "method":
            return takes_header(_header_matcher(":method", value), _request(facts, key))
        case "host":
            matcher = _header_matcher(":authority", value, ignore_case=True)
            return takes_header(matcher, _request(facts, key))
        case _:
            return _fits_named(key, value, facts)


def _fits_named(key: str, value: str, facts: AuthorizationFacts) -> bool | None:
    """Whether a value fits under a key that names something in brackets."""
    if key.startswith(HEADERS):
        request = _request(facts, key)
        return takes_header(_header_matcher(_named(key, HEADERS), value), request)
    if "[" not in key:  # of what other filters say, nothing is known here
        raise Invalid(f"{key} names nothing in brackets")
    return None


def is_attribute(key: str) -> bool:
    """Whether a key of `when` is one: a rule with any other is left out."""
    return key in ATTRIBUTES or key.startswith((HEADERS, CLAIMS, FILTERS))


def _named(key: str, prefix: str) -> str:
    """Return what a key names in brackets behind a prefix; empty for a key without."""
    name = key.removeprefix(prefix)
    if name != key and not (name.startswith("[") and name.endswith("]") and len(name) > 1):
        raise Invalid(f"{key} names nothing in brackets")
    return name[1:-1]


def _request(facts: AuthorizationFacts, key: str) -> ReceivedRequest:
    if facts.request is None:
        raise Invalid(f"{key} is known of HTTP only")
    return facts.request


def _takes_path(value: str, request: ReceivedRequest) -> bool | None:
    if has_template(value):
        return takes_template(value, request.path_only)
    return takes_text(text_matcher(value), request.path_only)


def text_matcher(value: str, *, ignore_case: bool = False) -> StringMatcher:
    """Return what a value with a `*` at one end stands for; `*` alone asks for anything at all."""
    if value == "*":
        return StringMatcher(comparison=Comparison.REGEX, value=".+")
    comparison = Comparison.EXACT
    if value.startswith("*"):
        comparison, value = Comparison.SUFFIX, value[1:]
    elif value.endswith("*"):
        comparison, value = Comparison.PREFIX, value[:-1]
    return StringMatcher(comparison=comparison, value=value, ignore_case=ignore_case)


def _header_matcher(name: str, value: str, *, ignore_case: bool = False) -> HeaderMatcher:
    if value == "*":
        return HeaderMatcher(name=name)
    return HeaderMatcher(name=name, matcher=text_matcher(value, ignore_case=ignore_case))


def _network(value: str) -> Network:
    try:
        return ip_network(value, strict=False)
    except ValueError as error:
        raise Invalid(f"{value!r} is no address and no network") from error


def _port(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or int(value[:6]) > MOST_PORT:
        raise Invalid(f"{value!r} is no port")
    return int(value)
