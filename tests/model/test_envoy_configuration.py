"""Routes, clusters and endpoints in Envoy's dumps, as what they say and nothing more."""

import json
from typing import Any

import pytest

from istiodoctor.model import envoy_parts
from istiodoctor.model.envoy_configuration import (
    EnvoyConfiguration,
    EnvoyEndpoints,
    Section,
)
from istiodoctor.model.envoy_configuration_dump import (
    Alike,
    ConfigurationAnswers,
    decode_configuration,
)
from istiodoctor.model.envoy_routes import Route
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Snapshot
from tests.support.envoy_dumps import (
    NOW,
    POD,
    clusters_part,
    configuration_of,
    dump,
    endpoints_part,
    part,
    routes,
    routes_part,
    virtual_host,
)

WEB = "outbound|80||web.shop.svc.cluster.local"
TO_WEB = {"match": {"prefix": "/"}, "route": {"cluster": WEB}}
ROUTES = routes("http.8080", virtual_host("shop.example.com", TO_WEB))
CLUSTER = {"name": WEB, "type": "EDS", "eds_cluster_config": {"service_name": WEB}}


def read(*dumps: bytes, **answers: Any) -> Reading:
    made = ConfigurationAnswers(recorded=dumps, **answers)
    return decode_configuration(POD, taken_at=NOW, answers=made, alike=Alike())


def held(reading: Reading) -> EnvoyConfiguration:
    (found,) = reading.envoy_configurations
    assert reading.unread == ()
    return found


def first_route(found: EnvoyConfiguration) -> Route:
    return found.routes["http.8080"].configuration.virtual_hosts[0].routes[0]


@pytest.mark.parametrize(
    "answers",
    [
        (dump(routes_part(ROUTES), clusters_part(CLUSTER), endpoints_part(**{WEB: ["HEALTHY"]})),),
        (
            dump(part("RoutesConfigDump.DynamicRouteConfig", route_config=ROUTES)),
            dump(part("ClustersConfigDump.DynamicCluster", cluster=CLUSTER)),
            dump(
                part(
                    "EndpointsConfigDump.DynamicEndpointConfig",
                    endpoint_config={
                        "cluster_name": WEB,
                        "endpoints": [{"lb_endpoints": [{"health_status": "HEALTHY"}]}],
                    },
                )
            ),
        ),
    ],
    ids=["whole", "parts"],
)
def test_a_whole_dump_and_its_parts_say_the_same(answers: tuple[bytes, ...]):
    for given in (answers, (b"\n".join(answers),)):
        found = held(read(*given))

        assert found.sections == {Section.ROUTES, Section.CLUSTERS, Section.ENDPOINTS}
        action = first_route(found).route
        assert action is not None
        assert action.cluster == WEB
        assert found.clusters[WEB].endpoints == EnvoyEndpoints(known=1, usable=1)


def test_names_as_istioctl_prints_them_are_the_same():
    written = {
        "match": {"pathSeparatedPrefix": "/api", "caseSensitive": False},
        "redirect": {"hostRedirect": "other.test", "responseCode": "FOUND"},
        "typedPerFilterConfig": {"envoy.filters.http.fault": {"abort": {"httpStatus": 503}}},
        "metadata": {"filterMetadata": {"istio": {"config": "x"}}},
    }
    configuration = {"name": "http.8080", "virtualHosts": [virtual_host("a.test", written)]}
    whole = part("RoutesConfigDump", dynamicRouteConfigs=[{"routeConfig": configuration}])

    route = first_route(held(configuration_of(whole)))

    assert (route.match.path_separated_prefix, route.match.case_sensitive) == ("/api", False)
    assert route.redirect is not None
    assert (route.redirect.host_redirect, route.redirect.response_code) == ("other.test", "FOUND")
    assert route.typed_per_filter_config.fault is not None
    assert route.metadata.filter_metadata.istio.config == "x"


def test_what_was_asked_for_and_is_not_there_is_known_to_be_nothing():
    asked = {Section.ROUTES: b"{}", Section.CLUSTERS: dump()}

    found = held(read(asked=asked))

    assert found.sections == set(asked)
    assert not found.routes
    assert not found.clusters


def test_a_dump_without_endpoints_leaves_them_unknown():
    found = held(configuration_of(clusters_part(CLUSTER)))

    assert found.sections == {Section.CLUSTERS}
    assert found.clusters[WEB].endpoints is None


@pytest.mark.promise("how many endpoints those have")
def test_endpoints_that_take_nothing_are_counted_apart():
    health = ["HEALTHY", "UNKNOWN", "DEGRADED", "", "UNHEALTHY", "DRAINING", "TIMEOUT"]

    found = held(configuration_of(clusters_part(CLUSTER), endpoints_part(**{WEB: health})))

    assert found.clusters[WEB].endpoints == EnvoyEndpoints(known=7, usable=4)


def test_a_cluster_that_only_warms_is_told_from_one_that_is_replaced():
    new = {**CLUSTER, "name": "new"}
    whole = part(
        "ClustersConfigDump",
        dynamic_active_clusters=[{"cluster": CLUSTER}],
        dynamic_warming_clusters=[{"cluster": CLUSTER}, {"cluster": new}],
    )

    found = held(configuration_of(whole)).clusters

    assert {name: each.is_warming for name, each in found.items()} == {WEB: False, "new": True}


