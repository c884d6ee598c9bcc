"""The cause leads: what else the real checks say of a cluster stands under it."""

import pytest

from istiodoctor.diagnosis import Judgement, diagnose
from istiodoctor.diagnosis.runs import run_checks
from istiodoctor.finding import Severity
from istiodoctor.mesh import Mesh
from istiodoctor.model.snapshot import Reading
from istiodoctor.problem import Problem
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster, log_lines
from istiodoctor.testing.envoys import envoy_state
from istiodoctor.testing.examples import examples
from istiodoctor.testing.words import NOW, pem
from tests.checks.test_credentials import GATEWAY, POD, READER, documents, secret

CHECKS = discover().by_code()
PROXY = "istio-system/gateway/istio-proxy"
LISTENER = (
    "2026-03-01T11:40:00.000000Z\twarning\tenvoy config\tgRPC config for"
    " type.googleapis.com/envoy.config.listener.v3.Listener rejected: Error adding/updating"
    " listener(s) 0.0.0.0_443: {reason}"
)


def problems(
    text: str, *codes: str, proxy: str = "", istiod: str = "", envoy: str = ""
) -> list[Problem]:
    """Diagnose a whole cluster with some checks, after this was logged or seen in its Envoy."""
    lines = (
        *log_lines(PROXY, proxy),
        *log_lines("istio-system/istiod-0/discovery", istiod),
    )
    snapshot = cluster(text, lines)
    if envoy:
        state = envoy_state("istio-system/gateway", envoy, taken_at=NOW, pem=pem)
        snapshot = snapshot.plus(Reading(envoys=(state,)))
    mesh = Mesh(snapshot)
    runs = run_checks(tuple(CHECKS[code] for code in codes), mesh, snapshot)
    judgement = Judgement(snapshot=snapshot, mesh=mesh, runs=runs, tool_version="1")
    return list(diagnose(judgement).problems)


def outline(found: list[Problem]) -> list[tuple[str, str, set[str]]]:
    """Return code, object to change and symptoms of each problem."""
    return [
        (each.cause.code, str(each.cause.subject), {under.code for under in each.symptoms})
        for each in found
    ]


TWO_SOURCES = GATEWAY.replace(
    "credentialName: shop-cert",
    "credentialName: shop-cert, serverCertificate: tls.crt, privateKey: tls.key",
)
FILTER = """
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: NAME, namespace: istio-system}
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: {context: CONTEXT}
    patch: {operation: INSERT_BEFORE, value: VALUE}
"""


def envoy_filter(name: str, value: str, context: str = "GATEWAY") -> str:
    return FILTER.replace("NAME", name).replace("VALUE", value).replace("CONTEXT", context)


def test_a_file_that_is_named_beside_a_secret_and_refused_is_one_problem():
    found = problems(
        documents(POD, TWO_SOURCES, READER),
        "SDS010",
        "CRED014",
        proxy=LISTENER.format(reason="Invalid path: tls.crt"),
    )

    assert outline(found) == [("CRED014", "Gateway shop/web", {"SDS010"})]


def test_what_an_envoy_filter_puts_in_is_not_put_down_to_the_server_of_that_port():
    reason = "Didn't find a registered implementation for 'example.filter'"
    found = problems(
        documents(POD, TWO_SOURCES, READER, envoy_filter("odd", "{name: example.filter}")),
        "SDS010",
        "CRED014",
        proxy=LISTENER.format(reason=reason),
    )

    assert sorted(outline(found)) == [
        ("CRED014", "Gateway shop/web", set()),
        ("SDS010", "EnvoyFilter istio-system/odd", set()),
    ]


THING = '{name: a, typed_config: {"@type": type.googleapis.com/example.v1.Thing}}'
LUA = THING.replace("example.v1.Thing", "envoy.extensions.filters.http.lua.v3.Lua")
CALLING = "{name: a, typed_config: {server_uri: {cluster: out|80||a.b}}}"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (THING, "Proto constraint validation failed (ThingValidationError.Field: too short)"),
        (THING, "Protobuf message (type example.v1.Thing reason INVALID_ARGUMENT) has unknown"),
        (CALLING, "Unknown cluster 'out|80||a.b'"),
        (LUA, "script load error: [string \"function\"]:1: '=' expected near 'on'"),
    ],
)
def test_a_refusal_leads_to_the_one_envoy_filter_that_it_speaks_of(value: str, reason: str):
    others = (
        envoy_filter("other", "{name: other.filter}"),
        envoy_filter("far", value, "SIDECAR_INBOUND"),
    )
    found = problems(
        documents(POD, GATEWAY, READER, envoy_filter("odd", value), *others),
        "SDS010",
        proxy=LISTENER.format(reason=reason),
    )

    assert outline(found) == [("SDS010", "EnvoyFilter istio-system/odd", set())]
    assert [
        each.ref.name for each in found[0].cause.objects if each.ref.kind == "EnvoyFilter"
    ] == ["odd"]


