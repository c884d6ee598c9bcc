"""Servers: Istio Gateway servers, Gateway API listeners and Ingresses in one form."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import force_setattr

from istiodoctor.mesh.gateways.credential_references import (
    CredentialReference,
    Purpose,
    parse_credential_name,
)
from istiodoctor.mesh.gateways.listener_faults import FaultyListener
from istiodoctor.mesh.workloads.workloads import REVISION_LABEL
from istiodoctor.model.istio import GatewayServer, IstioGateway, ServerTls, TlsMode
from istiodoctor.model.kubernetes import LabelSelector
from istiodoctor.model.ref import Place, Ref
from istiodoctor.model.value import Value

PLAIN_HTTP = frozenset({"HTTP", "HTTP2", "HTTP_PROXY", "GRPC", "GRPC-WEB"})
TERMINATING = frozenset(
    {TlsMode.SIMPLE, TlsMode.MUTUAL, TlsMode.OPTIONAL_MUTUAL, TlsMode.ISTIO_MUTUAL}
)
WITH_CREDENTIAL = frozenset({TlsMode.SIMPLE, TlsMode.MUTUAL, TlsMode.OPTIONAL_MUTUAL})
WITH_CLIENT_CA = frozenset({TlsMode.MUTUAL, TlsMode.OPTIONAL_MUTUAL})
ANY_NAMESPACE = "*"
LISTENER_FIELDS = {
    "/hosts": "/hostname",
    "/port/number": "/port",
    "/port/name": "/name",
    "/port/protocol": "/protocol",
}
"""How a listener of the Gateway API calls the fields of a server."""


ROUTES_OF_NONE = "~"
"""The namespace of a host to which no route may bind."""


class GatewayApi(StrEnum):
    """Which API a server was written in."""

    ISTIO = "istio"
    GATEWAY_API = "gateway-api"
    INGRESS = "ingress"
    """A Kubernetes Ingress that istiod serves."""


class ServerHost(Value, frozen=True):
    """A host of a server, and the namespace whose routes may bind to it."""

    namespace: str
    """`*` for any namespace."""
    name: str
    """The DNS name or wildcard, lower case: what SNI and Host are compared with."""

    def __str__(self) -> str:
        """Istio's normal form: the prefix only where it restricts."""
        return self.name if self.namespace == ANY_NAMESPACE else f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteNamespaces:
    """From where the routes of a Gateway API listener may come."""

    policy: str
    """`Same`, `All`, `Selector` or `None`."""
    selector: LabelSelector | None = None
    names: frozenset[str] | None = None
    """The namespaces; None for all of them."""
    is_complete: bool = True
    """False where others may be selected too: their labels were not read."""


