"""DestinationRules and operations: what the examples of their checks cannot show."""

import pytest

from istiodoctor.finding import Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.upstream_tls import upstream_tls
from istiodoctor.mesh.targets.wanted import wanted
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster, log_lines, mesh

CHECKS = discover().by_code()

CLUSTER = """
apiVersion: v1
kind: Pod
metadata: {name: istiod-0, namespace: istio-system, labels: {app: istiod}}
spec: {containers: [{name: discovery, image: "istio/pilot:1.24.1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: edge, labels: {istio: ingress}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1", args: [proxy, router]}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingress}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateways: [web]
  http: [{route: [{destination: {host: shop, subset: v1}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
---
"""


def rule(namespace: str, policy: str, more: str = "", name: str = "shop") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{host: shop.shop.svc.cluster.local, trafficPolicy: {policy}{more}}}
---
"""


def policy(name: str, body: str, metadata: str = "") -> str:
    return f"""
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: edge{metadata}}}
spec: {body}
---
"""


def find(code: str, text: str) -> list[Finding]:
    return list(CHECKS[code].run(mesh(text)))


def modes(text: str) -> list[tuple[str, str]]:
    return [(e.mode, e.place.ref.namespace if e.place else "") for e in upstream_tls(mesh(text))]


SIMPLE = "{tls: {mode: SIMPLE}}"
DISABLE = "{tls: {mode: DISABLE}}"
MUTUAL = "{tls: {mode: ISTIO_MUTUAL}}"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (rule("shop", SIMPLE) + rule("edge", DISABLE), [("DISABLE", "edge")]),
        (rule("istio-system", SIMPLE) + rule("shop", DISABLE), [("DISABLE", "shop")]),
        (rule("istio-system", SIMPLE), [("SIMPLE", "istio-system")]),
        (rule("elsewhere", SIMPLE), []),
        (rule("shop", SIMPLE, ", exportTo: ['.']"), []),
        (rule("edge", SIMPLE, ", workloadSelector: {matchLabels: {istio: other}}"), []),
    ],
)
def test_the_rule_of_the_gateways_namespace_comes_before_the_services_and_the_meshs(
    rules: str, expected: list[tuple[str, str]]
) -> None:
    assert modes(CLUSTER + rules) == expected


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (f"{SIMPLE}, subsets: [{{name: v1, trafficPolicy: {MUTUAL}}}]", "ISTIO_MUTUAL"),
        (f"{SIMPLE}, subsets: [{{name: v2, trafficPolicy: {MUTUAL}}}]", "SIMPLE"),
        (
            "{tls: {mode: SIMPLE}, portLevelSettings:"
            " [{port: {number: 80}, tls: {mode: DISABLE}}]}",
            "DISABLE",
        ),
        (
            f"{SIMPLE}, subsets: [{{name: v1, trafficPolicy:"
            " {portLevelSettings: [{port: {number: 80}, tls: {mode: MUTUAL}}]}}]",
            "MUTUAL",
        ),
    ],
)
def test_the_policy_of_the_subset_and_of_the_port_come_first(policies: str, expected: str) -> None:
    assert modes(CLUSTER + rule("shop", policies)) == [(expected, "shop")]


def test_settings_of_a_port_without_tls_leave_none() -> None:
    settings = "{tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 80}}]}"

    assert modes(CLUSTER + rule("shop", settings)) == []


def test_rules_for_one_host_in_one_namespace_are_merged() -> None:
    subsets = rule("shop", "null", ", subsets: [{name: v1}]", name="older")

    assert modes(CLUSTER + subsets + rule("shop", SIMPLE)) == [("SIMPLE", "shop")]


@pytest.mark.parametrize(
    ("policies", "denied"),
    [
        (policy("none", "{}"), True),
        (policy("none", "{}") + policy("all", "{rules: [{}]}"), False),
        (policy("none", "{}", ', annotations: {istio.io/dry-run: "true"}'), False),
        (policy("none", "{targetRefs: [{kind: Gateway, name: other}]}"), False),
        (policy("none", "{selector: {matchLabels: {istio: other}}}"), False),
    ],
)
def test_only_a_policy_in_force_for_the_gateway_denies_everything(
    policies: str, denied: bool
) -> None:
    assert bool(find("OPS003", CLUSTER + policies)) is denied


def test_a_denial_says_which_policy_matched() -> None:
    details = "rbac_access_denied_matched_policy[ns[edge]-policy[no-admin]-rule[0]]"
    line = (
        f'[2026-03-01T11:40:00.000Z] "GET /admin HTTP/2" 403 - {details} - "-" 0 19 0 -'
        ' "203.0.113.9" "curl/8.5.0" "2d4f" "shop.example.com" "-"'
        " outbound|80||shop.shop.svc.cluster.local - 10.0.0.4:8443 203.0.113.9:51412"
        " shop.example.com -"
    )
    lines = tuple(log_lines("edge/gateway/istio-proxy", line))
    found = list(CHECKS["OPS010"].run(Mesh(cluster(CLUSTER, lines))))

    assert [(str(each.subject), each.severity, each.hosts) for each in found] == [
        ("AuthorizationPolicy edge/no-admin", None, frozenset({"shop.example.com"}))
    ]


HIDING = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    discoverySelectors:
    - matchLabels: {mesh: "on"}
    - matchLabels: {kubernetes.io/metadata.name: edge}
---
apiVersion: v1
kind: Namespace
metadata: {name: edge}
---
"""


