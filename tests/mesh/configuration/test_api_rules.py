from typing import Any

import msgspec
import pytest

from istiodoctor.mesh.configuration.api_backends import Surroundings
from istiodoctor.mesh.configuration.api_rules import ConvertedRoute, grpc_rules, http_rules
from istiodoctor.model.gatewayapi import HttpRoute
from istiodoctor.model.grpcroute import GrpcRoute
from istiodoctor.model.istio import HttpRedirect, HttpRewrite, StringMatch, UriRegexRewrite
from tests.support.objects import Manifest

EVERYTHING_IS_THERE = Surroundings(
    is_granted=lambda _: True, service_exists=lambda namespace, name: True
)
BACKEND = {"name": "app", "port": 80}


def http(*rules: Manifest) -> ConvertedRoute:
    raw = {"metadata": {"name": "r", "namespace": "app"}, "spec": {"rules": list(rules)}}
    return http_rules(msgspec.convert(raw, HttpRoute), EVERYTHING_IS_THERE)


def grpc(*rules: Manifest) -> ConvertedRoute:
    raw = {"metadata": {"name": "r", "namespace": "app"}, "spec": {"rules": list(rules)}}
    return grpc_rules(msgspec.convert(raw, GrpcRoute), EVERYTHING_IS_THERE)


def filtered(kind: str, **value: Any) -> Manifest:
    return {"backendRefs": [BACKEND], "filters": [{"type": kind, **value}]}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ({}, StringMatch(prefix="/")),
        ({"value": "/"}, StringMatch(prefix="/")),
        ({"value": "/api/"}, StringMatch(prefix="/api")),
        ({"value": "/api//"}, StringMatch(prefix="/api/")),
        ({"type": "Exact", "value": "/api/"}, StringMatch(exact="/api/")),
        ({"type": "RegularExpression", "value": "/a.*"}, StringMatch(regex="/a.*")),
    ],
)
def test_the_last_slash_of_a_prefix_is_ignored(path: Manifest, expected: StringMatch):
    (found,) = http({"matches": [{"path": path}], "backendRefs": [BACKEND]}).rules

    assert [match.uri for match in found.rule.match] == [expected]


def test_a_rule_without_matches_takes_every_path():
    (found,) = http({"backendRefs": [BACKEND]}).rules

    assert [match.uri for match in found.rule.match] == [StringMatch(prefix="/")]


def test_a_route_without_rules_answers_500_everywhere():
    raw = {"metadata": {"name": "r", "namespace": "app"}, "spec": {}}

    (found,) = http_rules(msgspec.convert(raw, HttpRoute), EVERYTHING_IS_THERE).rules

    assert found.rule.direct_response is not None
    assert found.rule.direct_response.status == 500


def header(name: str, value: str, kind: str = "Exact") -> Manifest:
    return {"name": name, "value": value, "type": kind}


