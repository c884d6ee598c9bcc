"""Services as istiod's registry holds them, made of Services and ServiceEntries.

Source: `ConvertService` (pilot/pkg/serviceregistry/kube/conversion.go:47), `convertServices`
(pilot/pkg/serviceregistry/serviceentry/conversion.go:182).
"""

from collections.abc import Iterator
from enum import StrEnum
from ipaddress import ip_network

from istiodoctor.model.istio import ServiceEntry
from istiodoctor.model.ref import Ref
from istiodoctor.model.services import Service, ServicePort
from istiodoctor.model.value import Value

EXPORT_ANNOTATION = "networking.istio.io/exportTo"
EVERY_NAMESPACE = "*"
OWN_NAMESPACE = "."
NO_NAMESPACE = "~"
HEADLESS = "None"


class Protocol(StrEnum):
    """istiod's word for what a port speaks (pkg/config/protocol/instance.go:78)."""

    GRPC = "GRPC"
    GRPC_WEB = "GRPC-Web"
    HTTP = "HTTP"
    HTTP_PROXY = "HTTP_PROXY"
    HTTP2 = "HTTP2"
    HTTPS = "HTTPS"
    TCP = "TCP"
    TLS = "TLS"
    UDP = "UDP"
    MONGO = "Mongo"
    REDIS = "Redis"
    MYSQL = "MySQL"
    UNSUPPORTED = "UnsupportedProtocol"
    """None that istiod knows: Envoy looks at the first bytes."""


class Resolution(StrEnum):
    """How istiod finds the endpoints of a service (pilot/pkg/model/service.go:196)."""

    CLIENT_SIDE = "client-side"
    """istiod sends the addresses (EDS)."""
    DNS = "dns"
    DNS_ROUND_ROBIN = "dns-round-robin"
    PASSTHROUGH = "passthrough"
    """Headless, or resolution NONE; a gateway is sent addresses all the same (cluster.go:922)."""
    ALIAS = "alias"
    """An ExternalName Service: another name for a host, without a cluster of its own."""
    DYNAMIC_DNS = "dynamic-dns"


class Registry(StrEnum):
    """What a service was made of."""

    KUBERNETES = "kubernetes"
    SERVICE_ENTRY = "service-entry"


class RegistryPort(Value, frozen=True, kw_only=True):
    """A port of a service."""

    number: int
    name: str = ""
    protocol: Protocol = Protocol.UNSUPPORTED


class RegistryService(Value, frozen=True, kw_only=True, eq=False):
    """One service under one hostname."""

    hostname: str
    """The full name; for a ServiceEntry as it is written, wildcards and all."""
    namespace: str
    ports: tuple[RegistryPort, ...]
    resolution: Resolution
    registry: Registry
    external_name: str = ""
    """The host that an ExternalName Service stands for."""
    export_to: frozenset[str] | None = None
    """Namespaces, `.`, `*` or `~`; None for the mesh's default."""
    ref: Ref
    source: Service | ServiceEntry
    age: tuple[str, str, str, str]
    """The order of `SortServicesByCreationTime` (pilot/pkg/model/push_context.go:1759)."""
    rivals: tuple["RegistryService", ...] = ()
    """What may be taken for the hostname in its place: which is older is not known."""
    is_external: bool = False
    """Outside of the mesh: an ExternalName, or location MESH_EXTERNAL."""

    def port(self, number: int) -> RegistryPort | None:
        """Return the port that a cluster is made for (`GetByPort`, model/service.go:1826)."""
        return next((each for each in self.clustered_ports if each.number == number), None)

    @property
    def clustered_ports(self) -> tuple[RegistryPort, ...]:
        """The ports that clusters are made for: not those of UDP (cluster.go:510)."""
        return tuple(each for each in self.ports if each.protocol is not Protocol.UDP)


