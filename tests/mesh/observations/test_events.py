"""Whose Events are asked for, and which of them tell something."""

from istiodoctor.mesh.observations.events import events_of, telling
from istiodoctor.mesh.targets.wanted import wanted
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.testing.clusters import mesh
from istiodoctor_checks._events import event_evidence

SERVICE = Ref(CORE, "Service", "istio-system", "gateway")
EVENTS = """
apiVersion: v1
kind: Event
metadata: {name: late, namespace: istio-system}
involvedObject: {apiVersion: v1, kind: Service, namespace: istio-system, name: gateway}
type: Warning
reason: SyncLoadBalancerFailed
message: no subnet
series: {count: 9, lastObservedTime: "2026-03-01T11:50:00.123456Z"}
eventTime: "2026-03-01T11:00:00.000000Z"
---
apiVersion: v1
kind: Event
metadata: {name: early, namespace: istio-system, creationTimestamp: "2026-03-01T11:10:00Z"}
involvedObject: {apiVersion: v1, kind: Service, namespace: istio-system, name: gateway}
type: Normal
reason: EnsuringLoadBalancer
message: Ensuring load balancer
firstTimestamp: null
lastTimestamp: null
---
apiVersion: v1
kind: Event
metadata: {name: other, namespace: istio-system}
involvedObject:
  {apiVersion: serving.knative.dev/v1, kind: Service, namespace: istio-system, name: gateway}
type: Warning
reason: InternalError
message: of another kind
"""
TROUBLE = """
apiVersion: v1
kind: Pod
metadata:
  name: gateway
  namespace: istio-system
  labels: {istio: ingressgateway}
spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3", args: [proxy, router]}]}
status: {conditions: [{type: Ready, status: "READY"}]}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: istio-system, creationTimestamp: "2026-03-01T11:00:00Z"}
spec:
  type: LoadBalancer
  selector: {istio: ingressgateway}
  ports: [{name: https, port: 443, targetPort: 8443}]
status: {loadBalancer: {ingress: ADDRESSES}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.example.com]
    tls: {mode: SIMPLE, credentialName: shop-cert}
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: acme}
spec: {acme: {server: "https://acme.example"}}
status: {conditions: [{type: Ready, status: "READY"}]}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: shop, namespace: istio-system}
spec:
  secretName: shop-cert
  dnsNames: [shop.example.com]
  issuerRef: {name: acme, kind: ClusterIssuer}
status: {conditions: [{type: Ready, status: "READY", lastTransitionTime: "2026-03-01T10:00:00Z"}]}
"""


def test_events_come_in_the_order_in_which_they_were_last_seen():
    found = events_of(mesh(EVENTS), SERVICE)

    assert [each.name for each in found] == ["early", "late"]


def test_an_event_about_another_kind_of_the_same_name_is_not_this_object_s():
    knative = Ref("serving.knative.dev", *SERVICE[1:])

    assert [each.name for each in events_of(mesh(EVENTS), knative)] == ["other"]


def test_warnings_tell_and_progress_does_not():
    found = telling(events_of(mesh(EVENTS), SERVICE))

    assert [(each.reason, each.times) for each in found] == [("SyncLoadBalancerFailed", 9)]


def test_objects_in_trouble_are_asked_about_with_every_layer_below():
    troubled = TROUBLE.replace("READY", "False").replace("ADDRESSES", "[]")

    found = wanted(mesh(troubled), frozenset(Kind))

    assert found.events == {
        ("istio-system", "Pod", "gateway"),
        ("istio-system", "Service", "gateway"),
        ("istio-system", "Certificate", "shop"),
        ("default", "ClusterIssuer", "acme"),
    }


def test_of_objects_that_are_well_no_events_are_wanted():
    well = TROUBLE.replace("READY", "True").replace("ADDRESSES", "[{ip: 192.0.2.1}]")

    assert wanted(mesh(well), frozenset(Kind)).events == frozenset()


def test_nor_are_any_when_no_check_reads_events():
    troubled = TROUBLE.replace("READY", "False").replace("ADDRESSES", "[]")

    assert wanted(mesh(troubled), frozenset(Kind) - {Kind.EVENT}).events == frozenset()


def test_tokens_of_challenges_are_cut_out_of_events():
    token = "x" * 43
    text = EVENTS.replace(
        "no subnet", f"wrong answer at http://a/.well-known/acme-challenge/{token}"
    )

    (evidence,) = event_evidence(mesh(text), [SERVICE])

    assert token not in evidence.text
    assert evidence.text.endswith("/.well-known/acme-challenge/… (9 times)")
