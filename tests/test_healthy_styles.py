"""Set-ups that people run and that work: nothing in them is worth a medium finding."""

import json
from pathlib import Path

import pytest

from istiodoctor.finding import Severity
from istiodoctor.report import Outcome, Report
from tests.support.objects import (
    GATEWAY_API,
    ISTIO,
    Manifest,
    gateway,
    https,
    made,
    route,
    server,
    service,
    virtual_service,
)
from tests.support.scans import (
    backend,
    certificate,
    control_plane,
    ingress,
    scanned,
    scanned_folder,
)

WEB = "web.example.com"
REDIRECT = {"httpsRedirect": True}
AWS = "service.beta.kubernetes.io/aws-load-balancer"
WORTH_IT = {Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM}
NETWORKING = "networking.k8s.io/v1"


def alarms(report: Report) -> list[str]:
    """Return what a healthy cluster must not be told, and checks that broke over it."""
    broken = [each.code for each in report.checks if each.outcome is Outcome.ERRORED]
    return broken + [
        f"{each.cause.code} {each.severity}: {each.cause.message}"
        for each in report.problems
        if each.severity in WORTH_IT
    ]


def redirecting(*hosts: str) -> Manifest:
    return server(80, "HTTP", *hosts, tls=REDIRECT)


def routed(host: str = WEB, to: str = "web", gateways: tuple[str, ...] = ("web",)) -> Manifest:
    return virtual_service(to, "web", host, gateways=list(gateways), http=[route(to)])


def one_gateway_for_all() -> tuple[Manifest, ...]:
    """The EndpointSlice of one Service was not saved with the others; its pod is ready."""
    hosts = ("*.example.com", "example.com")
    return (
        *control_plane(),
        *ingress(),
        certificate("*.example.com, example.com", "wildcard"),
        gateway("all", "istio-system", redirecting("*"), https(*hosts, credential="wildcard")),
        routed("shop.example.com", "shop", ("istio-system/all",)),
        routed("blog.example.com", "blog", ("istio-system/all", "mesh")),
        virtual_service("inside", "web", "blog", http=[route("blog")]),
        *backend("shop", "web"),
        *backend("blog", "web")[:2],
    )


def one_gateway_per_team() -> tuple[Manifest, ...]:
    teams = [
        (
            certificate(f"{team}.example.com", f"{team}-cert"),
            gateway(
                "web",
                team,
                redirecting(f"{team}.example.com"),
                https(f"{team}.example.com", credential=f"{team}-cert"),
            ),
            virtual_service(
                "web", team, f"{team}.example.com", gateways=["web"], http=[route("app")]
            ),
            *backend("app", team),
        )
        for team in ("red", "blue")
    ]
    return (*control_plane(), *ingress(), *(each for team in teams for each in team))


def load_balancer_ends_tls() -> tuple[Manifest, ...]:
    """One listener redirects, the load balancer sends what it decrypted to another."""
    annotations = {f"{AWS}-ssl-cert": "arn:aws:acm:certificate", f"{AWS}-ssl-ports": "443"}
    return (
        *control_plane(),
        *ingress(annotations=annotations, ports=((80, 8080), (443, 8081))),
        gateway("web", "web", redirecting(WEB), server(443, "HTTP", WEB)),
        routed(),
        *backend("web", "web"),
    )


def knative() -> tuple[Manifest, ...]:
    """A second Service turns port 80 into the port of another listener."""
    everything = server(80, "HTTP", "*")
    local = server(8081, "HTTP", "*")
    port = {"name": "http2", "port": 80, "targetPort": 8081}
    gateways = ["knative-serving/public", "knative-serving/local"]
    return (
        *control_plane(),
        *ingress(),
        service("knative-local-gateway", "istio-system", port),
        gateway("public", "knative-serving", everything),
        gateway("local", "knative-serving", local),
        virtual_service("web", "web", WEB, gateways=gateways, http=[route("web")]),
        *backend("web", "web"),
    )


def https_alone(*, unprivileged: bool = True) -> tuple[Manifest, ...]:
    """The redirect is copied along, and the Service has no port 80 on purpose."""
    return (
        *control_plane(),
        *ingress(ports=((443, 8443),), unprivileged=unprivileged),
        certificate(WEB, "web-cert"),
        gateway("web", "web", redirecting(WEB), https(WEB, credential="web-cert")),
        routed(),
        *backend("web", "web"),
    )


