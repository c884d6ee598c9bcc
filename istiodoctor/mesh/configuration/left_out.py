"""What the objects ask for and istiod does not make."""

from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.gateways.listener_faults import ListenerFault
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.model.ref import Place, Ref


class Omission(StrEnum):
    """Why istiod leaves a part out."""

    DUPLICATE_HOSTS = "duplicate-hosts"
    """Another TLS server of the port has one of its hosts (model/gateway.go:563)."""
    CONFLICTING_PROTOCOL = "conflicting-protocol"
    DUPLICATE_PORT_NAME = "duplicate-port-name"
    """Two HTTPS servers with one port name in one Gateway."""
    PRIVILEGED_PORT = "privileged-port"
    MISSING_TLS = "missing-tls"
    FAULTY_LISTENER = "faulty-listener"
    """A listener of the Gateway API that istiod refuses (conversion.go:2079): `because` says why.
    """
    OUTSIDE_SCOPE = "outside-scope"
    """A server of a namespace that its pods get no Gateways from (push_context.go:2454)."""
    OTHER_REVISION = "other-revision"
    """A server of a Gateway whose label names another revision (crdclient/client.go:439)."""
    STRICT_MERGING = "strict-merging"
    """A server of another namespace than the Gateway whose pods istiod made."""
    NO_FILTER_CHAIN = "no-filter-chain"
    """A server that no route makes a filter chain for."""
    DUPLICATE_SNI = "duplicate-sni"
    """A tls match with a name that another one of the port has (core/gateway.go:971)."""
    LISTENER_SET_REFUSED = "listener-set-refused"
    """`allowedListeners` of its Gateway does not let a ListenerSet in."""
    INVALID_ROUTE = "invalid-route"
    """A rule that istiod refuses, and with it the whole route (route_collections.go:620)."""
    KIND_NOT_READ = "kind-not-read"
    """A route of a kind that this istiod reads only with a flag."""
    INGRESS_DEFAULT_BACKEND = "ingress-default-backend"
    """istiod passes it over (ingress/ingress.go:166)."""
    INGRESS_WITHOUT_SECRET = "ingress-without-secret"
    """A `tls` entry of an Ingress that names no Secret (ingress/gateways.go:55)."""
    INGRESS_PORT_UNKNOWN = "ingress-port-unknown"
    """A path of an Ingress whose Service has not the port it names."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeftOut:
    """One part that is not made, and why."""

    place: Place
    """What asks for it."""
    omission: Omission
    port: int = 0
    """In the pod; 0 where it is none of a port."""
    server: Server | None = None
    by: Server | None = None
    """The older server that stands in its way."""
    winner: Ref | None = None
    """The object that stands in its way, where it is no server."""
    parents: tuple[Ref, ...] = ()
    """The Gateways or Ingresses that would have it, where it is part of no merging."""
    fault: ListenerFault | None = None
    """Of a listener of the Gateway API."""
    because: str = ""
    """What istiod finds wrong with it, where there is more to say: a clause."""
    hosts: tuple[str, ...] = ()
    """The host texts that both have, or those that lose their answer."""
    age_is_known: bool = True
    """Whether creation times decide; without them the order of files does not."""
