"""Policies and filters that decide about a request, or may."""

import pytest

from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.requests.hops import HopState
from istiodoctor.mesh.requests.outcomes import AnswerOutcome
from istiodoctor.mesh.requests.request_paths import RequestPath, request_paths
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Unread, UnreadReason
from tests.mesh.test_requests import BACKENDS, HOST, PLATFORM, WEB, routes, to
from tests.support.behind_gateway import without
from tests.support.objects import Manifest, made, mesh_of

RULE = {"to": [{"operation": {"paths": ["/admin*"]}}]}


def policy(action: str, *rules: Manifest) -> Manifest:
    spec = {"action": action, "rules": list(rules)}
    return made("security.istio.io/v1", "AuthorizationPolicy", "p", "istio-system", spec=spec)


def request_path(url: str, *objects: Manifest, unread: tuple[Unread, ...] = ()) -> RequestPath:
    mesh = without(mesh_of(*PLATFORM, *BACKENDS, WEB, routes("r", to("one")), *objects), *unread)
    (found,) = request_paths(mesh, Request.of_url(url))
    return found


@pytest.mark.parametrize("url", [f"https://{HOST}/admin", f"http://{HOST}/admin/x?y=1"])
def test_a_request_that_a_rule_denies_ends_at_the_policy_before_any_route(url: str):
    found = request_path(url, policy("DENY", RULE))

    last = found.hops[-1]
    assert (last.hop, str(last.ref), last.state) == (
        "http-filters",
        "AuthorizationPolicy istio-system/p",
        HopState.BROKEN,
    )
    assert (last.text, last.outcome) == (
        "spec.rules[0]: a rule denies it: 403",
        AnswerOutcome.DENIED,
    )
    assert found.ending.status == 403


def test_a_request_that_no_rule_allows_is_denied_and_others_pass():
    denied = request_path(f"https://{HOST}/", policy("ALLOW", RULE))
    allowed = request_path(f"https://{HOST}/admin", policy("ALLOW", RULE))

    assert denied.hops[-1].text == "spec.rules: no ALLOW policy has a rule that takes it: 403"
    assert "http-filters" not in {each.hop for each in allowed.hops}


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Kind.AUTHORIZATION_POLICY, "authorizationpolicies"),
        (Kind.ENVOY_FILTER, "EnvoyFilters were not read: they may change what is answered"),
        (Kind.WASM_PLUGIN, "WasmPlugins were not read: they may change what is answered"),
    ],
)
def test_what_was_not_read_and_may_decide_is_a_hop_of_its_own(kind: Kind, says: str):
    unread = Unread(kind=kind, reason=UnreadReason.FORBIDDEN)

    found = request_path(f"https://{HOST}/", unread=(unread,))

    (hop,) = [each for each in found.hops if each.hop == "http-filters"]
    assert hop.state is HopState.UNKNOWN
    assert says in hop.text


EXTENSIONS = "extensions.istio.io/v1alpha1"
CODE = {"wasm": {"url": "oci://x"}}


@pytest.mark.parametrize(
    ("written", "hop", "says"),
    [
        (made(EXTENSIONS, "WasmPlugin", "w", "istio-system"), "http-filters", "WasmPlugin"),
        (
            made(EXTENSIONS, "TrafficExtension", "w", "istio-system", spec=CODE),
            "http-filters",
            "TrafficExtension",
        ),
        (
            made(EXTENSIONS, "WasmPlugin", "w", "istio-system", spec={"type": "NETWORK"}),
            "filter-chain",
            "WasmPlugin",
        ),
    ],
)
def test_code_of_users_leaves_an_answer_in_doubt(written: Manifest, hop: str, says: str):
    found = request_path(f"https://{HOST}/", written)

    unknown = [(each.hop, each.text) for each in found.hops if each.state is HopState.UNKNOWN]
    assert unknown == [(hop, f"{says} istio-system/w runs on port 443")]


def test_code_on_other_ports_or_pods_leaves_an_answer_alone():
    elsewhere = {"selector": {"matchLabels": {"istio": "other"}}}
    other_port = {"match": [{"ports": [{"number": 15443}]}]}
    plugins = (
        made(EXTENSIONS, "WasmPlugin", name, "istio-system", spec=spec)
        for name, spec in (("a", elsewhere), ("b", other_port))
    )

    found = request_path(f"https://{HOST}/", *plugins)

    assert HopState.UNKNOWN not in {each.state for each in found.hops}


def test_a_cluster_that_an_envoy_filter_changes_leaves_its_endpoints_in_doubt():
    merge = {
        "applyTo": "CLUSTER",
        "match": {"cluster": {"service": "one.shop.svc.cluster.local"}},
        "patch": {"operation": "MERGE", "value": {"load_assignment": {}}},
    }
    spec = {"configPatches": [merge]}
    written = made("networking.istio.io/v1alpha3", "EnvoyFilter", "x", "istio-system", spec=spec)

    found = request_path(f"https://{HOST}/", written)

    last = found.hops[-1]
    assert (last.hop, last.state) == ("endpoints", HopState.UNKNOWN)
    assert last.text == (
        "EnvoyFilter istio-system/x changes the cluster outbound|8080||one.shop.svc.cluster.local"
    )
