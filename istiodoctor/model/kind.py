"""The kinds of things a scan can read, each with its API group."""

from dataclasses import dataclass
from enum import Enum

CORE = ""
APPS = "apps"
RBAC = "rbac.authorization.k8s.io"
ISTIO_NETWORKING = "networking.istio.io"
ISTIO_SECURITY = "security.istio.io"
ISTIO_EXTENSIONS = "extensions.istio.io"
CERT_MANAGER = "cert-manager.io"
ACME = "acme.cert-manager.io"
GATEWAY_API = "gateway.networking.k8s.io"
GATEWAY_API_EXPERIMENTAL = "gateway.networking.x-k8s.io"


@dataclass(frozen=True, slots=True)
class Api:
    """API group, version and resource of a kind in the Kubernetes API."""

    group: str
    kind: str
    resource: str
    """The plural name in URLs and RBAC rules; `pods/log` style for subresources."""
    versions: tuple[str, ...]
    """The versions whose fields we know, best first."""
    namespaced: bool = True


class Kind(Enum):
    """A kind of object or observation that a question can depend on.

    The value carries the API group: Istio's Gateway is not the Gateway API's.
    """

    NAMESPACE = Api(CORE, "Namespace", "namespaces", ("v1",), namespaced=False)
    NODE = Api(CORE, "Node", "nodes", ("v1",), namespaced=False)
    POD = Api(CORE, "Pod", "pods", ("v1",))
    SERVICE = Api(CORE, "Service", "services", ("v1",))
    SECRET = Api(CORE, "Secret", "secrets", ("v1",))
    CONFIG_MAP = Api(CORE, "ConfigMap", "configmaps", ("v1",))
    SERVICE_ACCOUNT = Api(CORE, "ServiceAccount", "serviceaccounts", ("v1",))
    EVENT = Api(CORE, "Event", "events", ("v1",))
    DEPLOYMENT = Api(APPS, "Deployment", "deployments", ("v1",))
    DAEMON_SET = Api(APPS, "DaemonSet", "daemonsets", ("v1",))
    ENDPOINT_SLICE = Api("discovery.k8s.io", "EndpointSlice", "endpointslices", ("v1",))
    INGRESS = Api("networking.k8s.io", "Ingress", "ingresses", ("v1",))
    INGRESS_CLASS = Api(
        "networking.k8s.io", "IngressClass", "ingressclasses", ("v1",), namespaced=False
    )
    ROLE = Api(RBAC, "Role", "roles", ("v1",))
    ROLE_BINDING = Api(RBAC, "RoleBinding", "rolebindings", ("v1",))
    CLUSTER_ROLE = Api(RBAC, "ClusterRole", "clusterroles", ("v1",), namespaced=False)
    CLUSTER_ROLE_BINDING = Api(
        RBAC, "ClusterRoleBinding", "clusterrolebindings", ("v1",), namespaced=False
    )
    ISTIO_GATEWAY = Api(ISTIO_NETWORKING, "Gateway", "gateways", ("v1", "v1beta1", "v1alpha3"))
    VIRTUAL_SERVICE = Api(
        ISTIO_NETWORKING, "VirtualService", "virtualservices", ("v1", "v1beta1", "v1alpha3")
    )
    DESTINATION_RULE = Api(
        ISTIO_NETWORKING, "DestinationRule", "destinationrules", ("v1", "v1beta1", "v1alpha3")
    )
    SERVICE_ENTRY = Api(
        ISTIO_NETWORKING, "ServiceEntry", "serviceentries", ("v1", "v1beta1", "v1alpha3")
    )
    WORKLOAD_ENTRY = Api(
        ISTIO_NETWORKING, "WorkloadEntry", "workloadentries", ("v1", "v1beta1", "v1alpha3")
    )
    ENVOY_FILTER = Api(ISTIO_NETWORKING, "EnvoyFilter", "envoyfilters", ("v1alpha3",))
    PEER_AUTHENTICATION = Api(
        ISTIO_SECURITY, "PeerAuthentication", "peerauthentications", ("v1", "v1beta1")
    )
    AUTHORIZATION_POLICY = Api(
        ISTIO_SECURITY, "AuthorizationPolicy", "authorizationpolicies", ("v1", "v1beta1")
    )
    REQUEST_AUTHENTICATION = Api(
        ISTIO_SECURITY, "RequestAuthentication", "requestauthentications", ("v1", "v1beta1")
    )
    WASM_PLUGIN = Api(ISTIO_EXTENSIONS, "WasmPlugin", "wasmplugins", ("v1alpha1",))
    TRAFFIC_EXTENSION = Api(
        ISTIO_EXTENSIONS, "TrafficExtension", "trafficextensions", ("v1alpha1",)
    )
    CERTIFICATE = Api(CERT_MANAGER, "Certificate", "certificates", ("v1",))
    CERTIFICATE_REQUEST = Api(CERT_MANAGER, "CertificateRequest", "certificaterequests", ("v1",))
    ISSUER = Api(CERT_MANAGER, "Issuer", "issuers", ("v1",))
    CLUSTER_ISSUER = Api(
        CERT_MANAGER, "ClusterIssuer", "clusterissuers", ("v1",), namespaced=False
    )
    ORDER = Api(ACME, "Order", "orders", ("v1",))
    CHALLENGE = Api(ACME, "Challenge", "challenges", ("v1",))
    GATEWAY_CLASS = Api(
        GATEWAY_API, "GatewayClass", "gatewayclasses", ("v1", "v1beta1"), namespaced=False
    )
    GATEWAY = Api(GATEWAY_API, "Gateway", "gateways", ("v1", "v1beta1"))
    HTTP_ROUTE = Api(GATEWAY_API, "HTTPRoute", "httproutes", ("v1", "v1beta1"))
    GRPC_ROUTE = Api(GATEWAY_API, "GRPCRoute", "grpcroutes", ("v1", "v1alpha2"))
    TLS_ROUTE = Api(GATEWAY_API, "TLSRoute", "tlsroutes", ("v1", "v1alpha3", "v1alpha2"))
    TCP_ROUTE = Api(GATEWAY_API, "TCPRoute", "tcproutes", ("v1", "v1alpha2"))
    REFERENCE_GRANT = Api(GATEWAY_API, "ReferenceGrant", "referencegrants", ("v1", "v1beta1"))
    LISTENER_SET = Api(GATEWAY_API, "ListenerSet", "listenersets", ("v1",))
    X_LISTENER_SET = Api(GATEWAY_API_EXPERIMENTAL, "XListenerSet", "xlistenersets", ("v1alpha1",))
    BACKEND_TLS_POLICY = Api(
        GATEWAY_API, "BackendTLSPolicy", "backendtlspolicies", ("v1", "v1alpha3")
    )
    POD_LOG = Api(CORE, "PodLog", "pods/log", ("v1",))
    ENVOY = Api(CORE, "EnvoyAdmin", "pods/portforward", ("v1",))
    ENVOY_CONFIGURATION = Api(CORE, "EnvoyConfiguration", "pods/portforward", ("v1",))
    TLS_PROBE = Api("", "TlsProbe", "", ())
    HTTP_PROBE = Api("", "HttpProbe", "", ())

    __hash__ = object.__hash__
    """Members are singletons: there is no need to hash their names each time."""

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.value.group

    @property
    def resource(self) -> str:
        """The plural resource name as URLs and RBAC rules spell it."""
        return self.value.resource

    @property
    def namespaced(self) -> bool:
        """Whether objects of this kind live in a namespace."""
        return self.value.namespaced

    @property
    def listed(self) -> bool:
        """Whether the kind is read by listing objects, not by a later, targeted read."""
        return self not in TARGETED

    def __str__(self) -> str:
        """How a reason for a skip names the kind: `secrets`, `gateways.networking.istio.io`."""
        match self:
            case Kind.TLS_PROBE:
                return "TLS probes"
            case Kind.HTTP_PROBE:
                return "HTTP probes"
            case Kind.ENVOY_CONFIGURATION:
                return "the configuration of Envoys"
            case _:
                return f"{self.resource}.{self.group}" if self.group else self.resource


