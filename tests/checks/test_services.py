"""Services of gateways: what the examples of their checks cannot show."""

from istiodoctor.finding import Confidence, Finding, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.model.kind import Kind
from istiodoctor.model.snapshot import Reading, Unread
from istiodoctor.registry import discover
from istiodoctor.testing.clusters import cluster, mesh

CHECKS = discover().by_code()

POD = """
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: istio-system, labels: {istio: ingress}}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
---
"""
GATEWAY = """
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
"""


def service(
    name: str = "gateway",
    *,
    selector: str = "{istio: ingress}",
    kind: str = "LoadBalancer",
    target: str = "8443",
    metadata: str = "",
) -> str:
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: istio-system{metadata}}}
spec:
  type: {kind}
  selector: {selector}
  ports: [{{name: https, port: 443, targetPort: {target}}}]
---
"""


def find(code: str, text: str) -> list[Finding]:
    return list(CHECKS[code].run(mesh(text)))


def without(kind: Kind, text: str) -> Mesh:
    """Return the cluster of a text of which one kind could not be read."""
    whole = cluster(text)
    unread = Reading(unread=(Unread(kind=kind, message="forbidden"),))
    return Mesh(whole.plus(unread))


def test_a_second_service_that_selects_nothing_is_no_outage():
    wrong = service("gateway-old", selector="{istio: ingress, app: old}")

    (alone,) = find("SVC001", POD + GATEWAY + wrong)
    (beside,) = find("SVC001", POD + GATEWAY + wrong + service())

    assert (alone.severity, alone.hosts) == (Severity.CRITICAL, frozenset({"shop.example.com"}))
    assert beside.severity is Severity.MEDIUM


def test_a_service_without_pods_is_a_gateways_only_by_name_status_port_or_label():
    assert not find("SVC001", POD + service("kiali", selector="{app: kiali}"))
    assert find("SVC001", POD + service("gateway", selector="{app: kiali}"))


def test_a_service_selects_nothing_only_where_pods_were_read():
    wrong = service(selector="{istio: ingress, app: old}")

    assert find("SVC001", POD + wrong)
    assert not list(CHECKS["SVC001"].run(without(Kind.POD, POD + wrong)))


def test_a_target_port_is_a_mismatch_by_name_and_by_label_too():
    unnamed = find("SVC003", POD + GATEWAY + service(target="https"))
    label = ', labels: {experimental.istio.io/disable-gateway-port-translation: "true"}'
    untranslated = find("SVC003", POD + GATEWAY + service(metadata=label))

    assert "“https”, a port name that no container declares" in unnamed[0].message
    assert "sends port 443 to 8443" in untranslated[0].message
    assert not find("SVC003", POD + GATEWAY + service())


CREATED = ', creationTimestamp: "2026-03-01T11:00:00Z"'
METALLB = """
apiVersion: v1
kind: Pod
metadata: {name: controller, namespace: metallb-system, labels: {app: metallb}}
---
"""


def test_a_load_balancer_is_pending_only_if_it_was_made_long_ago_and_waits_for_an_address():
    pending = service(metadata=CREATED)

    assert find("SVC006", POD + GATEWAY + pending)
    assert not find("SVC006", POD + GATEWAY + service())
    assert not find("SVC006", POD + GATEWAY + service(metadata=CREATED, kind="NodePort"))
    assert not find("SVC006", POD + pending)


def test_the_absence_of_metallb_is_said_where_it_is_known():
    def said(found: Mesh) -> list[str]:
        (finding,) = CHECKS["SVC006"].run(found)
        return [each.text for each in finding.evidence[1:]]

    text = POD + GATEWAY + service(metadata=CREATED)

    assert said(mesh(text)) == ["no MetalLB runs here"]
    assert said(mesh(text + METALLB)) == []
    assert said(without(Kind.POD, text)) == []


PROXY = ', annotations: {service.beta.kubernetes.io/aws-load-balancer-proxy-protocol: "*"}'
FILTER = """
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: proxy-protocol, namespace: istio-system}
spec:
  configPatches:
  - {applyTo: LISTENER, patch: {value: {name: envoy.filters.listener.proxy_protocol}}}
---
"""


def test_the_proxy_protocol_is_unexpected_unless_an_envoy_filter_may_expect_it():
    text = POD + GATEWAY + service(metadata=PROXY)

    assert [each.confidence for each in find("SVC007", text)] == [Confidence.SUSPECTED]
    assert not find("SVC007", text + FILTER)
    assert [f.confidence for f in CHECKS["SVC007"].run(without(Kind.ENVOY_FILTER, text))] == [
        Confidence.SUSPECTED
    ]


def test_a_pod_that_was_just_made_is_given_time_to_get_ready():
    status = 'status: {conditions: [{type: Ready, status: "False"}]}\n---\n'
    waiting = POD.removesuffix("---\n") + status
    new = waiting.replace(
        "name: gateway,", 'name: gateway, creationTimestamp: "2026-03-01T11:58:00Z",'
    )

    assert find("SVC012", waiting + GATEWAY)
    assert not find("SVC012", new + GATEWAY)
    assert not find("SVC012", waiting)
