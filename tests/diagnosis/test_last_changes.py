"""What changed last on the way to a broken host, and nothing of hosts that are well."""

from datetime import timedelta

from istiodoctor.check import Check
from istiodoctor.finding import Severity
from istiodoctor.renderers.terminal import render
from istiodoctor.report import HostReport, LastChangeKind, Report
from istiodoctor.testing.clusters import cluster
from istiodoctor.testing.words import NOW
from tests.checks.test_credentials import GATEWAY, POD, READER, documents, secret
from tests.diagnosis.rules import finding, gateway, judged, rule

BROKEN = rule(
    "A001", finding(gateway("web"), hosts=["shop.example.com"]), severity=Severity.CRITICAL
)
EVENT = """
apiVersion: v1
kind: Event
metadata: {name: gateway.1, namespace: istio-system}
involvedObject: {apiVersion: v1, kind: Pod, namespace: istio-system, name: gateway}
type: Warning
reason: Unhealthy
message: Readiness probe failed
source: {component: kubelet}
lastTimestamp: "2026-03-01T11:58:00Z"
"""
CHANGED = GATEWAY.replace(
    "namespace: shop}",
    'namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z", managedFields: ['
    '{manager: "argo\\u001b[31mcd", operation: Apply, time: "2026-03-01T11:50:00Z"}]}',
    1,
)
CERT = secret("istio-system").replace(
    "namespace:", 'creationTimestamp: "2026-02-01T00:00:00Z", namespace:'
)
ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop, creationTimestamp: "2026-02-02T00:00:00Z"}
spec:
  hosts: [shop.example.com]
  gateways: [web]
  http: [{route: [{destination: {host: shop}}]}]
"""
FAR = ROUTE.replace("{name: shop,", "{name: far,").replace("[shop.example", "[far.example")


def reported(*texts: str, rules: tuple[Check, ...] = (BROKEN,)) -> Report:
    return judged(*rules, snapshot=cluster(documents(*texts)))


def only_host(report: Report) -> HostReport:
    (host,) = report.hosts
    return host


def test_a_broken_host_tells_what_changed_last_on_its_path_newest_first():
    report = reported(POD, CHANGED, READER, CERT, ROUTE, FAR, EVENT)

    told = [
        (str(each.ref), each.kind, each.by, each.text) for each in only_host(report).last_changes
    ]
    assert told == [
        (
            "Pod istio-system/gateway",
            LastChangeKind.EVENT,
            "kubelet",
            "Unhealthy: Readiness probe failed",
        ),
        ("Gateway shop/web", LastChangeKind.APPLIED, "argo\x1b[31mcd", ""),
        ("VirtualService shop/shop", LastChangeKind.CREATED, "", ""),
        ("Secret istio-system/shop-cert", LastChangeKind.CREATED, "", ""),
    ]


def test_a_host_that_is_well_tells_none():
    report = reported(POD, CHANGED, READER, CERT, ROUTE, EVENT, rules=())

    assert only_host(report).last_changes == ()


def test_where_nothing_is_known_nothing_is_said():
    report = reported(POD, GATEWAY, READER, secret("istio-system"))

    assert only_host(report).last_changes == ()
    assert "Changed last" not in render(report, width=80, color=False)


def test_the_terminal_shows_it_without_what_a_manager_put_into_its_name():
    text = render(reported(POD, CHANGED, READER, CERT), width=80, color=False)

    section = text[text.index("Changed last") :].split("\n\n")[0]
    assert "\x1b" not in section
    assert "10 minutes ago" in section
    assert "applied by argo" in section
    assert "(shop.example.com)" in section


def test_no_host_tells_more_than_five():
    places = [gateway(f"other-{number}") for number in range(8)]
    texts = [
        CHANGED.replace("name: web", f"name: other-{number}").replace("hosts: [shop", "hosts: [no")
        for number in range(8)
    ]
    broken = rule(
        "A001",
        finding(objects=[gateway("web"), *places], hosts=["shop.example.com"]),
        severity=Severity.CRITICAL,
    )

    report = reported(POD, CHANGED, READER, CERT, *texts, rules=(broken,))

    host = next(each for each in report.hosts if each.host == "shop.example.com")
    assert len(host.last_changes) == 5
    assert all(each.at == NOW - timedelta(minutes=10) for each in host.last_changes)