_PROTOCOLS = {each.value.lower(): each for each in Protocol if each is not Protocol.UNSUPPORTED}
_APPLICATION_PROTOCOLS = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
}
_TCP_BY_NUMBER = frozenset({25, 53, 3306, 27017})
"""Ports whose protocol is never guessed (pkg/config/kube/conversion.go:34)."""

_RESOLUTIONS = {
    "STATIC": Resolution.CLIENT_SIDE,
    "DNS": Resolution.DNS,
    "DNS_ROUND_ROBIN": Resolution.DNS_ROUND_ROBIN,
    "DYNAMIC_DNS": Resolution.DYNAMIC_DNS,
}


def protocol_named(text: str) -> Protocol:
    """Return the protocol of a ServiceEntry's port (`protocol.Parse`)."""
    return _PROTOCOLS.get(text.lower(), Protocol.UNSUPPORTED)


def service_port_protocol(port: ServicePort) -> Protocol:
    """Return the protocol of a Service's port (`ConvertProtocol`, config/kube/conversion.go:47).

    Its `appProtocol` tells it, else its name as far as the first `-`.
    """
    if port.protocol == "UDP":
        return Protocol.UDP
    if port.app_protocol in _APPLICATION_PROTOCOLS:
        return _APPLICATION_PROTOCOLS[port.app_protocol]
    name = (port.app_protocol or port.name).lower()
    if name.startswith(Protocol.GRPC_WEB.lower()):
        return Protocol.GRPC_WEB
    found = protocol_named(name.partition("-")[0])
    if found is Protocol.UNSUPPORTED and port.port in _TCP_BY_NUMBER:
        return Protocol.TCP
    return found


def kubernetes_service(
    service: Service, domain_suffix: str, *, has_aliases: bool = True
) -> RegistryService:
    """Return what istiod makes of a Service.

    Without aliases, as releases before 1.21 are set, an ExternalName is resolved by DNS.
    """
    spec = service.spec
    external = spec.external_name if spec.type == "ExternalName" else ""
    if spec.cluster_ip == HEADLESS:
        resolution = Resolution.PASSTHROUGH
    elif external:
        resolution = Resolution.ALIAS if has_aliases else Resolution.DNS
    else:
        resolution = Resolution.CLIENT_SIDE
    written = service.metadata.annotations.get(EXPORT_ANNOTATION, "")
    return RegistryService(
        hostname=f"{service.name}.{service.namespace}.svc.{domain_suffix}",
        namespace=service.namespace,
        ports=tuple(
            RegistryPort(number=each.port, name=each.name, protocol=service_port_protocol(each))
            for each in spec.ports
        ),
        resolution=resolution,
        registry=Registry.KUBERNETES,
        external_name=external if has_aliases else "",
        export_to=frozenset(map(str.strip, written.split(","))) if written else None,
        ref=service.ref,
        source=service,
        age=(service.age_order[0], service.name, service.namespace, ""),
        is_external=bool(external),
    )


def service_entry_service(entry: ServiceEntry, hostname: str) -> RegistryService:
    """Return what istiod makes of one host of a ServiceEntry."""
    spec = entry.spec
    return RegistryService(
        hostname=hostname,
        namespace=entry.namespace,
        ports=tuple(
            RegistryPort(
                number=each.number, name=each.name, protocol=protocol_named(each.protocol)
            )
            for each in spec.ports
        ),
        resolution=_RESOLUTIONS.get(spec.resolution, Resolution.PASSTHROUGH),
        registry=Registry.SERVICE_ENTRY,
        export_to=frozenset(spec.export_to) or None,
        ref=entry.ref,
        source=entry,
        age=(entry.age_order[0], hostname, entry.namespace, entry.name),
        is_external=spec.location in ("", "MESH_EXTERNAL"),
    )


def hosts_of(entry: ServiceEntry) -> Iterator[str]:
    """Yield the hosts that a ServiceEntry makes services for: none where no address is one."""
    addresses = entry.spec.addresses
    if not addresses or any(map(_is_address, addresses)):
        yield from dict.fromkeys(entry.spec.hosts)


def _is_address(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
