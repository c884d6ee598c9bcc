"""Targets and observations of probes: TLS handshakes and HTTP requests, without a judgement."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from istiodoctor.model.credential import CertificateFacts
from istiodoctor.model.ref import Ref


class Via(StrEnum):
    """How a gateway was reached: by port-forward, address, node port or DNS name."""

    PORT_FORWARD = "port-forward"
    """Through the API server, to the port of one pod."""
    SERVICE_ADDRESS = "service-address"
    """The address of a load balancer, or an external IP."""
    NODE_PORT = "node-port"
    DNS = "dns"
    """To where the host's name resolves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPoint:
    """An address and port, or a port of a pod, at which a gateway can be connected to."""

    via: Via
    port: int
    """The port that is connected to: the pod's, the Service's or the node's."""
    gateway: Ref
    """The workload behind it."""
    pod: Ref | None = None
    """Set for a port-forward."""
    service: Ref | None = None
    """The Service whose address or node port it is."""
    address: str = ""
    """An IP address or a name; empty for a port-forward."""

    @property
    def where(self) -> Ref:
        """The object it belongs to: the pod, else the Service, else the gateway."""
        return self.pod or self.service or self.gateway

    def __str__(self) -> str:
        """`Pod istio-system/ingress-1 port 8443`, `203.0.113.10:443`."""
        if self.pod:
            return f"{self.pod} port {self.port}"
        literal = f"[{self.address}]" if ":" in self.address else self.address
        return f"{literal}:{self.port}"


class Outcome(StrEnum):
    """How a connection or request ended."""

    HANDSHAKE = "handshake"
    """TLS was agreed on, and nothing was refused after it."""
    ALERT = "alert"
    """The server refused, in TLS's own words."""
    RESET = "reset"
    """The connection was closed or reset without a word; a port-forward does not tell which."""
    REFUSED = "refused"
    """Nobody listens."""
    TIMED_OUT = "timed-out"
    NOT_TLS = "not-tls"
    """The answer was something else, in plain text mostly."""
    ANSWERED = "answered"
    """HTTP: there was an answer that is not followed any further."""
    LOOP = "loop"
    """HTTP: a redirect led back to where it came from, or there were too many."""
    LEFT = "left"
    """HTTP: a redirect leads to where the gateway is not; it was not followed."""
    NOT_HTTP = "not-http"
    UNREACHABLE = "unreachable"
    """No route to the address, or no such name."""
    NOT_PERMITTED = "not-permitted"
    """An address or port that is never connected to."""
    FORBIDDEN = "forbidden"
    """The API server does not permit the port-forward."""
    FAILED = "failed"
    """Nothing was learned: the port-forward did not come about, or something else broke."""