TARGETED = frozenset(
    {
        Kind.SECRET,
        Kind.CONFIG_MAP,
        Kind.NODE,
        Kind.EVENT,
        Kind.POD_LOG,
        Kind.ENVOY,
        Kind.ENVOY_CONFIGURATION,
        Kind.TLS_PROBE,
        Kind.HTTP_PROBE,
    }
)
"""Kinds read by name or by pod once the objects are known, never listed over the cluster."""

SUBJECTS = frozenset(
    {
        Kind.ISTIO_GATEWAY,
        Kind.GATEWAY,
        Kind.LISTENER_SET,
        Kind.X_LISTENER_SET,
        Kind.INGRESS,
        Kind.VIRTUAL_SERVICE,
        Kind.HTTP_ROUTE,
        Kind.GRPC_ROUTE,
        Kind.TLS_ROUTE,
        Kind.TCP_ROUTE,
    }
)
"""What servers and routes are made of. Whoever asks about those has not looked at all of them
while one of these is unread, however well it can do without."""

OF_ENVOY = frozenset({Kind.ENVOY, Kind.ENVOY_CONFIGURATION})
"""What the Envoys of gateways are asked for."""

OPTIONAL_READS = frozenset({Kind.POD_LOG, *OF_ENVOY, Kind.TLS_PROBE, Kind.HTTP_PROBE})
"""Observations that a user may decline; a check that needs one is then not requested."""

_BY_API = {(kind.group, kind.value.kind): kind for kind in Kind if kind.resource}


def kind_of(group: str, name: str) -> Kind | None:
    """Return the kind with this API group and `kind` field, or None when we do not read it."""
    return _BY_API.get((group, name))