def https_alone_by_root() -> tuple[Manifest, ...]:
    return https_alone(unprivileged=False)


def egress() -> tuple[Manifest, ...]:
    """Rules for the mesh lead to the egress gateway, those for it lead out."""
    outside = "partner.example.net"
    host = "egress.istio-system.svc.cluster.local"
    mutual = {"mode": "ISTIO_MUTUAL", "sni": outside}
    ports = [{"number": 443, "name": "https", "protocol": "HTTPS"}]
    port = {"number": 443}
    inner = route(host, subset="partner", port=port) | {"match": [{"gateways": ["mesh"]}]}
    outer = route(outside, port=port) | {"match": [{"gateways": ["out"], "port": 443}]}
    # Without a resolution the gateway would have no address to send requests to.
    entry = {"hosts": [outside], "ports": ports, "resolution": "DNS"}
    return (
        *control_plane(),
        *ingress("egress", labels={"istio": "egressgateway"}, type="ClusterIP"),
        made(ISTIO, "ServiceEntry", "out", "web", spec=entry),
        gateway(
            "out",
            "web",
            server(443, "HTTPS", outside, tls={"mode": "ISTIO_MUTUAL"}),
            selector={"istio": "egressgateway"},
        ),
        virtual_service("out", "web", outside, gateways=["mesh", "out"], http=[inner, outer]),
        rule("inner", host, subsets=[{"name": "partner", "trafficPolicy": {"tls": mutual}}]),
        rule("outer", outside, trafficPolicy={"tls": {"mode": "SIMPLE"}}),
    )


def rule(name: str, host: str, **spec: object) -> Manifest:
    return made(ISTIO, "DestinationRule", name, "web", spec={"host": host, **spec})


def east_west() -> tuple[Manifest, ...]:
    labels = {"istio": "eastwestgateway"}
    tls = {"mode": "AUTO_PASSTHROUGH"}
    return (
        *control_plane(),
        *ingress("east-west", labels=labels, ports=((15021, 15021), (15443, 15443))),
        gateway(
            "cross-network",
            "istio-system",
            server(15443, "TLS", "*.local", tls=tls),
            selector=labels,
        ),
    )


def passthrough_beside_mutual() -> tuple[Manifest, ...]:
    """The backend has its own certificate; the client CA has its own Secret."""
    destination = {"destination": {"host": "login", "port": {"number": 443}}}
    tls = [{"match": [{"sniHosts": ["login.example.org"]}], "route": [destination]}]
    authority = {"ca.crt": "authority Clients"}
    return (
        *control_plane(),
        *ingress(),
        certificate(WEB, "web-cert"),
        made("v1", "Secret", "web-cert-cacert", "istio-system", stringData=authority),
        gateway("web", "web", redirecting(WEB), https(WEB, credential="web-cert", mode="MUTUAL")),
        gateway(
            "login", "web", server(443, "TLS", "login.example.org", tls={"mode": "PASSTHROUGH"})
        ),
        routed(),
        virtual_service("login", "web", "login.example.org", gateways=["login"], tls=tls),
        *backend("web", "web"),
        *backend("login", "web", port=443, port_name="https"),
    )


def canary_at_rest() -> tuple[Manifest, ...]:
    """Between roll-outs the canary has weight 0 and no pods."""
    weights = [
        {"destination": {"host": "web"}, "weight": 100},
        {"destination": {"host": "web-canary"}, "weight": 0},
    ]
    return (
        *control_plane(),
        *ingress(),
        certificate(WEB, "web-cert"),
        gateway("web", "web", redirecting(WEB), https(WEB, credential="web-cert")),
        virtual_service("web", "web", WEB, gateways=["web"], http=[{"route": weights}]),
        *backend("web", "web"),
        service("web-canary", "web", 80, selector={"app": "web-canary"}),
    )