def test_a_refusal_that_names_nothing_known_accuses_no_object():
    found = problems(
        documents(POD, GATEWAY, READER, envoy_filter("odd", "{name: example.filter}")),
        "SDS010",
        proxy=LISTENER.format(reason="cannot bind '0.0.0.0:443': Permission denied"),
    )

    assert outline(found) == [("SDS010", "Pod istio-system/gateway", set())]


def test_the_route_that_stops_a_challenge_leads_and_the_waiting_certificate_stands_below_it():
    bad = next(each for each in examples(CHECKS["CM020"]) if each.verdict == "bad")
    other = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: other, namespace: elsewhere}
spec:
  parentRefs: [{name: web, namespace: istio-ingress, sectionName: http}]
  hostnames: [shop.example.com]
  rules: [{backendRefs: [{name: other, port: 80}]}]
"""
    found = problems(documents(bad.text + "\n", other), "GWAPI003", "CM020", "CM011")

    under = {
        each.cause.objects[1].ref.name: {symptom.code for symptom in each.symptoms}
        for each in found
    }
    assert under == {"cm-acme-http-solver-x": {"CM011", "CM020"}, "other": set()}


ASKING = POD.replace(
    'image: "istio/proxyv2:1.22.3"',
    'image: "istio/proxyv2:1.22.3", env: [{name: PROXY_CONFIG, value: \'{"discoveryAddress":'
    '"istiod.istio-system.svc:15012"}\'}]',
).rstrip() + """
status: {conditions: [{type: Ready, status: "False"}]}
"""  # fmt: skip
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: istio-system, labels: {app: istiod}}
spec: {selector: {app: istiod}, ports: [{name: https-dns, port: 15012}]}
"""


def test_pods_that_ask_for_an_istiod_that_is_not_there_are_not_ready_because_of_that():
    services = SERVICE.replace("NAME", "istiod-1-22")
    found = problems(documents(ASKING, GATEWAY, READER, services), "SDS004", "SVC012")

    assert outline(found) == [("SDS004", "Pod istio-system/gateway", {"SVC012"})]
    assert "there is no Service istio-system/istiod;" in found[0].cause.message


def test_pods_that_ask_for_an_istiod_that_is_there_are_not_ready_for_another_reason():
    services = SERVICE.replace("NAME", "istiod")
    found = problems(documents(ASKING, GATEWAY, READER, services), "SDS004", "SVC012")

    assert outline(found) == [("SVC012", "Pod istio-system/gateway", set())]


def test_a_secret_that_envoy_refuses_explains_the_good_one_that_came_with_it():
    bad = next(each for each in examples(CHECKS["SDS014"]) if "api-cert" in each.text)
    found = problems(bad.text, "SDS014", "CERT008", envoy=bad.envoys[0][1])

    assert outline(found) == [("CERT008", "Secret istio-system/api-cert", {"SDS014"})]
    assert found[0].hosts == ("api.example.com", "shop.example.com")


YOUNG = secret("istio-system").replace(
    "namespace:", 'creationTimestamp: "2026-03-01T11:59:30Z", namespace:'
)
FETCHING = (
    "2026-03-01T11:59:40.000000Z\twarn\tads\tfailed to fetch key and certificate for"
    " kubernetes://shop-cert: "
)


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        ("secret istio-system/shop-cert not found", ["SDS001"]),
        ("found secret, but didn't have expected keys (cert and key); found: a, b", []),
    ],
)
def test_only_a_secret_that_was_not_there_yet_comes_by_itself(why: str, expected: list[str]):
    found = problems(documents(POD, GATEWAY, READER, YOUNG), "SDS001", istiod=FETCHING + why)

    assert [each.cause.code for each in found] == expected


SENDING = """
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  ports:
  - {name: http, port: 80, targetPort: HTTP}
  - {name: https, port: 443, targetPort: HTTPS}
"""
PLAIN_FIRST = GATEWAY.replace(
    "  servers:\n",
    "  servers:\n  - port: {number: 80, name: http, protocol: HTTP}\n    hosts: [a.example.com]\n",
)


