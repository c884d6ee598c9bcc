"""The routes of the Gateway API."""

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.gatewayapi import HttpRoute, TcpRoute, TlsRoute
from istiodoctor.model.grpcroute import GrpcRoute
from istiodoctor.model.kind import Kind

Route = HttpRoute | GrpcRoute | TlsRoute | TcpRoute


@question(Kind.HTTP_ROUTE)
def http_routes(mesh: Mesh) -> tuple[HttpRoute, ...]:
    """Return every HTTPRoute."""
    return mesh.all(HttpRoute)


@question(Kind.GRPC_ROUTE)
def grpc_routes(mesh: Mesh) -> tuple[GrpcRoute, ...]:
    """Return every GRPCRoute."""
    return mesh.all(GrpcRoute)


@question(Kind.TLS_ROUTE)
def tls_routes(mesh: Mesh) -> tuple[TlsRoute, ...]:
    """Return every TLSRoute."""
    return mesh.all(TlsRoute)


@question(Kind.TCP_ROUTE)
def tcp_routes(mesh: Mesh) -> tuple[TcpRoute, ...]:
    """Return every TCPRoute."""
    return mesh.all(TcpRoute)


@question(Kind.TLS_ROUTE)
def tls_route_version(mesh: Mesh) -> str:
    """Return the best version under which the cluster has TLSRoutes; empty if unknown.

    Manifests do not say what the cluster that they are for serves.
    """
    return mesh.snapshot.served_versions.get(Kind.TLS_ROUTE, "")


def hostnames_of(route: Route) -> tuple[str, ...]:
    """Return the hostnames of a route; `*` for one without, as every TCPRoute is."""
    return () if isinstance(route, TcpRoute) else route.spec.hostnames
