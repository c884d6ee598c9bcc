from typing import Any

import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.listener import (
    ClientCertificate,
    DownstreamTls,
    FilterChain,
    HttpConnectionManager,
    HttpOptions,
)
from istiodoctor.mesh.configuration.received_request import ReceivedRequest, received
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.policies.authorization import Authorization, Verdict
from istiodoctor.mesh.policies.authorization_policies import applying_policies
from istiodoctor.mesh.policies.path_templates import takes_template
from istiodoctor.mesh.policies.request_authorization import authorization
from istiodoctor.mesh.workloads.workloads import Workload, workloads
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread
from tests.support.objects import INGRESS, Manifest, made, mesh_of, pod, snapshot_of

SECURITY = "security.istio.io/v1"
SELECTED = {"selector": {"matchLabels": INGRESS}}
PLAIN = FilterChain(http=HttpConnectionManager(route_configuration="http"))
TLS = FilterChain(tls=DownstreamTls(), http=HttpConnectionManager(route_configuration="http"))
PASSED = FilterChain(server_names=("a.com",), passes_tls=True)
GATEWAY = pod(status={"podIP": "10.1.0.1"})
EVERYTHING: Manifest = {}


def policy(name: str, *rules: Manifest, namespace: str = "istio-system", **spec: Any) -> Manifest:
    annotations = spec.pop("annotations", {})
    written = {**SELECTED, **({"rules": list(rules)} if rules else {}), **spec}
    return made(
        SECURITY, "AuthorizationPolicy", name, namespace, spec=written, annotations=annotations
    )


def tokens(**rule: Any) -> Manifest:
    rules = [{"issuer": "issuer", "jwks": "{}", **rule}]
    return made(
        SECURITY, "RequestAuthentication", "tokens", "istio-system", spec={"jwtRules": rules}
    )


def to(**operation: Any) -> Manifest:
    return {"to": [{"operation": operation}]}


def of(**source: Any) -> Manifest:
    return {"from": [{"source": source}]}


def when(key: str, *values: str, **fields: Any) -> Manifest:
    return {"when": [{"key": key, **({"values": list(values)} if values else {}), **fields}]}


def gateway_of(mesh: Mesh) -> Workload:
    (found,) = (each for each in workloads(mesh) if each.labels.get("istio") == "ingressgateway")
    return found


def asked(
    mesh: Mesh,
    url: str = "http://a.com/",
    chain: FilterChain = PLAIN,
    *,
    port: int = 8080,
    **fields: Any,
) -> Authorization:
    request = Request.of_url(url, **fields)
    seen = received(request, HttpOptions(), is_tls=chain.tls is not None)
    assert isinstance(seen, ReceivedRequest)
    return authorization(
        mesh, gateway_of(mesh), chain, seen, port=port, server_name=request.server_name
    )


def verdict(*objects: Manifest, **request: Any) -> str:
    return asked(mesh_of(GATEWAY, *objects), **request).verdict.value


@pytest.mark.parametrize(
    ("rule", "url", "denied"),
    [
        (to(paths=["/admin*"]), "http://a.com/admin/x", True),
        (to(paths=["/admin*"]), "http://a.com/%61dmin/x?y", True),
        (to(paths=["/admin"]), "http://a.com/admin/", False),
        (to(paths=["*.js"]), "http://a.com/x.js?y=z", True),
        (to(paths=["/a/{*}"]), "http://a.com/a/b", True),
        (to(paths=["/a/{*}"]), "http://a.com/a/b/c", False),
        (to(notPaths=["/healthz"]), "http://a.com/", True),
        (to(notPaths=["/healthz"]), "http://a.com/healthz", False),
        (to(hosts=["A.com"]), "http://a.com/", True),
        (to(hosts=["a.com"]), "http://a.com:8080/", False),
        (to(hosts=["a.com:*"]), "http://a.com:8080/", True),
        (to(hosts=["*.com"]), "http://a.com/", True),
        (to(methods=["GET"]), "http://a.com/", True),
        (to(methods=["get"]), "http://a.com/", False),
        (to(ports=["8080"]), "http://a.com/", True),
        (to(ports=["80"]), "http://a.com/", False),
        (to(paths=["/x"], methods=["GET"]), "http://a.com/", False),
        ({"to": [{}]}, "http://a.com/", True),
        (EVERYTHING, "http://a.com/", True),
        (of(principals=["*"]), "http://a.com/", False),
        (of(notPrincipals=["*"]), "http://a.com/", True),
        (of(namespaces=["shop"]), "http://a.com/", False),
        (of(requestPrincipals=["*"]), "http://a.com/", False),
        (of(notRequestPrincipals=["*"]), "http://a.com/", True),
        (of(ipBlocks=["0.0.0.0/0"]), "http://a.com/", True),
        (of(ipBlocks=["::/0"]), "http://a.com/", False),
        (when("destination.ip", "10.1.0.0/16"), "http://a.com/", True),
        (when("destination.port", "8080"), "http://a.com/", True),
        (when("request.headers[x-a]", "1*"), "http://a.com/", True),
        (when("request.headers[x-b]", notValues=["1"]), "http://a.com/", True),
        (when("request.headers[x-b]", "*"), "http://a.com/", False),
        (when("request.auth.claims[iss]", "*"), "http://a.com/", False),
        (when("no.such.attribute", "*"), "http://a.com/", False),
        (when("request.headers", "*"), "http://a.com/", True),
        (to(ports=["²"]), "http://a.com/", True),
    ],
)
def test_a_deny_policy_denies_what_its_rule_takes(rule: Manifest, url: str, denied: bool):
    found = verdict(policy("deny", rule, action="DENY"), url=url, headers=[("x-a", "12")])

    assert found == ("denied" if denied else "allowed")


