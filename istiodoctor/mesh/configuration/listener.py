"""Listeners in Envoy's words: filter chains, what they match, what they end in.

Source: Envoy's `config.listener.v3`, `HttpConnectionManager`, as far as istiod fills them.
"""

from enum import StrEnum

from msgspec.structs import replace

from istiodoctor.mesh.configuration.route import ClusterWeight
from istiodoctor.mesh.gateways.credential_references import CredentialReference
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.model.ref import Place
from istiodoctor.model.value import Value

EVERY_ADDRESS = "0.0.0.0"
"""What istiod binds where a server does not say (gateway.go:143)."""
EVERY_IPV6_ADDRESS = "::"
WILDCARD_ADDRESSES = frozenset({"", EVERY_ADDRESS, EVERY_IPV6_ADDRESS})
"""What `bind` names every address of the pod by."""


KEEP_UNCHANGED, UNESCAPE_AND_FORWARD = "KEEP_UNCHANGED", "UNESCAPE_AND_FORWARD"
UNESCAPE_AND_REDIRECT, REJECT_REQUEST = "UNESCAPE_AND_REDIRECT", "REJECT_REQUEST"
ALLOW, DROP_HEADER = "ALLOW", "DROP_HEADER"
"""What Envoy does with escaped slashes in paths and underscores in the names of headers."""


class ClientCertificate(StrEnum):
    """What a handshake asks of the client."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class DownstreamTls(Value, frozen=True, kw_only=True):
    """`DownstreamTlsContext`: how Envoy ends TLS."""

    credentials: tuple[CredentialReference, ...] = ()
    """What SDS is asked for; empty for the workload's own certificate and for files."""
    is_workload_certificate: bool = False
    """ISTIO_MUTUAL: the workload's own certificate."""
    client_certificate: ClientCertificate = ClientCertificate.NONE
    minimum_version: str = ""
    maximum_version: str = ""
    protocols: tuple[str, ...] = ()
    """ALPN, in order."""


class HttpOptions(Value, frozen=True, kw_only=True):
    """What a HTTP connection manager makes of a request before it routes it."""

    normalizes_path: bool = True
    merges_slashes: bool = False
    unescapes_slashes: bool = False
    rejects_escaped_slashes: bool = False
    redirects_escaped_slashes: bool = False
    """A path with them is redirected to what it says without them, 307."""
    rejects_underscores: bool = False
    """A request with an underscore in the name of a header is 400."""
    drops_underscores: bool = False
    """Such a header is dropped."""
    accepts_http10: bool = False
    trusted_hops: int | None = 0
    """`xff_num_trusted_hops`; with 0 Envoy replaces X-Forwarded-Proto. None when not read."""
    upgrades: tuple[str, ...] = ("websocket",)

    def with_escaped_slashes(self, action: str) -> "HttpOptions":
        """Return them with another `path_with_escaped_slashes_action`."""
        return replace(
            self,
            unescapes_slashes=action == UNESCAPE_AND_FORWARD,
            rejects_escaped_slashes=action == REJECT_REQUEST,
            redirects_escaped_slashes=action == UNESCAPE_AND_REDIRECT,
        )

    def with_underscores(self, action: str) -> "HttpOptions":
        """Return them with another `headers_with_underscores_action`."""
        return replace(
            self,
            rejects_underscores=action == REJECT_REQUEST,
            drops_underscores=action == DROP_HEADER,
        )


class HttpConnectionManager(Value, frozen=True, kw_only=True):
    """A filter chain that speaks HTTP."""

    route_configuration: str
    """The name under which RDS is asked."""
    options: HttpOptions = HttpOptions()
    unknown_because: str = ""
    """A filter that is not modelled and could answer before a route is asked."""


class FilterChain(Value, frozen=True, kw_only=True, eq=False):
    """One filter chain: what it takes, how it ends TLS, where it leads."""

    server_names: tuple[str, ...] = ()
    """SNI; empty for a chain that takes every connection."""
    application_protocols: tuple[str, ...] = ()
    """ALPN that a client must offer; only chains of AUTO_PASSTHROUGH ask for it."""
    transport_protocol: str = ""
    """`tls` or `raw_buffer`; empty for both, as istiod leaves it for gateways."""
    tls: DownstreamTls | None = None
    """None for plain connections, and for TLS that is passed on unread."""
    http: HttpConnectionManager | None = None
    clusters: tuple[ClusterWeight, ...] = ()
    """Where a TCP proxy leads; empty with `http`."""
    server: Server | None = None
    """The server or listener it was made for; None in what Envoy holds."""
    made_by: Place | None = None
    """The rule of a VirtualService or TLSRoute behind a TCP proxy, else the server."""
    passes_tls: bool = False
    """TLS is passed on unread: a PASSTHROUGH server."""
    unknown_because: str = ""


class Refusal(Value, frozen=True, kw_only=True):
    """Why Envoy refuses a listener or a route configuration."""

    text: str
    """One sentence: what Envoy finds wrong."""
    made_by: tuple[Place, ...]
    """The objects and fields that collide, the later one first."""
    names: tuple[str, ...] = ()
    """The server names or domains concerned."""


class Listener(Value, frozen=True, kw_only=True, eq=False):
    """One address and port on which a workload's Envoy listens."""

    port: int
    """In the pod, not the Service's."""
    bind: str = ""
    filter_chains: tuple[FilterChain, ...] = ()
    refused: Refusal | None = None
    """Set where Envoy would not accept it: the port stays closed, or as it was before."""
    error: str = ""
    """Why Envoy refused the last version of it, in its own words: it goes on with the one before,
    where there is one."""
    unknown_because: str = ""
    servers: tuple[Server, ...] = ()
    """The servers that were merged into it, whether or not a chain was made of each."""
