"""What a client gets in the end, in words that other programs compare."""

from enum import StrEnum

from istiodoctor.model.value import Value


class AnswerOutcome(StrEnum):
    """What a client gets at the end of one path of a request, wanted or not."""

    BACKEND = "backend"
    """A cluster with an endpoint gets the request."""
    NO_CLUSTER = "no-cluster"
    """The route names a cluster that Envoy has not: 503."""
    NO_ENDPOINT = "no-endpoint"
    """The cluster has no endpoint that takes traffic: 503."""
    REDIRECT = "redirect"
    """Also one that leads in circles, or to where no client can follow."""
    DIRECT = "direct"
    """Envoy answers by itself as a route tells it to; 500 where a rule has no backend."""
    NOT_FOUND = "not-found"
    """Envoy's own 404: no virtual host, or no route of it, takes the request."""
    DENIED = "denied"
    """Envoy's own 403: an AuthorizationPolicy."""
    FAULT = "fault"
    """An error that a route injects."""
    ERROR = "error"
    """Another error of Envoy's own."""
    REFUSED = "refused"
    """Nothing listens."""
    RESET = "reset"
    """The connection is closed, or the handshake fails."""
    TIMEOUT = "timeout"
    NO_PORT = "no-port"
    """No Service of the gateway has the port: a client gets no connection."""
    UNKNOWN = "unknown"


class ClusterState(StrEnum):
    """What becomes of the requests for one cluster."""

    OK = "ok"
    NO_CLUSTER = "no-cluster"
    NO_ENDPOINT = "no-endpoint"
    UNKNOWN = "unknown"


class RouteCluster(Value, frozen=True, kw_only=True):
    """One cluster that a route sends requests to."""

    name: str
    """In Envoy's words: `outbound|80||web.shop.svc.cluster.local`."""
    weight: int = 1
    """Its part of the requests, beside those of the others."""
    state: ClusterState = ClusterState.OK


class ServedCertificate(Value, frozen=True, kw_only=True):
    """The Secret whose certificate is served, or the workload's own from Istio's CA."""

    namespace: str
    name: str = ""
    """Empty for the workload's own."""
