"""Rules of istiod that differ between releases: one table, and whether a rule is in force.

Lines of both releases are those of the oldest one that truth is recorded with (`old`) and of the
newest one (`new`). The release is where a change entered its minor line, as the tags of
istio/istio tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads.control_planes import ControlPlane, control_planes

PatchRelease = tuple[int, int, int]


ALPHA_APIS = "PILOT_ENABLE_ALPHA_GATEWAY_API"


class Change(StrEnum):
    """A rule that not every release has, named for what the newest ones do."""

    TCP_ROUTES_SERVED = "tcp-routes-served"
    """Listeners of the protocol TCP are made, and TCPRoutes are read."""
    TLS_ROUTES_SERVED = "tls-routes-served"
    """Listeners of the protocol TLS are made, and TLSRoutes are read."""
    RULES_WITHOUT_BACKENDS_FAIL = "rules-without-backends-fail"
    """A rule of an HTTPRoute that names no backend at all is answered by 500, and not by 404."""
    DEFAULT_EXPORTS_NAME_NAMESPACES = "default-exports-name-namespaces"
    """The mesh's defaults of `exportTo` of services and VirtualServices may name namespaces.

    Before, `.` in them goes before `*`, and with neither of them nothing is exported to anyone.
    """
    LISTENER_CONFLICTS_FOUND = "listener-conflicts-found"
    """Listeners of one Gateway are compared before they are merged with others."""
    CONNECTION_SETTINGS_READ = "connection-settings-read"
    """`connectionSettings` of a ProxyConfig say what becomes of paths and headers."""
    STRICT_MERGING = "strict-merging"
    """Servers of other namespaces are kept from pods that istiod made for a Gateway."""
    REFERENCES_OF_OWN_NAMESPACE = "references-of-own-namespace"
    """`kubernetes-gateway://` asks that the Gateway be in the namespace of its pods."""
    BACKENDS_VERIFIED = "backends-verified"
    """Backends are sent the Host as SNI, and verified with the CAs of the operating system."""
    EXPIRED_SERVED = "expired-served"
    """Expired certificates are served."""
    CIPHER_SUITES_FILTERED = "cipher-suites-filtered"
    """Unknown names of cipher suites are left out."""
    NODE_PORTS_IGNORED = "node-ports-ignored"
    """A host is found whatever port the client sends with it."""
    EXACT_HOSTS_ON_ANY_PORT = "exact-hosts-on-any-port"
    """A host without a wildcard has the domain `host:*` beside its own."""
    REDIRECTING_SERVERS_ROUTED = "redirecting-servers-routed"
    """A server that redirects has routes, for requests that came by HTTPS."""
    DEDICATED_CA_FIRST = "dedicated-ca-first"
    """A Secret `…-cacert` goes before the CA in the server's own Secret."""
    CLIENT_CA_NAMED = "client-ca-named"
    """A server can name the Secret of its client CA (`caCertCredentialName`)."""
    ONE_SECRET_BY_TWO_NAMES = "one-secret-by-two-names"
    """A workload gets a Secret that it asks for in two forms under both."""
    SECRET_CACHE_KEEPS_KEYS = "secret-cache-keeps-keys"
    """istiod's cache of Secrets keeps their keys whole."""
    STABLE_TLS_ROUTES = "stable-tls-routes"
    """TLSRoutes are read as v1, which Gateway API 1.5 brought."""
    SERVER_CURVES_SENT = "server-curves-sent"
    """`ecdhCurves` of a Gateway's server is sent to Envoy."""
    BACKEND_TLS_POLICIES_SERVED = "backend-tls-policies-served"
    RULES_OVERRIDE_BACKEND_POLICIES = "rules-override-backend-policies"
    """A DestinationRule and a BackendTLSPolicy for one host are merged field by field.

    The DestinationRule's own fields count; before, all of its traffic policy gave way.
    """
    GATEWAY_DOMAINS_LOWERED = "gateway-domains-lowered"
    """Hosts that differ in case only are one virtual host of a gateway."""
    PLAIN_KEPT_OVER_TLS = "plain-kept-over-tls"
    """A plain server joins a TLS port, and later TLS servers are skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """From where on a rule is in force."""

    since: tuple[PatchRelease, ...]
    """The first release of each minor line with it; later lines have it from their start."""
    absent_from: PatchRelease = (0, 0, 0)
    """The first release without it: still older ones have it again."""
    asked_for_by: str = ""
    """A variable of istiod's environment that gives it to earlier releases, where it is true."""
    declined_by: str = ""
    """A variable of istiod's environment that takes it away, where it is false."""
    source: str


