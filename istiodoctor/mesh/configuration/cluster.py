"""Clusters in Envoy's words: where a route's requests can go."""

from enum import StrEnum

from istiodoctor.model.istio import ClientTls
from istiodoctor.model.ref import Place, Ref
from istiodoctor.model.value import Value


class ClusterState(StrEnum):
    """Whether requests to a cluster can reach an endpoint."""

    OK = "ok"
    NO_CLUSTER = "no-cluster"
    NO_ENDPOINT = "no-endpoint"
    UNKNOWN = "unknown"


class ClusterFault(StrEnum):
    """Why there is no cluster of a name."""

    NO_SERVICE = "no-service"
    WILDCARD_ONLY = "wildcard-only"
    """A ServiceEntry has a wildcard over the name, and a cluster of the wildcard alone."""
    ALIAS_OF_NOTHING = "alias-of-nothing"
    """An ExternalName Service stands for a host that no ServiceEntry has."""
    NAMESPACE_NOT_READ = "namespace-not-read"
    """It is in a namespace that no discoverySelector of the mesh takes."""
    NOT_EXPORTED = "not-exported"
    """The workload's namespace does not see the service."""
    NO_PORT = "no-port"
    NO_SUBSET = "no-subset"


LONGEST_PORT = 5
"""Digits."""
SEPARATOR = "|"
SNI_SEPARATOR = "_."
OUTBOUND = "outbound"


class ClusterName(Value, frozen=True, kw_only=True):
    """The parts of `outbound|80|v1|web.shop.svc.cluster.local`."""

    port: int
    subset: str
    host: str
    is_by_sni: bool = False
    """`outbound_.80_.v1_.web…`: what an AUTO_PASSTHROUGH server leads to."""

    @classmethod
    def parsed(cls, name: str) -> "ClusterName | None":
        """Return the parts of a cluster's name; None for one that istiod did not make.

        `ParseSubsetKey`, pilot/pkg/model/service.go:1911.
        """
        is_by_sni = name.startswith(OUTBOUND + SNI_SEPARATOR)
        separator = SNI_SEPARATOR if is_by_sni else SEPARATOR
        parts = name.split(separator, 3)
        if len(parts) != 4 or parts[0] != OUTBOUND or separator in parts[3]:
            return None
        port = parts[1]
        if not (port.isascii() and port.isdecimal()) or len(port) > LONGEST_PORT:
            return None
        return cls(port=int(port), subset=parts[2], host=parts[3], is_by_sni=is_by_sni)

    def __str__(self) -> str:
        """As istiod writes it (`BuildSubsetKey`, pilot/pkg/model/service.go:1860)."""
        separator = SNI_SEPARATOR if self.is_by_sni else SEPARATOR
        return separator.join((OUTBOUND, str(self.port), self.subset, self.host))


class UpstreamTlsMode(StrEnum):
    """`ClientTLSSettings.TLSmode`."""

    DISABLE = "DISABLE"
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"


class UpstreamTls(Value, frozen=True, kw_only=True):
    """How Envoy speaks TLS to the endpoints, as the objects say it."""

    mode: UpstreamTlsMode
    settings: ClientTls
    place: Place


class Cluster(Value, frozen=True, kw_only=True, eq=False):
    """One cluster as a gateway workload would get it."""

    name: str
    state: ClusterState
    state_here: ClusterState | None = None
    """Its state by the objects of this cluster alone, where others may have endpoints for it."""
    reason: str = ""
    """Why requests reach nothing, or why that is not known: one clause without a full stop."""
    fault: ClusterFault | None = None
    """Why it is not there, in a word; set too where something unread may yet make it."""
    service: Ref | None = None
    """The Service or ServiceEntry it is made for; of a cluster that does not exist the one that
    the name asks for, if that can be told."""
    endpoints: int | None = None
    """How many endpoints take traffic; None where they are resolved elsewhere or not known."""
    made_by: Ref | None = None
    """The DestinationRule of its subset, or what sets its TLS: that or a BackendTLSPolicy."""
    tls: UpstreamTls | None = None
    """None where no object says anything: plain text, or mTLS to endpoints that have a sidecar."""
    tls_unknown_because: str = ""
    """What was not read and could set it."""