SILENT = frozenset({Outcome.REFUSED, Outcome.TIMED_OUT, Outcome.UNREACHABLE})
"""Nobody took the connection, at an address of which one can tell."""
_ENDINGS = {
    Outcome.RESET: "the connection was closed without a word",
    Outcome.REFUSED: "the connection was refused: nobody listens",
    Outcome.TIMED_OUT: "there was no answer in time",
    Outcome.UNREACHABLE: "there is no way there",
    Outcome.NOT_TLS: "the answer is not TLS",
    Outcome.HANDSHAKE: "TLS was agreed on",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsTarget:
    """One handshake to make."""

    access_point: AccessPoint
    host: str = ""
    """The host as the Gateway writes it, wildcards too; empty where none is meant."""
    sni: str = ""
    """The name that is sent; empty for a client without SNI."""
    server: str = ""
    """The server (`Server.id`) that this should reach; empty when none should answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsObservation:
    """What a handshake showed."""

    target: TlsTarget
    outcome: Outcome
    at: datetime
    alert: str = ""
    """The name of the alert (RFC 8446 §6.2) in lower case: `certificate required`."""
    detail: str = ""
    """The library's or the server's own words; hostile."""
    version: str = ""
    """What was negotiated: `TLSv1.3`."""
    versions: tuple[str, ...] = ()
    """Those with which a handshake succeeded when they were offered alone, and the first."""
    older_alert: str = ""
    """The alert by which TLS 1.2 alone was refused, where 1.3 was agreed on."""
    alpn: str = ""
    cipher: str = ""
    chain: tuple[CertificateFacts, ...] = ()
    """The certificates as served, in order, as far as they can be read."""
    unreadable_certificates: int = 0
    client_certificate_requested: bool = False
    acceptable_client_cas: tuple[str, ...] = ()
    """The subjects (RFC 4514) of the CAs whose certificates clients are asked for; hostile."""
    verified: bool | None = None
    """Whether a client that trusts the given roots accepts it; None when that was not judged."""
    reason: str = ""
    """Why not, in a few words; or why nobody can tell."""
    chain_is_trusted: bool | None = None
    """Whether the chain as served leads to a root, whatever its names and dates."""
    addresses: tuple[str, ...] = ()
    """To what the name resolved."""

    @property
    def leaf(self) -> CertificateFacts | None:
        """The certificate that clients judge."""
        return self.chain[0] if self.chain and not self.leaf_is_unreadable else None

    @property
    def leaf_is_unreadable(self) -> bool:
        """Whether it cannot be told which certificate came first."""
        return self.unreadable_certificates > 0

    @property
    def ending(self) -> str:
        """What was shown, or how it ended, in words."""
        if self.alert:
            return f"the alert '{self.alert}'"
        if self.leaf:
            return (
                f"serial {self.leaf.serial}, issued by {self.leaf.issuer or 'nobody'},"
                f" valid until {self.leaf.not_after:%Y-%m-%d %H:%M} UTC"
            )
        words = _ENDINGS.get(self.outcome, str(self.outcome))
        return f"{words} ({self.detail})" if self.detail else words

    def __str__(self) -> str:
        """`Pod istio-system/ingress-1 port 8443, SNI shop.example.com: serial …`."""
        asked = f"SNI {self.target.sni}" if self.target.sni else "without SNI"
        return f"{self.target.access_point}, {asked}: {self.ending}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlAccessPoint:
    """The access point behind a scheme and port of a URL."""

    scheme: str
    port: int
    access_point: AccessPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTarget:
    """One request to make, and where redirects may lead it."""

    url: str
    access_points: tuple[UrlAccessPoint, ...]
    """Where each scheme and port leads; the URL's own among them."""
    host: str
    """The host as the Gateway writes it."""
    server: str = ""
    """The server (`Server.id`) that it should reach first."""
    forwarded_proto: str = ""
    """Sent as X-Forwarded-Proto; empty to send none."""
    http_version: str = "1.1"
    method: str = "GET"
    """`GET` or `HEAD`: nothing else is ever sent."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent beside a client's own, and in their place: names in lower case, values in ASCII."""
    follows_redirects: bool = True
    answer_begins: str = ""
    """What the body of the right answer begins with; empty where any answer is right."""
    sni: str = ""
    """The name that TLS is agreed on with, like on a connection that a browser reuses; empty for
    that of the URL."""

    @property
    def access_point(self) -> AccessPoint:
        """The first of its access points: all lead to the same gateway by the same means."""
        return self.access_points[0].access_point


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpStep:
    """One request and its answer."""

    url: str
    access_point: AccessPoint | None = None
    status: int = 0
    """0 without an answer."""
    location: str = ""
    server: str = ""
    """The header of that name."""
    from_upstream: bool = False
    """`x-envoy-upstream-service-time` was there: the answer came from behind the gateway."""
    strict_transport_security: str = ""
    date: datetime | None = None
    """What the other side takes the time to be."""
    at: datetime | None = None
    """What this side takes it to be."""
    body: str = ""
    """The beginning of an error's page, cut and redacted; hostile."""
    is_expected: bool | None = None
    """Whether the body begins as the right answer does; None where none was told from another."""
    error: str = ""

    def __str__(self) -> str:
        """`GET http://shop.example.com/ through 203.0.113.10:80: 301 → https://…`."""
        onward = f" → {self.location}" if self.location else ""
        return f"GET {self.url} through {self.access_point}: {self.status or self.error}{onward}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpObservation:
    """What a request showed, with every redirect that was followed."""

    target: HttpTarget
    outcome: Outcome
    steps: tuple[HttpStep, ...]
    at: datetime
    addresses: tuple[str, ...] = ()
    """To what the names in the URLs resolved."""

    @property
    def last(self) -> HttpStep:
        """The last step; there is always one."""
        return self.steps[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTargets:
    """Everything to look at."""

    tls: tuple[TlsTarget, ...] = ()
    http: tuple[HttpTarget, ...] = ()
    hosts: tuple[str, ...] = ()
    """Hosts and wildcards that the mesh serves: redirects elsewhere are not followed."""
    blind: tuple[tuple[Ref, str], ...] = ()
    """What should be looked at and cannot be, or is not, and why."""
