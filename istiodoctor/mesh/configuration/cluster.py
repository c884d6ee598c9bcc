"""Clusters in Envoy's words: where a route's requests can go."""

from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.model.ref import Ref


class ClusterState(StrEnum):
    """Whether requests to a cluster can reach an endpoint."""

    OK = "ok"
    NO_CLUSTER = "no-cluster"
    NO_ENDPOINT = "no-endpoint"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterName:
    """The parts of `outbound|80|v1|web.shop.svc.cluster.local`."""

    port: int
    subset: str
    host: str

    @classmethod
    def parsed(cls, name: str) -> "ClusterName | None":
        """Return the parts of a cluster's name; None for one that istiod did not make."""
        parts = name.split("|")
        if len(parts) != 4 or parts[0] != "outbound" or not parts[1].isdecimal():
            return None
        return cls(port=int(parts[1]), subset=parts[2], host=parts[3])

    def __str__(self) -> str:
        """As istiod writes it (`BuildSubsetKey`, pilot/pkg/model/service.go)."""
        return f"outbound|{self.port}|{self.subset}|{self.host}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cluster:
    """One cluster as a gateway workload would get it."""

    name: str
    state: ClusterState
    reason: str = ""
    """Why requests reach nothing, or why that is not known: one clause without a full stop."""
    service: Ref | None = None
    """The Service or ServiceEntry it is made for; of a cluster that does not exist the one that
    the name asks for, if that can be told."""
    endpoints: int | None = None
    """How many endpoints take traffic; None where they are resolved elsewhere or not known."""
    made_by: Ref | None = None
    """The DestinationRule of its subset or TLS settings."""
