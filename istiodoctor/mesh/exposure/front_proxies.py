"""Load balancers and proxies in front of a gateway that end TLS or redirect."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.service_ports import services_of, target_port
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ingress import Ingress, IngressServicePort
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor.model.services import Service, ServicePort

TLS_PORT_ANNOTATIONS = (
    (
        "service.beta.kubernetes.io/aws-load-balancer-ssl-cert",
        "service.beta.kubernetes.io/aws-load-balancer-ssl-ports",
    ),
    (
        "service.beta.kubernetes.io/do-loadbalancer-certificate-id",
        "service.beta.kubernetes.io/do-loadbalancer-tls-ports",
    ),
    (
        "service.beta.kubernetes.io/oci-load-balancer-tls-secret",
        "service.beta.kubernetes.io/oci-load-balancer-ssl-ports",
    ),
    ("service.beta.kubernetes.io/linode-loadbalancer-port-443", ""),
    ("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-cert-id", ""),
    ("load-balancer.hetzner.cloud/http-certificates", ""),
    ("service.beta.kubernetes.io/scw-loadbalancer-certificate-ids", ""),
)
"""Annotations that make a cloud load balancer end TLS, and those that name the ports; none named
means 443."""
BACKEND_PROTOCOL = "service.beta.kubernetes.io/aws-load-balancer-backend-protocol"
ENCRYPTED_BACKENDS = frozenset({"https", "ssl", "tls"})
ENCRYPTING = (
    "service.beta.kubernetes.io/oci-load-balancer-tls-backendset-secret",
    "service.beta.kubernetes.io/scw-loadbalancer-ssl-bridge",
)
"""Annotations by which load balancers of other clouds encrypt again."""
PLAIN_PORT = '"tcp"'
"""In the settings of one of Linode's ports: TLS passes it."""
AWS_TYPE = "service.beta.kubernetes.io/aws-load-balancer-type"
HTTP_LISTENERS = (
    (BACKEND_PROTOCOL, "http", (AWS_TYPE,)),
    (
        "service.beta.kubernetes.io/do-loadbalancer-protocol",
        "http",
        ("service.beta.kubernetes.io/do-loadbalancer-tls-passthrough",),
    ),
    ("loadbalancer.openstack.org/x-forwarded-for", "true", ()),
)
"""Annotations with the value that makes every port of a load balancer one of HTTP, and those that
keep them from it.

`buildListener` (kubernetes/cloud-provider-aws, pkg/providers/v1/aws.go), which makes Classic Load
Balancers only; docs/controllers/services/annotations.md (digitalocean/digitalocean-cloud-
controller-manager); docs/openstack-cloud-controller-manager/expose-applications-using-loadbalancer
-type-service.md (kubernetes/cloud-provider-openstack). A certificate makes it one of HTTPS.
"""
BACKEND_PROTOCOL_ANNOTATIONS = (
    "alb.ingress.kubernetes.io/backend-protocol",
    "nginx.ingress.kubernetes.io/backend-protocol",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A load balancer or proxy before the gateway that ends TLS or redirects for some hosts."""

    text: str
    """What it is and how it is known: a clause for a message."""
    place: Place | None = None
    hosts: tuple[str, ...] = ("*",)
    terminates_tls: bool = False
    """Whether it ends TLS and goes on in plain HTTP."""
    redirects_to_https: bool = False
    plain_port: int | None = None
    """The port in the pod that gets the decrypted traffic; None when not known."""
    sends_x_forwarded_proto: str = ""
    """Empty when it sends none, or when that is not known."""


@question(Kind.INGRESS)
def ingresses_by_service(mesh: Mesh) -> Mapping[tuple[str, str], tuple[Ingress, ...]]:
    """Return the Ingresses that send requests to each Service."""
    found: dict[tuple[str, str], dict[str, Ingress]] = defaultdict(dict)
    for ingress in mesh.all(Ingress):
        for name in _backends(ingress):
            found[ingress.namespace, name][ingress.name] = ingress
    return {key: tuple(each.values()) for key, each in found.items()}


@question
def fronts(mesh: Mesh, workload: Workload) -> tuple[Front, ...]:
    """Return the load balancers and proxies before a workload, from user facts and annotations.

    Ingresses.
    """
    found = [
        Front(
            text="a front proxy that the configuration names",
            hosts=proxy.hosts,
            # Whether it sends an SNI is a question only for one that speaks TLS again.
            terminates_tls=proxy.terminates_tls and proxy.sends_sni is None,
            sends_x_forwarded_proto=proxy.sends_x_forwarded_proto,
        )
        for proxy in mesh.facts.front_proxies
    ]
    for service in services_of(mesh, workload):
        found += _annotated(service, workload)
        for ingress in ingresses_by_service(mesh).get((service.namespace, service.name), ()):
            found += _ingress_fronts(ingress, service, workload)
    return tuple(found)


def encrypting_annotation(service: Service, port: ServicePort) -> str:
    """Return the annotation by which an AWS load balancer ends TLS and begins it anew.

    It is empty where a port is passed on as it is, or in plain text.
    """
    annotations = service.metadata.annotations
    certificate, ports = TLS_PORT_ANNOTATIONS[0]
    if annotations.get(BACKEND_PROTOCOL, "").lower() not in ENCRYPTED_BACKENDS:
        return ""
    is_ended = annotations.get(certificate) and _is_among(port, annotations.get(ports, ""))
    return BACKEND_PROTOCOL if is_ended and service.spec.type == "LoadBalancer" else ""


def _is_among(port: ServicePort, written: str) -> bool:
    """Whether an annotation names a port; one that is not written names 443."""
    wanted = {each.strip() for each in (written or "443").split(",")}
    return "*" in wanted or str(port.port) in wanted or port.name in wanted


def http_listener(service: Service) -> str:
    """Return the annotation by which a load balancer takes HTTP alone; empty where none does."""
    annotations, spec = service.metadata.annotations, service.spec
    if spec.type != "LoadBalancer" or spec.load_balancer_class:
        return ""
    if any(annotations.get(certificate) for certificate, _ in TLS_PORT_ANNOTATIONS):
        return ""
    for annotation, value, others in HTTP_LISTENERS:
        is_http = annotations.get(annotation, "").lower() == value
        if is_http and not any(annotations.get(each) for each in others):
            return annotation
    return ""


@question
def _fronts_by_host(mesh: Mesh, workload: Workload) -> HostIndex[tuple[int, Front]]:
    return HostIndex(
        (pattern, (number, front))
        for number, front in enumerate(fronts(mesh, workload))
        for pattern in front.hosts
    )


@question
def fronts_for(mesh: Mesh, workload: Workload, host: str) -> tuple[Front, ...]:
    """Return the load balancers and proxies before a gateway for one host."""
    found = dict(_fronts_by_host(mesh, workload).meeting(host))
    return tuple(found[number] for number in sorted(found))


def _annotated(service: Service, workload: Workload) -> Iterator[Front]:
    """Yield a front for each port at which an annotated load balancer ends TLS."""
    annotations = service.metadata.annotations
    backend = annotations.get(BACKEND_PROTOCOL, "").lower()
    if backend in ENCRYPTED_BACKENDS or any(annotations.get(each) for each in ENCRYPTING):
        return
    # A load balancer that speaks TCP to its backends adds no headers.
    forwarded = "https" if backend == "http" else ""
    for certificate, ports in TLS_PORT_ANNOTATIONS:
        if not annotations.get(certificate) or PLAIN_PORT in annotations[certificate]:
            continue
        written = annotations.get(ports, "") if ports else ""
        for port in service.spec.ports:
            if _is_among(port, written):
                key = certificate.replace("~", "~0").replace("/", "~1")
                yield Front(
                    text=f"the load balancer of {service.ref}, which ends TLS ({certificate})",
                    place=service.at(f"/metadata/annotations/{key}"),
                    terminates_tls=True,
                    plain_port=target_port(port, workload),
                    sends_x_forwarded_proto=forwarded,
                )


def _ingress_fronts(ingress: Ingress, service: Service, workload: Workload) -> Iterator[Front]:
    annotations = ingress.metadata.annotations
    encrypted = any(
        annotations.get(key, "").lower() in ("https", "grpcs")
        for key in BACKEND_PROTOCOL_ANNOTATIONS
    )
    is_alb = any(key.startswith("alb.ingress.kubernetes.io/") for key in annotations)
    alb_tls = is_alb and (
        "HTTPS" in annotations.get("alb.ingress.kubernetes.io/listen-ports", "")
        or "alb.ingress.kubernetes.io/certificate-arn" in annotations
    )
    redirects = "alb.ingress.kubernetes.io/ssl-redirect" in annotations or (
        bool(ingress.spec.tls)
        and annotations.get("nginx.ingress.kubernetes.io/ssl-redirect", "true") == "true"
        and ingress.spec.ingress_class_name == "nginx"
    )
    tls_hosts = tuple(host for tls in ingress.spec.tls for host in tls.hosts or ("*",))
    hosts = tuple(rule.host or "*" for rule in ingress.spec.rules) or ("*",)
    if not (alb_tls or tls_hosts or redirects):
        return
    yield Front(
        text=f"{ingress.ref}, which ends TLS before {service.ref}",
        place=ingress.at("/spec"),
        hosts=hosts if alb_tls else tls_hosts or hosts,
        terminates_tls=bool(alb_tls or tls_hosts) and not encrypted,
        redirects_to_https=redirects,
        plain_port=_backend_port(ingress, service, workload),
        sends_x_forwarded_proto="https",
    )


def _backends(ingress: Ingress) -> Iterator[str]:
    default = ingress.spec.default_backend
    if default and default.service:
        yield default.service.name
    for rule in ingress.spec.rules:
        for path in rule.http.paths:
            if path.backend.service:
                yield path.backend.service.name


def _backend_port(ingress: Ingress, service: Service, workload: Workload) -> int | None:
    for rule in ingress.spec.rules:
        for path in rule.http.paths:
            backend = path.backend.service
            if backend and backend.name == service.name:
                port = next((p for p in service.spec.ports if _is_port(p, backend.port)), None)
                return target_port(port, workload) if port else None
    return None


def _is_port(port: ServicePort, wanted: IngressServicePort) -> bool:
    return port.port == wanted.number or bool(wanted.name and port.name == wanted.name)
