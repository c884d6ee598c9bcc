"""What Envoy refuses, held against the real one: each case is a listener that it is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from istiodoctor.mesh.configuration.listener import FilterChain
from istiodoctor.mesh.configuration.refusals import refusal_of_listener
from istiodoctor.mesh.configuration.route import (
    ClusterWeight,
    Comparison,
    Cors,
    DirectResponse,
    Fault,
    Forward,
    HeaderMatcher,
    PathComparison,
    QueryParameterMatcher,
    Redirect,
    RegexRewrite,
    Route,
    RouteConfiguration,
    RouteMatch,
    StringMatcher,
    VirtualHost,
)
from istiodoctor.mesh.configuration.route_refusals import refused_route
from istiodoctor.model.ref import Place, Ref
from tests.lab.configured import chain, http, listener, route_configuration, tcp
from tests.lab.envoy import Envoy
from tests.lab.resources import Resource

pytestmark = pytest.mark.envoy

OBJECT = Ref(group="networking.istio.io", kind="VirtualService", namespace="shop", name="web")
ROUTE = Route(
    match=RouteMatch(),
    action=DirectResponse(status=200),
    made_by=Place(OBJECT, "/spec/http/0"),
    owner=OBJECT,
)


def chains(*names: tuple[str, ...], **match: Any) -> tuple[FilterChain, ...]:
    return tuple(FilterChain(server_names=each, **match) for each in names)


LISTENERS: Mapping[str, tuple[FilterChain, ...]] = {
    "no chain": (),
    "two names": chains(("a",), ("b",)),
    "a name twice": chains(("a",), ("a",)),
    "a name in two cases": chains(("a",), ("A",)),
    "a name twice in one chain": chains(("a", "A")),
    "names that overlap": chains(("a", "b"), ("b", "c")),
    "everything twice": chains((), ()),
    "everything and nothing": chains((), ("",)),
    "a wildcard twice": chains(("*.a.com",), ("*.A.com",)),
    "a wildcard and its key": chains(("*.a.com",), (".a.com",)),
    "a wildcard and its name": chains(("*.a.com",), ("a.com",)),
    "a wildcard within a label": chains(("*a.com",)),
    "a wildcard behind": chains(("a.*",)),
    "a wildcard alone": chains(("*",)),
    "a wildcard of nothing": chains(("*.",)),
    "two wildcards": chains(("*.*.a",)),
    "a dot behind": chains(("a.com.",), ("a.com",)),
    "a name with a namespace": chains(("shop/a.com",)),
    "a name with a letter of many bytes": chains(("é.com",)),
    "another protocol": (
        *chains(("a",), application_protocols=("istio",)),
        *chains(("a",), application_protocols=("h2",)),
    ),
    "a protocol and none": (*chains(("a",)), *chains(("a",), application_protocols=("h2",))),
    "protocols that overlap": (
        *chains(("a",), application_protocols=("x", "y")),
        *chains(("a",), application_protocols=("y",)),
    ),
    "another transport": (*chains(("a",)), *chains(("a",), transport_protocol="tls")),
}


def routes(**changed: Any) -> RouteConfiguration:
    host = VirtualHost(name="host", domains=("*",), routes=(replace(ROUTE, **changed),))
    return RouteConfiguration(name="http", virtual_hosts=(host,))


def path(comparison: PathComparison, value: str) -> RouteConfiguration:
    return routes(match=RouteMatch(comparison=comparison, path=value))


def of_header(name: str, comparison: Comparison | None = None, value: str = "", **more: Any):
    matcher = StringMatcher(comparison=comparison, value=value, **more) if comparison else None
    return routes(match=RouteMatch(headers=(HeaderMatcher(name=name, matcher=matcher),)))


def of_parameter(name: str, comparison: Comparison | None = None, value: str = ""):
    matcher = StringMatcher(comparison=comparison, value=value) if comparison else None
    found = QueryParameterMatcher(name=name, matcher=matcher)
    return routes(match=RouteMatch(query_parameters=(found,)))


def forwarded(*weights: int, **fields: Any) -> RouteConfiguration:
    clusters = tuple(ClusterWeight(name=f"c{i}", weight=each) for i, each in enumerate(weights))
    return routes(action=Forward(clusters=clusters, **fields))


def rewritten(pattern: str, substitution: str) -> RouteConfiguration:
    rewrite = RegexRewrite(pattern=pattern, substitution=substitution)
    return routes(action=Redirect(regex_rewrite=rewrite))


SEPARATED, REGEX = PathComparison.SEPARATED_PREFIX, PathComparison.REGEX
GREATEST = 4_294_967_295
ROUTES: Mapping[str, RouteConfiguration] = {
    "no action": routes(action=None),
    "an empty prefix": path(PathComparison.PREFIX, ""),
    "an empty path": path(PathComparison.EXACT, ""),
    "a path with a query": path(PathComparison.EXACT, "/a?b"),
    "an empty separated prefix": path(SEPARATED, ""),
    "a separated slash": path(SEPARATED, "/"),
    "a separated prefix": path(SEPARATED, "/a"),
    "a separated prefix with a slash behind": path(SEPARATED, "/a/"),
    "a separated prefix with a query": path(SEPARATED, "/a?b"),
    "an empty expression": path(REGEX, ""),
    "an open group": path(REGEX, "("),
    "a look ahead": path(REGEX, "(?=a)"),
    "a possessive repetition": path(REGEX, "a++"),
    "a long repetition": path(REGEX, ".{1000}"),
    "too long a repetition": path(REGEX, "a{1001}"),
    "classes of letters": path(REGEX, r"\pL{1000}"),
    "too large a program": path(REGEX, "((abcdefghij|klmnopqrstuvwxyz0123456789){999})"),
    "one byte": path(REGEX, r"\C"),
    "a header without a name": of_header(""),
    "a header with a space": of_header("a b"),
    "a header with a line": of_header("a\nb"),
    "a pseudo-header that there is not": of_header(":x"),
    "an empty header": of_header("a", Comparison.EXACT),
    "an empty prefix of a header": of_header("a", Comparison.PREFIX),
    "an empty suffix of a header": of_header("a", Comparison.SUFFIX),
    "an empty part of a header": of_header("a", Comparison.CONTAINS),
    "an empty expression for a header": of_header("a", Comparison.REGEX),
    "an expression that ignores case": of_header("a", Comparison.REGEX, "b", ignore_case=True),
    "a parameter without a name": of_parameter(""),
    "a long name of a parameter": of_parameter("a" * 1024),
    "too long a name of a parameter": of_parameter("a" * 1025),
    "an empty prefix of a parameter": of_parameter("a", Comparison.PREFIX),
    **{
        f"a direct response {status}": routes(action=DirectResponse(status=status))
        for status in (0, 100, 199, 200, 599, 600, 999)
    },
    "a redirect to nothing": routes(action=Redirect()),
    "a redirect with status 304": routes(action=Redirect(status=304)),
    "a line in a redirect's host": routes(action=Redirect(host="a\nb")),
    "a line in a redirect's path": routes(action=Redirect(path="a\nb")),
    "a return in a redirect's prefix": routes(action=Redirect(prefix_rewrite="a\rb")),
    "a space in a redirect's path": routes(action=Redirect(path="a b")),
    "a redirect rewritten by no expression": rewritten("(", "a"),
    "a redirect rewritten by an empty expression": rewritten("", "a"),
    "a redirect rewritten with a group too many": rewritten("a", r"\1"),
    "a redirect rewritten with another escape": rewritten("a", r"\x"),
    "a line in a substitution": rewritten("a", "b\nc"),
    "a cluster": forwarded(1),
    "a weight of 0 alone": forwarded(0),
    "a weight of 0": forwarded(0, 1),
    "weights of 0": forwarded(0, 0),
    "the greatest weights": forwarded(GREATEST - 1, 1),
    "too great weights": forwarded(GREATEST, 1),
    "a cluster without a name": routes(action=Forward(clusters=(ClusterWeight(name=""),))),
    "a mirror without a name": forwarded(1, mirrors=(ClusterWeight(name=""),)),
    "another status for no cluster": forwarded(1, missing_cluster_status=404),
    "two rewrites": forwarded(
        1, prefix_rewrite="/a", regex_rewrite=RegexRewrite(pattern="a", substitution="b")
    ),
    "a line in a prefix": forwarded(1, prefix_rewrite="/a\n"),
    "a line in a host": forwarded(1, host_rewrite="a\nb"),
    **{
        f"an abort with {status}": routes(fault=Fault(abort_status=status, abort_percentage=100))
        for status in (0, 100, 199, 200, 599, 600)
    },
    "an abort of gRPC": routes(fault=Fault(grpc_status=14, abort_percentage=100)),
    "an origin by no expression": routes(
        cors=Cors(allow_origins=(StringMatcher(comparison=Comparison.REGEX, value="("),))
    ),
    "an origin by an empty prefix": routes(
        cors=Cors(allow_origins=(StringMatcher(comparison=Comparison.PREFIX, value=""),))
    ),
    "an empty origin": routes(
        cors=Cors(allow_origins=(StringMatcher(comparison=Comparison.EXACT, value=""),))
    ),
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """What one Envoy says of each case that it refuses, in its words."""
    with Envoy(tmp_path_factory.mktemp("envoy")) as envoy:
        envoy.listen(*_sent(envoy.address))
        envoy.wait(lambda: _errors(envoy) is not None)
        yield _errors(envoy) or {}


def _sent(host: str) -> Iterator[Resource]:
    cases = {
        **{
            f"listener {name}": [chain(each, tcp()) for each in found]
            for name, found in LISTENERS.items()
        },
        **{
            f"routes {name}": [chain(FilterChain(), http(route_configuration(found)))]
            for name, found in ROUTES.items()
        },
    }
    for port, (name, found) in enumerate(cases.items(), start=20_000):
        yield listener(name, port, found, host=host)


def _errors(envoy: Envoy) -> Mapping[str, str] | None:
    """Return the errors by case, once Envoy has looked at all of them."""
    dump = envoy.ask("/config_dump?resource=dynamic_listeners").get("configs", ())
    if len(dump) < len(LISTENERS) + len(ROUTES):
        return None
    return {
        each["error_state"]["failed_configuration"]["name"]: each["error_state"]["details"]
        for each in dump
        if "error_state" in each
    }


@pytest.mark.parametrize("name", LISTENERS)
def test_listeners_are_refused_as_envoy_refuses_them(refused: Mapping[str, str], name: str):
    found = refusal_of_listener(LISTENERS[name])

    assert (found is not None) == (f"listener {name}" in refused), (found, refused)


@pytest.mark.parametrize("name", ROUTES)
def test_routes_are_refused_as_envoy_refuses_them(refused: Mapping[str, str], name: str):
    (host,) = ROUTES[name].virtual_hosts
    found = refused_route(host.routes[0])

    assert bool(found) == (f"routes {name}" in refused), (
        found,
        refused.get(f"routes {name}"),
    )