def test_routes_that_rds_sent_go_before_those_of_a_listener():
    own = part("RoutesConfigDump.StaticRouteConfig", route_config={"name": "http.8080"})
    sent = part("RoutesConfigDump.DynamicRouteConfig", route_config=ROUTES)

    for order in ((own, sent), (sent, own)):
        assert not held(configuration_of(*order)).routes["http.8080"].is_static


def test_the_words_of_a_refusal_are_kept_and_bounded():
    refused = {"details": "Only unique\n values " + "x" * 5000}
    whole = part(
        "RoutesConfigDump",
        dynamic_route_configs=[{"route_config": ROUTES, "error_state": refused}],
    )

    error = held(configuration_of(whole)).routes["http.8080"].error

    assert error.startswith("Only unique values xxx")
    assert len(error) == 2000


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-Api-Key"])
@pytest.mark.parametrize(
    "condition",
    [
        {"string_match": {"exact": "Bearer hunter2"}},
        {"string_match": {"safe_regex": {"regex": "Bearer hunter2"}}},
        {"exact_match": "Bearer hunter2"},
        {"prefix_match": "Bearer hunter2"},
    ],
)
def test_a_credential_that_a_route_asks_for_is_dropped(name: str, condition: dict[str, Any]):
    route = {"match": {"prefix": "/", "headers": [{"name": name, **condition}]}}

    reading = configuration_of(routes_part(routes("http.8080", virtual_host("a.test", route))))

    (header,) = first_route(held(reading)).match.headers
    assert (header.name, header.is_redacted) == (name, True)
    assert "hunter2" not in repr(reading)


@pytest.mark.promise("routes without credentials")
def test_what_is_added_to_requests_is_never_kept():
    added = [{"header": {"key": "authorization", "value": "Bearer hunter2"}}]
    route = {**TO_WEB, "request_headers_to_add": added}
    host = virtual_host("a.test", route, request_headers_to_add=added)

    assert "hunter2" not in repr(configuration_of(routes_part(routes("http.8080", host))))


def test_pods_with_the_same_routes_share_them():
    alike = Alike()
    answers = ConfigurationAnswers(recorded=(dump(routes_part(ROUTES), clusters_part(CLUSTER)),))

    one, other = (
        held(decode_configuration(POD, taken_at=NOW, answers=answers, alike=alike))
        for _ in range(2)
    )

    assert first_route(one) is first_route(other)
    assert one.clusters[WEB].configured is other.clusters[WEB].configured


@pytest.mark.parametrize(
    "spoilt",
    [
        b"<html>",
        b'{"configs": 1}',
        b'{"configs": [1]}',
        dump(part("RoutesConfigDump", dynamic_route_configs=[{"route_config": 1}])),
        dump(routes_part(routes("x", virtual_host("a", {"match": {"prefix": 1}})))),
        dump(routes_part(routes("x", virtual_host("a", {"redirect": {"port_redirect": 10**30}})))),
        dump(clusters_part({"name": []})),
        b'{"configs": [{"@type": "x.v3.RoutesConfigDump", "dynamicRouteConfigs": '
        + b"[" * 5000
        + b"]" * 5000
        + b"}]}",
    ],
)
def test_one_answer_of_no_use_takes_nothing_from_the_others(spoilt: bytes):
    reading = read(asked={Section.ROUTES: spoilt, Section.CLUSTERS: dump(clusters_part(CLUSTER))})

    (found,) = reading.envoy_configurations
    (unread,) = reading.unread
    assert found.sections == {Section.CLUSTERS}
    assert set(found.clusters) == {WEB}
    assert (unread.kind, unread.name) == (Kind.ENVOY_CONFIGURATION, "gateway")
    assert unread.message.startswith("what Envoy answers cannot be used: config_dump is not what")


def test_a_dump_that_is_too_large_is_not_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(envoy_parts, "MOST_BYTES", 1024 * 1024)

    reading = read(asked={Section.ROUTES: b" " * (1024 * 1024 + 1)})

    assert reading.envoy_configurations == ()
    assert [each.message for each in reading.unread] == [
        "what Envoy answers cannot be used: config_dump is larger than 1 MiB"
    ]


def test_answers_that_hold_nothing_of_it_leave_it_unread():
    (unread,) = configuration_of(part("BootstrapConfigDump", bootstrap={})).unread

    assert unread.message == "no routes, clusters or endpoints among the answers"


def test_odd_values_survive():
    odd = {"match": {"prefix": "\u0000²"}, "redirect": {"response_code": 999}}
    whole = routes_part(routes("", virtual_host("", odd), virtual_host("²")))

    found = held(configuration_of(whole)).routes[""].configuration

    assert found.virtual_hosts[0].routes[0].match.prefix == "\u0000²"


def test_a_snapshot_has_the_last_configuration_of_each_pod():
    (old,) = configuration_of(routes_part()).envoy_configurations
    (new,) = configuration_of(routes_part(ROUTES)).envoy_configurations
    snapshot = Snapshot(
        taken_at=NOW, source="test", readings=[Reading(envoy_configurations=(old,))]
    )

    later = snapshot.plus(Reading(envoy_configurations=(new,)))

    assert later.envoy_configurations == {POD: new}
    assert Reading(envoy_configurations=(new,)).kinds == {Kind.ENVOY_CONFIGURATION}
    assert json.dumps(str(Kind.ENVOY_CONFIGURATION)) == '"the configuration of Envoys"'