@pytest.mark.parametrize(
    "rule",
    [
        of(ipBlocks=["203.0.113.0/24"]),
        of(remoteIpBlocks=["10.0.0.0/8"]),
        when("source.ip", "1.2.3.4"),
    ],
)
def test_where_a_client_calls_from_is_not_known(rule: Manifest):
    assert verdict(policy("deny", rule, action="DENY")) == "unknown"
    assert verdict(policy("allow", rule)) == "unknown"


def test_an_allow_policy_denies_everything_else():
    allow = policy("allow", to(paths=["/ok"]))

    found = asked(mesh_of(GATEWAY, allow, policy("none")))

    assert verdict(allow, url="http://a.com/ok") == "allowed"
    assert found.verdict is Verdict.DENIED
    assert [str(each) for each in found.places] == [
        "AuthorizationPolicy istio-system/allow spec.rules",
        "AuthorizationPolicy istio-system/none spec",
    ]


def test_deny_goes_before_allow():
    mesh = mesh_of(GATEWAY, policy("allow", EVERYTHING), policy("deny", EVERYTHING, action="DENY"))

    found = asked(mesh)

    assert (found.verdict, [each.ref.name for each in found.places]) == (Verdict.DENIED, ["deny"])


def test_a_value_of_no_use_loses_a_rule_that_allows_and_widens_one_that_denies():
    rule = to(ports=["abc"], methods=["POST"])

    assert verdict(policy("allow", rule), method="POST") == "denied"
    assert verdict(policy("deny", rule, action="DENY"), method="POST") == "denied"
    assert verdict(policy("deny", rule, action="DENY")) == "allowed"


@pytest.mark.parametrize(
    ("annotation", "expected"), [("true", "allowed"), ("T", "allowed"), ("yes", "denied")]
)
def test_a_policy_that_is_only_tried_denies_nothing(annotation: str, expected: str):
    tried = policy("none", annotations={"istio.io/dry-run": annotation})

    assert verdict(tried) == expected


def test_an_audit_denies_nothing():
    assert verdict(policy("audit", EVERYTHING, action="AUDIT")) == "allowed"


@pytest.mark.parametrize(
    ("deny", "expected"),
    [
        (policy("deny", EVERYTHING, action="DENY", selector={}), "denied"),
        (policy("deny", EVERYTHING, action="DENY", selector=None), "denied"),
        (policy("deny", EVERYTHING, action="DENY", namespace="shop"), "allowed"),
        (
            policy("deny", EVERYTHING, action="DENY", selector={"matchLabels": {"a": "b"}}),
            "allowed",
        ),
        (
            policy(
                "deny",
                EVERYTHING,
                action="DENY",
                targetRefs=[
                    {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}
                ],
            ),
            "allowed",
        ),
    ],
)
def test_to_which_gateway_a_policy_applies(deny: Manifest, expected: str):
    assert verdict(deny) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}, "denied"),
        ({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "other"}, "allowed"),
        ({"group": "", "kind": "Gateway", "name": "web"}, "allowed"),
        ({"group": "gateway.networking.k8s.io", "kind": "Service", "name": "web"}, "allowed"),
        (
            {
                "group": "gateway.networking.k8s.io",
                "kind": "Gateway",
                "name": "web",
                "namespace": "shop",
            },
            "allowed",
        ),
    ],
)
def test_a_policy_is_attached_to_a_gateway_of_its_own_namespace(target: Manifest, expected: str):
    labels = {**INGRESS, "gateway.networking.k8s.io/gateway-name": "web"}
    deny = policy("deny", EVERYTHING, action="DENY", selector=None, targetRefs=[target])

    found = asked(mesh_of(pod(labels=labels), deny))

    assert found.verdict.value == expected


def test_on_a_tcp_chain_rules_of_http_allow_nothing_and_deny_everything():
    rule = to(paths=["/admin"])

    for action, expected in (("ALLOW", "denied"), ("DENY", "denied")):
        found = verdict(policy("p", rule, action=action), chain=PASSED, url="https://a.com/")

        assert found == expected


