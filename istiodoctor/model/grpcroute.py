"""GRPCRoute (API reference: gateway-api.sigs.k8s.io/reference/spec)."""

from typing import ClassVar

from istiodoctor.model.gatewayapi import (
    HttpBackendReference,
    NamedMatch,
    ParentReference,
    RouteStatus,
)
from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Fields, Resource
from istiodoctor.model.routefilters import RouteFilter


class GrpcMethodMatch(Fields, frozen=True, kw_only=True):
    """A method of a gRPC service; the default is an exact match."""

    type: str = "Exact"
    service: str | None = None
    method: str | None = None


class GrpcRouteMatch(Fields, frozen=True, kw_only=True):
    """`rules[].matches[]`: all fields must hold."""

    method: GrpcMethodMatch | None = None
    headers: tuple[NamedMatch, ...] = ()


class GrpcRouteRule(Fields, frozen=True, kw_only=True):
    """`GRPCRoute.spec.rules[]`; without `matches` it takes every method."""

    name: str = ""
    matches: tuple[GrpcRouteMatch, ...] = ()
    filters: tuple[RouteFilter, ...] = ()
    backend_refs: tuple[HttpBackendReference, ...] = ()


class GrpcRouteSpec(Fields, frozen=True, kw_only=True):
    """`GRPCRoute.spec`."""

    parent_refs: tuple[ParentReference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[GrpcRouteRule, ...] = ()


class GrpcRoute(Resource, frozen=True, kw_only=True):
    """A GRPCRoute."""

    KIND: ClassVar[Kind] = Kind.GRPC_ROUTE
    spec: GrpcRouteSpec = GrpcRouteSpec()
    status: RouteStatus = RouteStatus()
