"""A connection that a gateway's Envoy has taken."""

from istiodoctor.mesh.configuration.listener import FilterChain, HttpConnectionManager
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.value import Value


class Connection(Value, frozen=True, kw_only=True, eq=False):
    """A connection that Envoy has taken, and on which requests come."""

    workload: Workload
    port: int
    """In the pod."""
    chain: FilterChain
    manager: HttpConnectionManager
    """Of the chain, as patches leave it."""
    server_name: str
    is_tls: bool
    told: str = ""
    """The X-Forwarded-Proto that a proxy before the gateway adds."""
    is_held: bool
    """Whether what Envoy holds answers; else the objects alone do."""