def test_on_a_tcp_chain_sni_and_port_are_known():
    deny = policy("deny", when("connection.sni", "a.com"), action="DENY")
    allow = policy("allow", to(ports=["8443"]))

    assert verdict(deny, chain=PASSED, url="https://a.com/") == "denied"
    assert verdict(deny, chain=PASSED, url="https://b.com/") == "allowed"
    assert verdict(allow, chain=PASSED, url="https://a.com/", port=8443) == "allowed"


def test_a_client_with_a_certificate_has_a_name_that_is_not_known():
    tls = DownstreamTls(client_certificate=ClientCertificate.OPTIONAL)
    chain = FilterChain(tls=tls, http=PLAIN.http)
    deny = policy("deny", of(notPrincipals=["*"]), action="DENY")

    assert verdict(deny, chain=chain, url="https://a.com/") == "unknown"
    assert verdict(deny, chain=TLS, url="https://a.com/") == "denied"


@pytest.mark.parametrize(
    ("objects", "headers", "url", "expected"),
    [
        ([], [("authorization", "Bearer x")], "http://a.com/", "denied"),
        ([tokens()], [], "http://a.com/", "denied"),
        ([tokens()], [("authorization", "Basic x")], "http://a.com/", "denied"),
        ([tokens()], [("authorization", "Bearer x")], "http://a.com/", "unknown"),
        ([tokens()], [], "http://a.com/?access_token=x", "unknown"),
        ([tokens(fromParams=["t"])], [("authorization", "Bearer x")], "http://a.com/", "denied"),
        ([tokens(fromParams=["t"])], [], "http://a.com/?t=x", "unknown"),
        ([tokens(fromCookies=["t"])], [("cookie", "a=b; t=x")], "http://a.com/", "unknown"),
        (
            [tokens(fromHeaders=[{"name": "X-T", "prefix": "T "}])],
            [("x-t", "T x")],
            "http://a.com/",
            "unknown",
        ),
    ],
)
def test_claims_are_those_of_a_token_where_one_is_looked_for(
    objects: list[Manifest], headers: list[tuple[str, str]], url: str, expected: str
):
    deny = policy("deny", of(notRequestPrincipals=["*"]), action="DENY")

    assert verdict(deny, *objects, url=url, headers=headers) == expected


def test_a_token_may_be_refused_without_any_policy():
    assert verdict(tokens(), headers=[("authorization", "Bearer x")]) == "unknown"
    assert verdict(tokens()) == "allowed"


MESH = """
extensionProviders:
- name: known
  envoyExtAuthzHttp: {service: authorizer.shop.svc.cluster.local, port: 80}
"""


@pytest.mark.parametrize(
    ("provider", "path", "expected"),
    [
        ("known", "/admin", "unknown"),
        ("known", "/", "allowed"),
        ("missing", "/admin", "denied"),
        ("missing", "/", "allowed"),
        ("", "/admin", "denied"),
    ],
)
def test_an_external_authorizer_decides_what_it_is_asked(provider: str, path: str, expected: str):
    config = made("v1", "ConfigMap", "istio", "istio-system", data={"mesh": MESH})
    custom = policy("custom", to(paths=["/admin"]), action="CUSTOM", provider={"name": provider})

    assert verdict(config, custom, url=f"http://a.com{path}") == expected


def test_policies_that_were_not_read_leave_it_open():
    deny = policy("deny", to(paths=["/admin"]), action="DENY")
    unread = Reading(unread=(Unread(kind=Kind.AUTHORIZATION_POLICY),))
    mesh = Mesh(snapshot_of(GATEWAY, deny).plus(unread))

    assert asked(mesh).verdict is Verdict.UNKNOWN
    assert asked(mesh, "http://a.com/admin").verdict is Verdict.DENIED


def test_the_oldest_policies_of_the_root_namespace_come_first():
    mesh = mesh_of(
        GATEWAY,
        policy("b", EVERYTHING),
        policy("a", EVERYTHING),
        policy("other", EVERYTHING, namespace="shop"),
    )

    found = applying_policies(mesh, gateway_of(mesh))

    assert [each.name for each in found.policies] == ["a", "b"]


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("/{*}", "/", False),
        ("/{*}", "/a", True),
        ("/{**}", "/", True),
        ("/{**}/x", "/a/b/x", True),
        ("/{*}.js", "/a.js", True),
        ("/{*}.js", "/a/b.js", False),
        ("/a+b/{*}", "/a+b/c", True),
        ("/{**}/{*}", "/a/b", None),
        ("/{*}x/b", "/ax/b", None),
        ("a/{*}", "a/b", None),
        ("//{*}", "//a", None),
        ("/é/{*}", "/é/a", None),
    ],
)
def test_path_templates(template: str, path: str, expected: bool | None):
    assert takes_template(template, path) is expected
