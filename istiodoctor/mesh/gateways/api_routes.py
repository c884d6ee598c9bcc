"""The routes of the Gateway API."""

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import is_of_no_revision, known_revisions
from istiodoctor.model.gatewayapi import HttpRoute, TcpRoute, TlsRoute
from istiodoctor.model.grpcroute import GrpcRoute
from istiodoctor.model.kind import Kind

Route = HttpRoute | GrpcRoute | TlsRoute | TcpRoute


@question(Kind.HTTP_ROUTE, evidence=[known_revisions])
def http_routes(mesh: Mesh) -> tuple[HttpRoute, ...]:
    """Return every HTTPRoute that some istiod reads."""
    return tuple(each for each in mesh.all(HttpRoute) if not is_passed_over(mesh, each))


@question(Kind.GRPC_ROUTE, evidence=[known_revisions])
def grpc_routes(mesh: Mesh) -> tuple[GrpcRoute, ...]:
    """Return every GRPCRoute that some istiod reads."""
    return tuple(each for each in mesh.all(GrpcRoute) if not is_passed_over(mesh, each))


@question(Kind.TLS_ROUTE, evidence=[known_revisions])
def tls_routes(mesh: Mesh) -> tuple[TlsRoute, ...]:
    """Return every TLSRoute that some istiod reads."""
    return tuple(each for each in mesh.all(TlsRoute) if not is_passed_over(mesh, each))


@question(Kind.TCP_ROUTE, evidence=[known_revisions])
def tcp_routes(mesh: Mesh) -> tuple[TcpRoute, ...]:
    """Return every TCPRoute that some istiod reads."""
    return tuple(each for each in mesh.all(TcpRoute) if not is_passed_over(mesh, each))


@question(Kind.TLS_ROUTE)
def tls_route_version(mesh: Mesh) -> str:
    """Return the best version under which the cluster has TLSRoutes; empty if unknown.

    Manifests do not say what the cluster that they are for serves.
    """
    return mesh.snapshot.served_versions.get(Kind.TLS_ROUTE, "")


def is_passed_over(mesh: Mesh, route: Route) -> bool:
    """Whether no istiod reads a route, for its label names another revision.

    Source: pilot/pkg/config/kube/gateway/controller.go:473 and 635 (`inRevision`).
    """
    return is_of_no_revision(mesh, route.metadata.labels)


@question(Kind.GRPC_ROUTE, Kind.TLS_ROUTE, Kind.TCP_ROUTE)
def _other_routes(mesh: Mesh) -> tuple[Route, ...]:
    return (*mesh.all(GrpcRoute), *mesh.all(TlsRoute), *mesh.all(TcpRoute))


@question(Kind.HTTP_ROUTE, evidence=[known_revisions, _other_routes])
def routes_passed_over(mesh: Mesh) -> tuple[Route, ...]:
    """Return the routes that no istiod reads, for their label names another revision."""
    every: tuple[Route, ...] = (
        *mesh.all(HttpRoute),
        *_other_routes(mesh),
    )
    return tuple(each for each in every if is_passed_over(mesh, each))


def hostnames_of(route: Route) -> tuple[str, ...]:
    """Return the hostnames of a route; `*` for one without, as every TCPRoute is."""
    return () if isinstance(route, TcpRoute) else route.spec.hostnames
