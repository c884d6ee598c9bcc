"""Outages as they happen, in whole clusters: the report names first what broke them."""

import pytest

from tests.support.objects import (
    GATEWAY_API,
    ISTIO,
    Manifest,
    gateway,
    https,
    made,
    route,
    server,
    virtual_service,
)
from tests.support.scans import backend, certificate, control_plane, ingress, scanned

WEB = "web.example.com"
PLAIN = server(80, "HTTP", WEB, tls={"httpsRedirect": True})
GATEWAY = gateway("web", "web", PLAIN, https(WEB, credential="web-cert"))
ROUTES = virtual_service("web", "web", WEB, gateways=["web"], http=[route("web")])
CERTIFICATE = certificate(WEB, "web-cert")
ISSUER = made(
    "cert-manager.io/v1",
    "ClusterIssuer",
    "acme",
    "",
    spec={"acme": {"server": "https://acme.example.net", "solvers": [{"dns01": {"route53": {}}}]}},
    status={"conditions": [{"type": "Ready", "status": "True"}]},
)
AWS = "service.beta.kubernetes.io/aws-load-balancer"


def cluster(*more: Manifest, edge: tuple[Manifest, ...] | None = None) -> tuple[Manifest, ...]:
    """Return a cluster with a gateway and one application, and what is said beside it."""
    return (*control_plane(), *(edge or ingress()), *backend("web", "web"), *more)


def issued(namespace: str, secret: str) -> Manifest:
    issuer = {"name": "acme", "kind": "ClusterIssuer"}
    spec = {"secretName": secret, "dnsNames": [WEB], "issuerRef": issuer}
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    return made("cert-manager.io/v1", "Certificate", "web", namespace, spec=spec, status=status)


def first(report) -> tuple[str, str]:
    """Return the code of the problem that is ranked first, and the object to change."""
    cause = report.problems[0].cause
    return cause.code, str(cause.subject)