CHANGES: Mapping[Change, Introduction] = MappingProxyType(
    {
        Change.TCP_ROUTES_SERVED: Introduction(
            since=((1, 31, 0),),
            asked_for_by=ALPHA_APIS,
            source="pilot/pkg/config/kube/gateway/conversion.go:2110 and controller.go:213, 217 "
            "(old), conversion.go:2202 and controller.go:206 (new)",
        ),
        Change.TLS_ROUTES_SERVED: Introduction(
            since=((1, 30, 0),),
            asked_for_by=ALPHA_APIS,
            source="pilot/pkg/config/kube/gateway/conversion.go:2204 and controller.go:209-218 "
            "(of 1.29.6), conversion.go:2108 and controller.go:206 (old); release note "
            "tls-protocol-gateway-no-alpha-gate.yaml",
        ),
        Change.RULES_WITHOUT_BACKENDS_FAIL: Introduction(
            since=((1, 31, 0),),
            absent_from=(1, 30, 0),
            source="pilot/pkg/config/kube/gateway/conversion.go:224-235 (old), 230-235 (new); "
            "release notes 59356.yaml and 60787.yaml",
        ),
        Change.DEFAULT_EXPORTS_NAME_NAMESPACES: Introduction(
            since=((1, 30, 3), (1, 31, 0)),
            source="pilot/pkg/model/push_context.go:1087, 1565, 1771 (old), 1085, 1801 (new)",
        ),
        Change.LISTENER_CONFLICTS_FOUND: Introduction(
            since=((1, 30, 4), (1, 31, 0)),
            source="pilot/pkg/config/kube/gateway/gateway_collection.go:292 (old), 338-347 (new)",
        ),
        Change.CONNECTION_SETTINGS_READ: Introduction(
            since=((1, 31, 0),),
            source="pilot/pkg/networking/core/connection_settings.go:84 (new); release note "
            "connection-settings.yaml",
        ),
        Change.STRICT_MERGING: Introduction(
            since=((1, 31, 0),),
            declined_by="PILOT_ENABLE_STRICT_GATEWAY_MERGING",
            source="pilot/pkg/model/push_context.go:2444 (old), 2491 (new)",
        ),
        Change.REFERENCES_OF_OWN_NAMESPACE: Introduction(
            since=((1, 26, 5), (1, 27, 2), (1, 28, 0)),
            source="pilot/pkg/model/gateway.go:255 (new; PR 57716)",
        ),
        Change.BACKENDS_VERIFIED: Introduction(
            since=((1, 21, 0),),
            source="pilot/pkg/networking/core/cluster_tls.go:281 (new); release notes of 1.21 "
            "(ENABLE_AUTO_SNI, VERIFY_CERTIFICATE_AT_CLIENT)",
        ),
        Change.EXPIRED_SERVED: Introduction(
            since=((1, 18, 5), (1, 19, 1)),
            absent_from=(1, 18, 0),
            source="pilot/pkg/xds/sds.go:233 (new, where it is only counted); istio/istio issues "
            "46868 and 47104",
        ),
        Change.CIPHER_SUITES_FILTERED: Introduction(
            since=((1, 8, 0),),
            source="pkg/config/security/security.go:373 (new); istio/istio issue 27164",
        ),
        Change.NODE_PORTS_IGNORED: Introduction(
            since=((1, 15, 0),),
            source="pilot/pkg/networking/core/gateway.go:581 (new); of sidecars since 1.16",
        ),
        Change.EXACT_HOSTS_ON_ANY_PORT: Introduction(
            since=((1, 6, 0),),
            source="pilot/pkg/networking/core/v1alpha3/gateway.go: buildGatewayVirtualHostDomains"
            " (release-1.6); istio/istio issue 6469",
        ),
        Change.REDIRECTING_SERVERS_ROUTED: Introduction(
            since=((1, 9, 0),),
            absent_from=(1, 7, 0),
            source="pilot/pkg/networking/core/gateway.go:501, 526 (new); istio/istio issue 27315",
        ),
        Change.DEDICATED_CA_FIRST: Introduction(
            since=((1, 9, 0),),
            source="pilot/pkg/credentials/kube/secrets.go:228 (new); release notes of 1.9",
        ),
        Change.CLIENT_CA_NAMED: Introduction(
            since=((1, 28, 0),), source="pilot/pkg/security/model/authentication.go:288 (new)"
        ),
        Change.ONE_SECRET_BY_TWO_NAMES: Introduction(
            since=((1, 29, 0),),
            source="pilot/pkg/model/credentials/resource.go:148 (new); release note 58146.yaml",
        ),
        Change.SECRET_CACHE_KEEPS_KEYS: Introduction(
            since=((1, 26, 5), (1, 27, 2), (1, 28, 0)),
            source="pilot/pkg/xds/debug.go:685 (new): a copy is redacted",
        ),
        Change.STABLE_TLS_ROUTES: Introduction(
            since=((1, 30, 0),), source="pkg/config/schema/gvk/resources.gen.go:75 (new)"
        ),
        Change.SERVER_CURVES_SENT: Introduction(
            since=((1, 32, 0),),
            source="pilot/pkg/networking/core/listener.go:228 (of 1.31), 232 (new); release note "
            "gateway-ecdh-curves.yaml",
        ),
        Change.BACKEND_TLS_POLICIES_SERVED: Introduction(
            since=((1, 28, 0),),
            asked_for_by=ALPHA_APIS,
            source="pilot/pkg/config/kube/gateway/controller.go:209-213 (of 1.27), 204 (of 1.28)",
        ),
        Change.RULES_OVERRIDE_BACKEND_POLICIES: Introduction(
            since=((1, 31, 0),),
            source="pilot/pkg/model/destination_rule.go:109-148 (new), 108 (old)",
        ),
        Change.GATEWAY_DOMAINS_LOWERED: Introduction(
            since=((1, 22, 0),),
            source="pilot/pkg/networking/core/v1alpha3/gateway.go:462 (PR 49674, issue 49638)",
        ),
        Change.PLAIN_KEPT_OVER_TLS: Introduction(
            since=((1, 27, 4), (1, 28, 1)),
            source="pilot/pkg/model/gateway.go:300-330 in both (PR 57707)",
        ),
    }
)


def has(plane: ControlPlane | None, change: Change) -> bool:
    """Whether a rule is in force with an istiod; one of unknown version is taken for the newest.

    What is made for one gateway workload is asked with its `control_plane_of`.
    """
    introduced = CHANGES[change]
    if plane is None:
        return True
    if introduced.declined_by and plane.setting(introduced.declined_by) is False:
        return False
    if introduced.asked_for_by and plane.setting(introduced.asked_for_by):
        return True
    return plane.version is None or is_in(plane.version, change)


def is_in(version: Version, change: Change) -> bool:
    """Whether a release has a rule, without regard to istiod's environment."""
    introduced = CHANGES[change]
    return version.has(*introduced.since) or version < Version(*introduced.absent_from)


@question
def is_in_force(mesh: Mesh, change: Change) -> bool:
    """Whether a rule is in force for what istiod makes of objects before it knows for which pods.

    Where istiods differ the newest rule counts.
    """
    planes = control_planes(mesh)
    return not planes or any(has(each, change) for each in planes)