class Server(Value, frozen=True, kw_only=True, eq=False):
    """One port of a gateway with its hosts and TLS settings."""

    gateway: Ref
    index: int
    path: str
    """JSON Pointer of the server or listener in its object."""
    age_order: tuple[str, str, str]
    port: int
    protocol: str
    """Upper case: HTTP, HTTPS, TLS, TCP, …"""
    port_name: str
    bind: str = ""
    hosts: tuple[ServerHost, ...]
    tls: ServerTls | None = None
    """As written in an Istio Gateway; None for the Gateway API."""
    has_tls: bool = False
    mode: TlsMode | None = None
    """The mode in force; None without TLS."""
    mode_is_explicit: bool = True
    https_redirect: bool = False
    credentials: tuple[CredentialReference, ...] = ()
    api: GatewayApi = GatewayApi.ISTIO
    allowed_routes: RouteNamespaces | None = None
    parent: Ref
    """The object that the pods are found by: the Gateway, also for a ListenerSet's listeners."""
    gateway_name: str
    """`namespace/name` of the Gateway as istiod knows it: what VirtualServices bind to. istiod
    makes a Gateway of its own of each listener of the Gateway API."""
    host_texts: tuple[str, ...] = ()
    """The hosts as istiod compares them, their case kept: `*/` taken off, `./` written out."""
    server_name: str = ""
    """The `name` of a server of an Istio Gateway."""
    section_name: str = ""
    """The name of a listener of the Gateway API: istiod names the ports of all of them alike."""
    hostname: str = ""
    """That of a listener, its case kept; empty for one that takes every host."""
    route_kinds: frozenset[str] = frozenset()
    """The kinds of routes that a listener takes."""
    faulty: FaultyListener | None = None
    """Set where istiod makes no server of a listener, whatever its Secrets hold."""
    selector: frozenset[tuple[str, str]] = frozenset()
    """Of an Ingress: the labels of the pods that istiod serves it by."""
    has_generated_pods: bool = False
    """Whether istiod made the pods of its Gateway: it has no address of type Hostname."""
    revision: str = ""
    """The label `istio.io/rev` of an Istio Gateway: only istiods of that revision read it."""
    unknown_because: str = ""
    """What was not read and could change it."""
    names: tuple[str, ...] = ()
    """The hosts without namespaces, in order, each once: worked out, never given."""
    is_plain_http: bool = False
    """Whether it speaks HTTP without TLS: worked out, never given."""
    is_tls: bool = False
    """Whether clients speak TLS to it (`gateway.IsTLSServer`): worked out, never given."""

    def __post_init__(self) -> None:
        names = dict.fromkeys([host.name for host in self.hosts])
        is_plain = self.protocol in PLAIN_HTTP
        force_setattr(self, "names", tuple(names))  # these are asked for often
        force_setattr(self, "is_plain_http", is_plain)
        force_setattr(self, "is_tls", self.has_tls and not is_plain)

    @property
    def id(self) -> str:
        """A name for this server that findings meet on."""
        return f"{self.gateway.group}/{self.gateway.kind}/{self.gateway.path}#{self.index}"

    @property
    def place(self) -> Place:
        """The server within its object."""
        return Place(self.gateway, self.path)

    def field(self, pointer: str) -> Place:
        """Return a field of this server, named as in an Istio Gateway.

        Other APIs call it something else, or have only the whole to point to.
        """
        if self.api is GatewayApi.INGRESS:
            is_there = self.has_tls and pointer == "/hosts"
            return Place(self.gateway, self.path + (pointer if is_there else ""))
        if self.api is GatewayApi.GATEWAY_API:
            pointer = LISTENER_FIELDS.get(pointer, pointer)
        return Place(self.gateway, self.path + pointer)

    def written_at(self, path: str) -> Place:
        """Return a reference by its path: one for all listeners stands in the Gateway itself."""
        return Place(self.gateway if path.startswith(self.path) else self.parent, path)

    @property
    def namespace(self) -> str:
        """The namespace of the object it is written in."""
        return self.gateway.namespace

    @property
    def config_namespace(self) -> str:
        """The namespace of the Gateway that istiod makes of it."""
        return self.gateway_name.partition("/")[0]

    @property
    def age_is_known(self) -> bool:
        """Whether it is known when it came: istiod takes Ingresses for older than all others."""
        return self.api is GatewayApi.INGRESS or self.age_order[0] != ""

    @property
    def terminates_tls(self) -> bool:
        """Whether Envoy presents a certificate here."""
        return self.is_tls and self.mode in TERMINATING

    @property
    def passes_tls(self) -> bool:
        """Whether its mode passes TLS on unread (`gateway.IsPassThroughServer`)."""
        return self.has_tls and self.mode in (TlsMode.PASSTHROUGH, TlsMode.AUTO_PASSTHROUGH)

    @property
    def is_passthrough(self) -> bool:
        """Whether TLS goes through to the backend, routed by SNI."""
        return self.is_tls and self.mode is TlsMode.PASSTHROUGH

    @property
    def routes_http(self) -> bool:
        """Whether HTTP routes apply: plain HTTP, or HTTPS that ends here."""
        return self.is_plain_http or (self.protocol == "HTTPS" and self.terminates_tls)

    def __str__(self) -> str:
        """`Gateway shop/web server 443 (https)`."""
        if self.api is GatewayApi.INGRESS:
            return f"{self.gateway} port {self.port}"
        kind = "listener" if self.api is GatewayApi.GATEWAY_API else "server"
        name = self.section_name or self.port_name
        named = f" ({name})" if name else ""
        return f"{self.gateway} {kind} {self.port}{named}"