@pytest.mark.parametrize(
    ("targets", "field", "value"),
    [
        ((8080, 8080), "/spec/ports/1/targetPort", 8443),
        ((8443, 8443), "/spec/ports/0/targetPort", 8080),
        ((80, 80), "/spec/ports/1/targetPort", 443),
        ((9000, 9000), "/spec/ports/1/targetPort", 8443),
    ],
)
def test_a_service_that_sends_two_ports_to_one_is_what_to_change(
    targets: tuple[int, int], field: str, value: int
):
    http, https = map(str, targets)
    service = SENDING.replace("targetPort: HTTPS", f"targetPort: {https}")
    service = service.replace("targetPort: HTTP}", f"targetPort: {http}}}")
    found = problems(documents(POD, PLAIN_FIRST, READER, service), "GW004")

    assert outline(found) == [("GW004", "Service istio-system/gateway", set())]
    assert found[0].cause.objects[0].path == field
    (fix,) = found[0].cause.fixes
    assert [patch.body[0]["value"] for patch in fix.fix.patches] == [value]


FRAGMENT = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec: {selector: {istio: ingressgateway}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateways: [web]
  http: [{route: [{destination: {host: shop}}]}]
"""


def test_a_gateway_without_servers_leads_the_virtual_service_that_names_it():
    found = problems(documents(POD, FRAGMENT), "OPS008", "VS003")

    assert outline(found) == [("OPS008", "Gateway shop/web", {"VS003"})]
    assert found[0].severity is Severity.MEDIUM


def issuing(spec: str, *, status: str = "", made: str = "2026-02-28T00:00:00Z") -> str:
    """Return a Certificate for the gateway's Secret."""
    return f"""
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: shop, namespace: istio-system, creationTimestamp: "{made}"}}
spec: {{secretName: shop-cert, issuerRef: {{name: le, kind: ClusterIssuer}}, {spec}}}
status: {{{status}}}
"""


ISSUER = """
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: le}
spec: {ca: {secretName: authority}}
status: {conditions: [{type: Ready, status: "True"}]}
"""
WAITING = (
    'conditions: [{type: Issuing, status: "True", reason: DoesNotExist, message: it is not there}]'
)


def test_a_missing_secret_that_a_new_certificate_writes_is_that_certificates_matter():
    young = issuing("dnsNames: [shop.example.com]", made="2026-03-01T11:59:00Z")
    found = problems(documents(POD, GATEWAY, READER, ISSUER, young), "CM011", "CRED002")

    assert outline(found) == [("CM011", "Certificate istio-system/shop", {"CRED002"})]
    assert [fix.fix.commands for fix in found[0].cause.fixes] == [()]


def test_a_certificate_that_asks_for_no_name_is_told_so_and_not_what_it_waits_for():
    nameless = issuing("duration: 24h", status=WAITING)
    found = problems(documents(POD, GATEWAY, READER, ISSUER, nameless), "CM011")

    assert "says: it asks for no name at all" in found[0].cause.message


def test_what_was_recorded_of_an_issuer_before_it_was_ready_is_no_reason_any_more():
    event = """
apiVersion: v1
kind: Event
metadata: {name: le.1, namespace: default}
involvedObject: {apiVersion: cert-manager.io/v1, kind: ClusterIssuer, name: le}
type: Warning
reason: ErrInitIssuer
message: no such Secret
lastTimestamp: "2026-03-01T11:00:00Z"
"""
    waiting = issuing("dnsNames: [shop.example.com]", status=WAITING)
    found = problems(documents(POD, GATEWAY, READER, ISSUER, waiting, event), "CM011")

    assert "ErrInitIssuer" not in str(found[0].cause.evidence)


def test_what_an_envoy_says_that_it_refuses_leads_to_the_same_object_as_its_log():
    reason = "Didn't find a registered implementation for 'example.filter'"
    refused = f"""
listeners:
- {{name: 0.0.0.0_443, port: 443, refused: "{reason}", at: "2026-03-01T11:40:00Z"}}
"""
    odd = envoy_filter("odd", "{name: example.filter}")
    found = problems(
        documents(POD, GATEWAY, READER, odd),
        "SDS010",
        "SDS012",
        proxy=LISTENER.format(reason=reason),
        envoy=refused,
    )

    assert outline(found) == [("SDS012", "EnvoyFilter istio-system/odd", {"SDS010"})]
