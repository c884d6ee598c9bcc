"""Load balancers before gateways: what the examples of their checks cannot show."""

import pytest

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh.exposure.azure_probes import telling_nodes
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import mesh

CHECKS = discover().by_code()
AWS = "service.beta.kubernetes.io/aws-load-balancer-"
NODE = """
apiVersion: v1
kind: Node
metadata: {{name: worker-1}}
spec: {{providerID: "{provider}"}}
---
"""


def pod(node: str = "worker-1", addresses: str = "", labels: str = "istio: ingress") -> str:
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: gateway, namespace: istio-system, labels: {{{labels}}}}}
spec:
  nodeName: "{node}"
  containers: [{{name: istio-proxy, image: "istio/proxyv2:1.27.3", args: [proxy, router]}}]
status: {{podIPs: [{addresses}]}}
---
"""


def istiod(value: str = "") -> str:
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: istiod, namespace: istio-system, labels: {{app: istiod}}}}
spec:
  containers:
  - name: discovery
    image: istio/pilot:1.27.3
    env: [{{name: ISTIO_DUAL_STACK, value: "{value}"}}]
---
"""


def gateway(server: str = "", host: str = "shop.example.com") -> str:
    https = "port: {number: 443, name: s, protocol: HTTPS}"
    tls = ", tls: {mode: SIMPLE, credentialName: shop-cert}"
    return f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{istio: ingress}}
  servers: [{{{server or https + tls}, hosts: ["{host}"]}}]
---
"""


PLAIN = "port: {number: 80, name: s, protocol: HTTP}"


def service(
    *annotations: str,
    ports: str = "[{name: https, port: 443, targetPort: 8443}]",
    name: str = "gateway",
    kind: str = "LoadBalancer",
    spec: str = "",
    status: str = "",
) -> str:
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: istio-system, annotations: {{{", ".join(annotations)}}}}}
spec: {{type: {kind}, selector: {{istio: ingress}}, ports: {ports}{spec}}}
status: {{loadBalancer: {{ingress: [{status}]}}}}
---
"""


def find(code: str, *texts: str) -> list[Finding]:
    return list(CHECKS[code].run(mesh("".join(texts))))


CERTIFICATE = f'{AWS}ssl-cert: "arn:aws:acm:x", {AWS}ssl-ports: "443"'


@pytest.mark.parametrize(
    ("annotation", "confidence"),
    [
        (CERTIFICATE, Confidence.CERTAIN),
        (
            "service.beta.kubernetes.io/do-loadbalancer-certificate-id: x",
            Confidence.SUSPECTED,
        ),
        (
            """service.beta.kubernetes.io/linode-loadbalancer-port-443: '{"protocol": "https"}'""",
            Confidence.SUSPECTED,
        ),
        (
            """service.beta.kubernetes.io/linode-loadbalancer-port-443: '{"protocol": "tcp"}'""",
            None,
        ),
        (f"{CERTIFICATE}, {AWS}backend-protocol: ssl", None),
        (f'{AWS}ssl-cert: x, {AWS}ssl-ports: "8443"', None),
    ],
)
def test_plain_text_comes_to_a_tls_port_where_a_load_balancer_ends_tls(
    annotation: str, confidence: Confidence | None
):
    found = find("SVC016", pod(), gateway(), service(annotation))

    assert [each.confidence for each in found] == ([confidence] if confidence else [])


def test_beside_a_load_balancer_that_passes_tls_on_it_is_no_outage():
    other = service(name="other")

    (alone,) = find("SVC016", pod(), gateway(), service(CERTIFICATE))
    (beside,) = find("SVC016", pod(), gateway(), service(CERTIFICATE), other)

    assert (alone.severity, beside.severity) == (Severity.CRITICAL, Severity.HIGH)


def test_an_ingress_that_speaks_plain_text_to_the_tls_port_is_suspected():
    ingress = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: edge, namespace: istio-system}
spec:
  ingressClassName: nginx
  tls: [{hosts: [shop.example.com], secretName: x}]
  rules:
  - host: shop.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: gateway, port: {number: 443}}}