def istio_servers(gateway: IstioGateway) -> Iterator[Server]:
    """Yield the servers of an Istio Gateway, as istiod understands them."""
    ref, age_order = gateway.ref, gateway.age_order
    gateway_name = f"{ref.namespace}/{ref.name}"
    revision = gateway.metadata.labels.get(REVISION_LABEL, "")
    for index, server in enumerate(gateway.spec.servers):
        path = f"/spec/servers/{index}"
        tls = server.tls
        yield Server(
            gateway=ref,
            parent=ref,
            gateway_name=gateway_name,
            revision=revision,
            host_texts=sanitized_hosts(server.hosts, ref.namespace),
            server_name=server.name,
            index=index,
            path=path,
            age_order=age_order,
            port=server.port.number,
            protocol=server.port.protocol.upper(),
            port_name=server.port.name,
            bind=server.bind,
            hosts=tuple(_server_hosts(server.hosts, ref.namespace)),
            tls=tls,
            has_tls=tls is not None,
            mode=(tls.mode or TlsMode.PASSTHROUGH) if tls else None,
            mode_is_explicit=bool(tls and tls.mode),
            https_redirect=bool(tls and tls.https_redirect),
            credentials=tuple(_references(server, path + "/tls")) if tls else (),
        )


def sanitized_hosts(hosts: tuple[str, ...], namespace: str) -> tuple[str, ...]:
    """Return the hosts of a server as istiod compares them (model/gateway.go:672-695).

    `*/*` replaces all of them. istiod panics where another host with a namespace comes after it.
    """
    for host in hosts:
        if "/" in host:
            break
    else:
        return hosts
    found = list(hosts)
    for index, text in enumerate(hosts):
        where, separator, name = text.partition("/")
        if not separator:
            continue
        name = name.partition("/")[0]
        if where == ".":
            found[index] = f"{namespace}/{name}"
        elif where == ANY_NAMESPACE:
            if name == ANY_NAMESPACE:
                return (ANY_NAMESPACE,)
            found[index] = name
    return tuple(found)


def _server_hosts(hosts: Iterable[str], own: str) -> Iterator[ServerHost]:
    for written in hosts:
        namespace, separator, name = written.rpartition("/")
        if not separator:
            namespace = ANY_NAMESPACE
        elif namespace == ".":
            namespace = own
        elif namespace == "~":
            continue
        yield ServerHost(namespace, name.lower())


def _references(server: GatewayServer, path: str) -> Iterator[CredentialReference]:
    """Yield what a server asks of SDS (pilot/pkg/security/model/authentication.go)."""
    tls = server.tls
    if tls is None or (tls.mode or TlsMode.PASSTHROUGH) not in WITH_CREDENTIAL:
        return
    names = (
        [(tls.credential_name, f"{path}/credentialName")]
        if tls.credential_name
        else [(name, f"{path}/credentialNames/{i}") for i, name in enumerate(tls.credential_names)]
    )
    for text, pointer in names:
        yield credential_reference(text, pointer, Purpose.SERVER)
    if tls.mode not in WITH_CLIENT_CA:
        return
    if tls.ca_cert_credential_name:
        pointer = f"{path}/caCertCredentialName"
        yield credential_reference(tls.ca_cert_credential_name, pointer, Purpose.CLIENT_CA)
    elif names:
        yield credential_reference(*names[0], Purpose.CLIENT_CA)


def credential_reference(text: str, path: str, purpose: Purpose) -> CredentialReference:
    """Return what a `credentialName` asks SDS for."""
    form, namespace, name = parse_credential_name(text)
    return CredentialReference(
        text=text, form=form, namespace=namespace, name=name, purpose=purpose, path=path
    )