def application_load_balancer() -> tuple[Manifest, ...]:
    """An Ingress before the gateway ends TLS and redirects by itself."""
    backend_service = {"service": {"name": "ingress", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend_service}
    spec = {"ingressClassName": "alb", "rules": [{"http": {"paths": [path]}}]}
    annotations = {
        "alb.ingress.kubernetes.io/listen-ports": '[{"HTTP":80},{"HTTPS":443}]',
        "alb.ingress.kubernetes.io/certificate-arn": "arn:aws:acm:certificate",
        "alb.ingress.kubernetes.io/ssl-redirect": "443",
    }
    return (
        *control_plane(),
        *ingress(type="NodePort"),
        made(NETWORKING, "Ingress", "alb", "istio-system", spec=spec, annotations=annotations),
        gateway("web", "web", server(80, "HTTP", "*")),
        routed(),
        *backend("web", "web"),
    )


def gateway_api() -> tuple[Manifest, ...]:
    """An automated deployment, a redirect on one listener, the application on the other."""
    name = "gateway.networking.k8s.io/gateway-name"
    everywhere = {"namespaces": {"from": "All"}}
    plain = {"name": "http", "port": 80, "protocol": "HTTP"}
    tls = {
        "name": "https",
        "port": 443,
        "protocol": "HTTPS",
        "hostname": WEB,
        "tls": {"certificateRefs": [{"name": "web-cert"}]},
        "allowedRoutes": everywhere,
    }
    filters = [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]
    spec = {"gatewayClassName": "istio", "listeners": [plain, tls]}
    return (
        *control_plane(),
        *ingress(
            "edge-istio",
            "edge",
            labels={name: "edge"},
            ports=((80, 80), (443, 443)),
            has_role=False,
            unprivileged=False,
        ),
        certificate(WEB, "web-cert", "edge"),
        made(GATEWAY_API, "Gateway", "edge", "edge", spec=spec),
        http_route("redirect", "edge", "http", rules=[{"filters": filters}]),
        http_route("web", "web", "https", rules=[{"backendRefs": [{"name": "web", "port": 80}]}]),
        *backend("web", "web"),
    )


def http_route(name: str, namespace: str, section: str, **spec: object) -> Manifest:
    parent = {"name": "edge", "namespace": "edge", "sectionName": section}
    return made(
        GATEWAY_API,
        "HTTPRoute",
        name,
        namespace,
        spec={"parentRefs": [parent], "hostnames": [WEB], **spec},
    )


@pytest.mark.parametrize(
    "style",
    [
        one_gateway_for_all,
        one_gateway_per_team,
        load_balancer_ends_tls,
        application_load_balancer,
        knative,
        https_alone,
        https_alone_by_root,
        egress,
        east_west,
        passthrough_beside_mutual,
        canary_at_rest,
        gateway_api,
    ],
)
@pytest.mark.parametrize("whole_cluster", [True, False], ids=["cluster", "manifests"])
def test_a_style_that_works_raises_no_alarm(style, whole_cluster, tmp_path):
    assert alarms(scanned(tmp_path, *style(), whole_cluster=whole_cluster)) == []


def stored(path: Path, *objects: Manifest) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"kind": "List", "items": list(objects)}))


def test_a_repository_without_secrets_and_pods_raises_no_alarm(tmp_path):
    sealed = made("bitnami.com/v1alpha1", "SealedSecret", "api-cert", "istio-system", spec={})
    stored(
        tmp_path / "apps.json",
        gateway("web", "web", redirecting(WEB), https(WEB, credential="web-cert")),
        gateway("api", "web", https("api.example.com", credential="api-cert")),
        routed(),
        routed("api.example.com", "api", ("elsewhere/public",)),
        sealed,
    )

    assert alarms(scanned_folder(tmp_path)) == []


def test_bases_patches_and_overlays_raise_no_alarm(tmp_path):
    base = gateway("web", "", redirecting(WEB), https(WEB, credential="web-cert"))
    patch = made(
        ISTIO,
        "Gateway",
        "web",
        "",
        spec={"servers": [{"hosts": ["web.example.org"], "tls": {"credentialName": "prod"}}]},
    )
    stored(tmp_path / "base/gateway.json", base)
    stored(tmp_path / "base/routes.json", routed(gateways=("web",)))
    stored(tmp_path / "prod/gateway.json", patch)
    (tmp_path / "prod/kustomization.yaml").write_text(
        "resources: [../base/gateway.json, ../base/routes.json]\n"
        "patches: [{path: gateway.json}]\nnamespace: web\n"
    )

    report = scanned_folder(tmp_path)

    assert (alarms(report), [str(each.gateway) for each in report.hosts]) == (
        [],
        ["Gateway web/web"],
    )


def test_a_gateway_without_a_namespace_may_be_the_one_that_is_named(tmp_path):
    stored(
        tmp_path / "web.json",
        gateway("web", "", redirecting(WEB), https(WEB, credential="web-cert")),
        routed(gateways=("web",)),
    )

    assert alarms(scanned_folder(tmp_path)) == []