def test_a_namespace_is_selected_by_its_name_too_and_hides_its_services_otherwise() -> None:
    routes = CLUSTER.replace(
        "metadata: {name: web, namespace: shop}", "metadata: {name: web, namespace: edge}"
    )
    routes = routes.replace(
        "metadata: {name: shop, namespace: shop}\nspec:\n  hosts",
        "metadata: {name: shop, namespace: edge}\nspec:\n  hosts",
    )
    routes = routes.replace("host: shop, subset: v1", "host: shop.shop.svc.cluster.local")
    shop = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
    found = find("OPS006", routes + HIDING + shop)

    assert [(str(each.subject), each.hosts) for each in found] == [
        ("Namespace shop", frozenset({"shop.example.com"}))
    ]


def test_a_gateway_without_any_certificate_is_worse_than_other_objections() -> None:
    text = CLUSTER.replace("mode: SIMPLE, credentialName: shop-cert", "mode: SIMPLE")
    nameless = CLUSTER.replace("name: https, ", "")

    assert [
        [(each.severity, str(each.objects[0])) for each in find("OPS008", each_text)]
        for each_text in (text, nameless)
    ] == [
        [(Severity.HIGH, "Gateway shop/web spec.servers[0].tls")],
        [(Severity.LOW, "Gateway shop/web spec.servers[0].port.name")],
    ]


@pytest.mark.parametrize(
    ("tls", "secrets", "lacking"),
    [
        ("mode: SIMPLE", "", ["Secret edge/upstream does not exist"]),
        ("mode: SIMPLE", "upstream: ca.crt", []),
        ("mode: SIMPLE", "upstream-cacert: ca.crt", []),
        ("mode: SIMPLE", "upstream: other", ["Secret edge/upstream has no CA (ca.crt or cacert)"]),
        ("mode: SIMPLE, insecureSkipVerify: true", "", []),
        ("mode: MUTUAL", "upstream-cacert: ca.crt", ["Secret edge/upstream does not exist"]),
        (
            "mode: MUTUAL",
            "upstream: ca.crt",
            ["Secret edge/upstream has no certificate with its key"],
        ),
    ],
)
def test_what_a_destination_rule_asks_of_its_secret_depends_on_the_mode(
    tls: str, secrets: str, lacking: list[str]
) -> None:
    name, _, key = secrets.partition(": ")
    secret = f"""
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: edge}}
stringData: {{{key}: authority Backends}}
"""
    rules = rule("shop", f"{{tls: {{{tls}, credentialName: upstream}}}}")
    found = find("DR005", CLUSTER + rules + (secret if name else ""))

    assert [each.evidence[0].text for each in found] == lacking


def test_a_secret_that_was_not_read_is_not_missing() -> None:
    text = CLUSTER + rule("shop", "{tls: {mode: SIMPLE, credentialName: upstream}}")
    unread = Reading(unread=(Unread(kind=Kind.SECRET),))

    assert list(CHECKS["DR005"].run(Mesh(cluster(text).plus(unread)))) == []


@pytest.mark.parametrize(("kind", "found"), [("Pod", 1), ("Deployment", 0)])
def test_only_pods_show_that_there_is_no_sidecar(kind: str, found: int) -> None:
    backend = """
apiVersion: v1
kind: Pod
metadata: {name: shop-0, namespace: shop, labels: {app: shop}}
spec: {containers: [{name: shop}]}
"""
    template = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: shop}
spec: {template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: shop}]}}}
"""
    text = CLUSTER + rule("shop", MUTUAL) + (backend if kind == "Pod" else template)

    assert len(find("DR004", text)) == found


def test_the_secrets_of_destination_rules_are_asked_for_beside_the_gateway() -> None:
    text = CLUSTER + rule("shop", "{tls: {mode: SIMPLE, credentialName: upstream}}")
    found = wanted(mesh(text), frozenset({Kind.SECRET})).secrets

    assert {("edge", "upstream"), ("edge", "upstream-cacert")} <= found


@pytest.mark.parametrize(
    ("namespace", "expected"), [("config", ["DestinationRule shop/shop"]), ("istio-system", [])]
)
def test_what_is_strict_for_the_whole_mesh_stands_in_its_root_namespace(
    namespace: str, expected: list[str]
):
    text = (
        CLUSTER
        + rule("shop", "{tls: {mode: DISABLE}}", ", subsets: [{name: v1, labels: {app: shop}}]")
        + f"""
apiVersion: v1
kind: Pod
metadata: {{name: shop-0, namespace: shop, labels: {{app: shop}}}}
spec: {{containers: [{{name: shop}}, {{name: istio-proxy, image: "istio/proxyv2:1.24.1"}}]}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: {namespace}}}
spec: {{mtls: {{mode: STRICT}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data: {{mesh: "rootNamespace: config"}}
"""
    )

    assert [str(each.subject) for each in CHECKS["DR003"].run(mesh(text))] == expected