def test_matches_go_by_kind_of_path_length_method_headers_and_parameters():
    matches = [
        {"path": {"type": "RegularExpression", "value": "/aaaaaaaaaaaa"}},
        {"path": {"value": "/é"}},
        {"path": {"value": "/ab"}},
        {"path": {"value": "/ab"}, "queryParams": [header("q", "1")]},
        {"path": {"value": "/ab"}, "headers": [header("h", "1")]},
        {"path": {"value": "/ab"}, "method": "GET"},
        {"path": {"type": "Exact", "value": "/"}},
    ]

    found = http({"matches": matches, "backendRefs": [BACKEND]}).rules

    assert [
        (
            match.uri and (match.uri.exact or match.uri.prefix or match.uri.regex),
            match.method is not None,
            len(match.headers),
            len(match.query_params),
        )
        for each in found
        for match in each.rule.match
    ] == [
        ("/", False, 0, 0),
        ("/ab", True, 0, 0),
        ("/ab", False, 1, 0),
        ("/ab", False, 0, 1),
        ("/é", False, 0, 0),  # three bytes, as long as /ab, and written before it
        ("/ab", False, 0, 0),
        ("/aaaaaaaaaaaa", False, 0, 0),
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({}, HttpRedirect(redirect_code=302, derive_port="FROM_REQUEST_PORT")),
        (
            {"scheme": "https", "statusCode": 301},
            HttpRedirect(redirect_code=301, scheme="https", derive_port="FROM_PROTOCOL_DEFAULT"),
        ),
        (
            {"scheme": "https", "port": 8443, "hostname": "b.com"},
            HttpRedirect(redirect_code=302, scheme="https", port=8443, authority="b.com"),
        ),
        (
            {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"}},
            HttpRedirect(redirect_code=302, uri="/new", derive_port="FROM_REQUEST_PORT"),
        ),
        (
            {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new/"}},
            HttpRedirect(
                redirect_code=302, prefix_rewrite="/new/", derive_port="FROM_REQUEST_PORT"
            ),
        ),
        (
            {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": ""}},
            HttpRedirect(redirect_code=302, derive_port="FROM_REQUEST_PORT"),
        ),
    ],
)
def test_a_redirect_keeps_what_it_does_not_say(written: Manifest, expected: HttpRedirect):
    (found,) = http({"filters": [{"type": "RequestRedirect", "requestRedirect": written}]}).rules

    assert (found.rule.redirect, found.rule.direct_response) == (expected, None)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({}, None),
        ({"hostname": "b.com"}, HttpRewrite(authority="b.com")),
        (
            {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new/"}},
            HttpRewrite(uri="/new"),
        ),
        (
            {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": ""}},
            HttpRewrite(uri="/"),
        ),
        (
            {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"}},
            HttpRewrite(uri_regex_rewrite=UriRegexRewrite(match="/.*", rewrite="/new")),
        ),
    ],
)
def test_a_rewrite_of_a_prefix_has_no_slash_at_its_end(
    written: Manifest, expected: HttpRewrite | None
):
    (found,) = http(filtered("URLRewrite", urlRewrite=written)).rules

    assert found.rule.rewrite == expected


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://a.com", StringMatch(exact="https://a.com")),
        ("https://a.*", StringMatch(prefix="https://a.")),
        ("https://*.a.com", StringMatch(regex=r"^https://.*\.a\.com$")),
        ("*", StringMatch(regex=r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s?#]+$")),
    ],
)
def test_an_origin_is_compared_as_it_is_written(origin: str, expected: StringMatch):
    (found,) = http(filtered("CORS", cors={"allowOrigins": ["", origin]})).rules

    assert found.rule.cors_policy is not None
    assert found.rule.cors_policy.allow_origins == (expected,)


def test_of_equal_headers_a_modifier_takes_the_first_and_a_match_the_last():
    pairs = [{"name": "X-A", "value": value} for value in ("1", "2")]
    rule = filtered("RequestHeaderModifier", requestHeaderModifier={"set": pairs})
    (found,) = http(rule | {"matches": [{"headers": pairs}]}).rules

    assert found.rule.headers is not None
    assert (found.rule.headers.request.set, found.rule.match[0].headers) == (
        {"x-a": "1"},
        {"X-A": StringMatch(exact="2")},
    )


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ({"service": "a.B", "method": "C"}, StringMatch(exact="/a.B/C")),
        ({"service": "a.B"}, StringMatch(prefix="/a.B/")),
        ({"method": "C"}, StringMatch(regex="/[^/]+/C")),
        ({"service": "a.B", "type": "RegularExpression"}, StringMatch(regex="/a.B/.+")),
        (
            {"service": "a.B", "method": "C", "type": "RegularExpression"},
            StringMatch(regex="/a.B/C"),
        ),
    ],
)
def test_a_grpc_method_is_a_path(method: Manifest, expected: StringMatch):
    (found,) = grpc({"matches": [{"method": method}], "backendRefs": [BACKEND]}).rules

    assert [match.uri for match in found.rule.match] == [expected]


def test_a_grpc_rule_without_matches_has_none():
    (found,) = grpc({"backendRefs": [BACKEND]}).rules

    assert found.rule.match == ()


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        (filtered("ExtensionRef"), "/spec/rules/1/filters/0"),
        ({"backendRefs": [{"name": "app"}]}, "/spec/rules/1/backendRefs/0"),
        ({"backendRefs": [{"name": "a.b", "port": 1}]}, "/spec/rules/1/backendRefs/0"),
        (
            {"matches": [{"headers": [header("h", "v", "Glob")]}]},
            "/spec/rules/1/matches/0",
        ),
        (
            filtered(
                "ResponseHeaderModifier",
                responseHeaderModifier={"add": [{"name": "x", "value": "a\nb"}]},
            ),
            "/spec/rules/1/filters/0",
        ),
    ],
)
def test_what_istiod_refuses_is_told_with_its_place(rule: Manifest, path: str):
    found = http({"backendRefs": [BACKEND]}, rule)

    assert (found.rules, bool(found.fault), found.fault_path) == ((), True, path)


def test_huge_and_negative_weights_break_nothing():
    backends = [BACKEND | {"weight": weight} for weight in (2**40, -(2**40))]

    (found,) = http({"backendRefs": backends}).rules

    assert found.rule.direct_response is not None