"""
    (found,) = find("SVC016", pod(), gateway(), service(kind="ClusterIP"), ingress)

    assert (found.subject.kind, found.confidence) == ("Ingress", Confidence.SUSPECTED)


@pytest.mark.parametrize(
    ("annotations", "spec", "confidence"),
    [
        (f"{AWS}backend-protocol: http", "", Confidence.CERTAIN),
        (f"{AWS}backend-protocol: HTTP", "", Confidence.CERTAIN),
        (f"{AWS}backend-protocol: tcp", "", None),
        (f"{AWS}backend-protocol: http, {AWS}type: external", "", None),
        (f"{AWS}backend-protocol: http", ", loadBalancerClass: service.k8s.aws/nlb", None),
        (f"{AWS}backend-protocol: http, {CERTIFICATE}", "", None),
        ("service.beta.kubernetes.io/do-loadbalancer-protocol: http", "", Confidence.SUSPECTED),
        ('loadbalancer.openstack.org/x-forwarded-for: "true"', "", Confidence.SUSPECTED),
    ],
)
def test_some_annotations_make_every_port_one_of_http(
    annotations: str, spec: str, confidence: Confidence | None
):
    found = find("SVC017", pod(), gateway(), service(annotations, spec=spec))

    assert [each.confidence for each in found] == ([confidence] if confidence else [])


@pytest.mark.parametrize(
    ("texts", "count"),
    [
        ((gateway(), service(f"{CERTIFICATE}, {AWS}backend-protocol: ssl")), 1),
        ((gateway(), service(f"{CERTIFICATE}, {AWS}backend-protocol: HTTPS")), 1),
        ((gateway(host="*"), service(f"{CERTIFICATE}, {AWS}backend-protocol: ssl")), 0),
        ((gateway(), service(f"{CERTIFICATE}, {AWS}backend-protocol: tcp")), 0),
        ((gateway(), service(f"{AWS}backend-protocol: ssl")), 0),
        (
            (
                gateway(),
                service(f'{AWS}ssl-cert: x, {AWS}ssl-ports: "9", {AWS}backend-protocol: ssl'),
            ),
            0,
        ),
    ],
)
def test_a_load_balancer_that_encrypts_again_is_suspected_to_send_no_sni(
    texts: tuple[str, ...], count: int
):
    found = find("SNI002", pod(), *texts)

    expected = [(Severity.HIGH, Confidence.SUSPECTED)] * count
    assert [(each.severity, each.confidence) for each in found] == expected


def test_an_http_port_before_a_plain_server_is_right():
    ports = "[{name: http, port: 80, targetPort: 8080}]"

    assert not find(
        "SVC017", pod(), gateway(PLAIN), service(f"{AWS}backend-protocol: http", ports=ports)
    )


AZURE = NODE.format(provider="azure:///subscriptions/x/virtualMachines/1")
HTTPS = "[{name: https, port: 443, targetPort: 8443, appProtocol: https}]"
ON_PORT = "service.beta.kubernetes.io/port_443_"


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ((pod(), gateway(), service(ports=HTTPS), AZURE), "no SNI"),
        ((pod("aks-pool-1"), gateway(), service(ports=HTTPS)), "no SNI"),
        (
            (
                pod(),
                gateway(),
                service('service.beta.kubernetes.io/azure-dns-label-name: "x"', ports=HTTPS),
            ),
            "no SNI",
        ),
        ((pod(), gateway(), service(ports=HTTPS), NODE.format(provider="aws:///x")), ""),
        ((pod(), gateway(host="*"), service(ports=HTTPS), AZURE), ""),
        (
            (
                pod(),
                gateway(),
                service(ports=HTTPS.replace("https}", "kubernetes.io/h2c}")),
                AZURE,
            ),
            "",
        ),
        ((pod(), gateway(), service(ports=HTTPS.replace("https}", "HTTP}")), AZURE), "plain text"),
        (
            (
                pod(),
                gateway(),
                service(f"{ON_PORT}health-probe_protocol: tcp", ports=HTTPS),
                AZURE,
            ),
            "",
        ),
        (
            (
                pod(),
                gateway(),
                service(f'{ON_PORT}health-probe_port: "15021"', ports=HTTPS),
                AZURE,
            ),
            "",
        ),
        ((pod(), gateway(), service(f'{ON_PORT}no_probe_rule: "true"', ports=HTTPS), AZURE), ""),
        (
            (
                pod(),
                gateway(),
                service(ports=HTTPS, spec=", externalTrafficPolicy: Local"),
                AZURE,
            ),
            "",
        ),
        (
            (
                pod("aks-1"),
                gateway(),
                service(
                    "service.beta.kubernetes.io/azure-load-balancer-health-probe-protocol: http"
                ),
            ),
            "plain text",
        ),
        (
            (
                pod("aks-1"),
                gateway(PLAIN),
                service(ports="[{name: h, port: 80, targetPort: 8080, appProtocol: http}]"),
            ),
            "404",
        ),
    ],
)
def test_azures_probe_asks_as_the_port_says(texts: tuple[str, ...], reason: str):
    found = find("SVC009", *texts)

    assert [each.confidence for each in found] == ([Confidence.SUSPECTED] if reason else [])
    assert all(reason in each.message for each in found)


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        ((pod(), gateway(), service(ports=HTTPS)), ("worker-1",)),
        ((pod(), gateway(), service()), ()),
        ((pod("aks-1"), gateway(), service(ports=HTTPS)), ()),
        ((pod("ip-10-0-0-1.ec2.internal"), gateway(), service(ports=HTTPS)), ()),
        ((pod(), gateway(), service(ports=HTTPS, status="{hostname: x.elb.amazonaws.com}")), ()),
    ],
)
def test_a_node_is_read_only_where_it_alone_can_tell_the_cloud(
    texts: tuple[str, ...], names: tuple[str, ...]
):
    assert telling_nodes(mesh("".join(texts))) == names


def test_pods_of_the_gateway_api_and_those_of_a_gateway_are_selected():
    api = pod(labels="istio: ingress, gateway.networking.k8s.io/gateway-name: web")

    assert find("SVC018", pod(), service())
    assert not find("SVC018", pod(), service(), gateway())
    assert not find("SVC018", api, service())
    assert not find("SVC018", pod(), service(kind="NodePort"))


V4, V6 = "{ip: 10.0.0.4}", '{ip: "2001:db8::4"}'
BOTH = ", ipFamilies: [IPv4, IPv6]"


@pytest.mark.parametrize(
    ("texts", "severity", "confidence"),
    [
        ((pod(), istiod(), service(spec=BOTH)), Severity.HIGH, Confidence.CERTAIN),
        (
            (pod(), istiod(), service(spec=", ipFamilyPolicy: RequireDualStack")),
            Severity.HIGH,
            Confidence.CERTAIN,
        ),
        ((pod(), service(spec=BOTH)), Severity.HIGH, Confidence.SUSPECTED),
        (
            (pod(), istiod(), service(status='{ip: "2001:db8::10"}')),
            Severity.HIGH,
            Confidence.SUSPECTED,
        ),
        (
            (pod(addresses=f"{V6}, {V4}"), istiod(), service(spec=", ipFamilies: [IPv6]")),
            Severity.CRITICAL,
            Confidence.CERTAIN,
        ),
        ((pod(addresses=V6), istiod(), service(spec=", ipFamilies: [IPv6]")), None, None),
        ((pod(), istiod("true"), service(spec=BOTH)), None, None),
        ((pod(), istiod(), service(spec=", ipFamilies: [IPv4]")), None, None),
        ((pod(), istiod(), service(spec=", ipFamilyPolicy: PreferDualStack")), None, None),
        (
            (
                pod(),
                istiod(),
                service(spec=", ipFamilies: [IPv4]", status='{ip: "2001:db8::10"}'),
            ),
            None,
            None,
        ),
    ],
)
def test_ipv6_is_refused_where_envoy_listens_on_ipv4_alone(
    texts: tuple[str, ...], severity: Severity | None, confidence: Confidence | None
):
    found = find("SVC019", *texts, gateway())

    assert [(each.severity, each.confidence) for each in found] == (
        [(severity, confidence)] if severity else []
    )


def test_a_server_that_binds_an_address_of_its_own_is_not_judged():
    bound = gateway('port: {number: 443, name: s, protocol: HTTPS}, bind: "::"')

    assert not find("SVC019", pod(), istiod(), service(spec=BOTH), bound)


@pytest.mark.parametrize(
    ("annotations", "count"),
    [
        (f"{AWS}healthcheck-protocol: HTTP", 1),
        (f"{AWS}healthcheck-protocol: http, {AWS}healthcheck-path: /", 1),
        (f'{AWS}healthcheck-protocol: http, {AWS}healthcheck-port: "15021"', 0),
        (f"{AWS}healthcheck-protocol: tcp", 0),
        (f"{AWS}healthcheck-protocol: https", 0),
    ],
)
def test_plain_http_is_no_health_check_of_a_tls_port(annotations: str, count: int):
    found = find("SVC009", pod(), gateway(), service(annotations))

    assert [each.confidence for each in found] == [Confidence.SUSPECTED] * count
    assert all("in plain HTTP, where TLS is spoken" in each.message for each in found)


def test_with_local_traffic_the_node_is_asked_unless_a_port_is_written():
    local = ", externalTrafficPolicy: Local"
    plain, on_traffic = f"{AWS}healthcheck-protocol: http", f"{AWS}healthcheck-port: traffic-port"

    assert not find("SVC009", pod(), gateway(), service(plain, spec=local))
    assert find("SVC009", pod(), gateway(), service(f"{plain}, {on_traffic}", spec=local))