INCIDENTS: dict[str, tuple[tuple[Manifest, ...], tuple[str, str]]] = {
    "the certificate is issued beside the application": (
        cluster(
            GATEWAY, ROUTES, ISSUER, issued("web", "web-cert"), certificate(WEB, "web-cert", "web")
        ),
        ("CM001", "Certificate web/web"),
    ),
    "the Gateway copied the selector of another chart": (
        cluster(
            GATEWAY,
            ROUTES,
            certificate(WEB, "web-cert", "edge"),
            edge=ingress("edge", "edge", labels={"istio": "edge"}),
        ),
        ("GW001", "Gateway web/web"),
    ),
    "a home-made gateway runs without a Role": (
        cluster(GATEWAY, ROUTES, CERTIFICATE, edge=ingress(has_role=False)),
        ("CRED011", "ServiceAccount istio-system/ingress"),
    ),
    "the Service selects labels that the pods lost": (
        cluster(
            GATEWAY,
            ROUTES,
            CERTIFICATE,
            edge=ingress(selector={"istio": "ingressgateway", "app": "old"}),
        ),
        ("SVC001", "Service istio-system/ingress"),
    ),
    "the Service was reduced to port 80": (
        cluster(GATEWAY, ROUTES, CERTIFICATE, edge=ingress(ports=((80, 8080),))),
        ("SVC002", "Service istio-system/ingress"),
    ),
    "the Service sends 443 to a port that the pods may not open": (
        cluster(GATEWAY, ROUTES, CERTIFICATE, edge=ingress(ports=((80, 8080), (443, 443)))),
        ("GW013", "Service istio-system/ingress"),
    ),
    "the load balancer ends TLS and goes on to the redirect": (
        cluster(
            gateway("web", "web", PLAIN),
            ROUTES,
            edge=ingress(
                annotations={f"{AWS}-ssl-cert": "arn:aws", f"{AWS}-ssl-ports": "443"},
                ports=((80, 8080), (443, 8080)),
            ),
        ),
        ("HTTP003", "Gateway web/web"),
    ),
    "an older Gateway holds the host": (
        cluster(
            {
                **GATEWAY,
                "metadata": {**GATEWAY["metadata"], "creationTimestamp": "2026-02-01T00:00:00Z"},
            },
            gateway("old", "old", https(WEB, credential="old-cert"), created="2025-02-01"),
            certificate(WEB, "old-cert"),
            CERTIFICATE,
            ROUTES,
        ),
        ("GW002", "Gateway web/web"),
    ),
    "a narrower Gateway takes the host from its routes": (
        cluster(
            gateway("all", "istio-system", https("*.example.com", credential="wildcard")),
            gateway("web", "istio-system", https(WEB, credential="web-cert")),
            certificate("*.example.com", "wildcard"),
            CERTIFICATE,
            virtual_service("web", "web", WEB, gateways=["istio-system/all"], http=[route("web")]),
        ),
        ("VS014", "VirtualService web/web"),
    ),
    "two namespaces ask for one host": (
        cluster(
            gateway("web", "web", https(f"web/{WEB}", credential="web-cert")),
            gateway("other", "other", https(f"other/{WEB}", credential="web-cert")),
            CERTIFICATE,
            ROUTES,
        ),
        ("GW020", "Gateway web/web"),
    ),
    "tls routes are bound to a Gateway that ends TLS": (
        cluster(
            GATEWAY,
            CERTIFICATE,
            virtual_service(
                "web",
                "web",
                WEB,
                gateways=["web"],
                tls=[{"match": [{"sniHosts": [WEB]}], "route": route("web")["route"]}],
            ),
        ),
        ("VS005", "VirtualService web/web"),
    ),
    "a renewed certificate came without its key": (
        cluster(
            GATEWAY, ROUTES, certificate(WEB, "web-cert", **{"tls.key": "key of old.example.com"})
        ),
        ("CERT008", "Secret istio-system/web-cert"),
    ),
    "an HTTPRoute redirects on both listeners": (
        cluster(
            certificate(WEB, "web-cert"),
            made(
                GATEWAY_API,
                "Gateway",
                "web",
                "istio-system",
                spec={
                    "gatewayClassName": "istio",
                    "addresses": [
                        {"type": "Hostname", "value": "ingress.istio-system.svc.cluster.local"}
                    ],
                    "listeners": [
                        {"name": "http", "port": 80, "protocol": "HTTP"},
                        {
                            "name": "https",
                            "port": 443,
                            "protocol": "HTTPS",
                            "tls": {"certificateRefs": [{"name": "web-cert"}]},
                        },
                    ],
                },
            ),
            made(
                GATEWAY_API,
                "HTTPRoute",
                "web",
                "istio-system",
                spec={
                    "parentRefs": [{"name": "web"}],
                    "hostnames": [WEB],
                    "rules": [
                        {
                            "filters": [
                                {"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}
                            ]
                        }
                    ],
                },
            ),
        ),
        ("GWAPI005", "HTTPRoute istio-system/web"),
    ),
    "a mesh-wide rule disables TLS that the application demands": (
        cluster(
            GATEWAY,
            ROUTES,
            CERTIFICATE,
            made(
                ISTIO,
                "DestinationRule",
                "web",
                "web",
                spec={"host": "web", "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
            ),
            made(
                "security.istio.io/v1",
                "PeerAuthentication",
                "default",
                "istio-system",
                spec={"mtls": {"mode": "STRICT"}},
            ),
        ),
        ("DR003", "DestinationRule web/web"),
    ),
}


@pytest.mark.parametrize("incident", INCIDENTS)
def test_what_broke_the_cluster_is_named_first(incident, tmp_path):
    objects, expected = INCIDENTS[incident]

    assert first(scanned(tmp_path, *objects)) == expected


@pytest.mark.parametrize(
    "incident",
    [
        "the Service selects labels that the pods lost",
        "the Service was reduced to port 80",
        "two namespaces ask for one host",
        "tls routes are bound to a Gateway that ends TLS",
    ],
)
def test_what_follows_from_the_cause_is_no_second_problem(incident, tmp_path):
    objects, (code, _) = INCIDENTS[incident]
    report = scanned(tmp_path, *objects)

    severe = [each.cause.code for each in report.problems if str(each.severity) != "low"]

    assert severe == [code]


def test_the_log_of_a_rejected_secret_outranks_a_secret_that_looks_right(tmp_path):
    line = (
        "2026-03-01T11:50:00.000000Z\twarning\tenvoy config\tgRPC config for"
        " type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret rejected:"
        " Failed to load certificate chain from <inline>\n"
    )
    logs = {"istio-system/ingress-pod/istio-proxy": line}

    report = scanned(tmp_path, *cluster(GATEWAY, ROUTES, CERTIFICATE), logs=logs)

    assert report.problems[0].cause.code == "SDS003"


def test_a_port_that_is_added_leads_to_one_that_the_pods_may_open(tmp_path):
    objects, _ = INCIDENTS["the Service was reduced to port 80"]
    (fix,) = scanned(tmp_path, *objects).problems[0].cause.fixes

    assert [each.body for each in fix.fix.patches] == [
        [
            {
                "op": "add",
                "path": "/spec/ports/-",
                "value": {"name": "https", "port": 443, "targetPort": 8443},
            }
        ]
    ]
