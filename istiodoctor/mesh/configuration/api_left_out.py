"""What objects of the Gateway API ask for and istiod does not make, on whatever workload.

Source: pilot/pkg/config/kube/gateway/conversion.go, gateway_collection.go:128-145.
"""

from collections.abc import Iterator

from istiodoctor.mesh.api_gateway_pods import api_gateway_ports, api_gateway_workloads
from istiodoctor.mesh.attachments import AttachmentState, Route, attachments, hostnames_of
from istiodoctor.mesh.configuration.held_routes import (
    converted_http_route,
    converted_layer4_route,
)
from istiodoctor.mesh.configuration.left_out import LeftOut, Omission
from istiodoctor.mesh.gatewayapi import admits, api_gateways, api_servers, listener_sets_of
from istiodoctor.mesh.listener_secrets import faulty_listener
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.releases import ALPHA_APIS
from istiodoctor.mesh.servers import Server
from istiodoctor.model.gatewayapi import HttpRoute
from istiodoctor.model.grpcroute import GrpcRoute
from istiodoctor.model.ref import Place


@question
def listeners_left_out(mesh: Mesh) -> tuple[LeftOut, ...]:
    """Return the listeners of which istiod makes no server, and ListenerSets not let in."""
    return (*_faulty_listeners(mesh), *_refused_sets(mesh))


def _faulty_listeners(mesh: Mesh) -> Iterator[LeftOut]:
    for server in api_servers(mesh):
        faulty = faulty_listener(mesh, server)
        if faulty:
            yield LeftOut(
                place=server.place,
                omission=Omission.FAULTY_LISTENER,
                server=server,
                winner=faulty.winner.ref if faulty.winner else None,
                because=faulty.text,
                hosts=server.host_texts,
            )


def _refused_sets(mesh: Mesh) -> Iterator[LeftOut]:
    for gateway in api_gateways(mesh):
        for each in listener_sets_of(mesh, gateway.ref):
            if admits(mesh, gateway, each) is False:
                yield LeftOut(
                    place=each.at("/spec/parentRef"),
                    omission=Omission.LISTENER_SET_REFUSED,
                    winner=gateway.ref,
                    because=f"allowedListeners of {gateway.ref} does not let it in",
                    hosts=tuple(listener.hostname or "*" for listener in each.spec.listeners),
                )


@question
def listeners_without_port(mesh: Mesh) -> tuple[LeftOut, ...]:
    """Return the listeners whose port none of their Gateway's Services has: nothing opens it."""
    return tuple(
        LeftOut(
            place=server.field("/port/number"),
            omission=Omission.NO_SERVICE_PORT,
            server=server,
            because=f"no Service of {server.parent} has port {server.port}",
            hosts=server.host_texts,
        )
        for server in api_servers(mesh)
        if faulty_listener(mesh, server) is None and _is_closed(mesh, server)
    )


def _is_closed(mesh: Mesh, server: Server) -> bool:
    """Whether a listener opens no port on any of its pods, of which there are some."""
    workloads = api_gateway_workloads(mesh, server.parent)
    return bool(workloads) and not any(
        api_gateway_ports(mesh, server.parent, each, server.port) for each in workloads
    )


@question
def routes_left_out(mesh: Mesh) -> tuple[LeftOut, ...]:
    """Return the routes of which istiod makes nothing: a rule is refused, or no kind is read."""
    attached = _routes_in(mesh, AttachmentState.ATTACHED)
    refused = (found for route in attached if (found := _left_out(mesh, route)) is not None)
    return (*refused, *map(_not_read, _routes_in(mesh, AttachmentState.KIND_NOT_READ)))


def _routes_in(mesh: Mesh, state: AttachmentState) -> tuple[Route, ...]:
    return tuple(dict.fromkeys(each.route for each in attachments(mesh) if each.state is state))


def _not_read(route: Route) -> LeftOut:
    return LeftOut(
        place=Place(route.ref),
        omission=Omission.KIND_NOT_READ,
        because=f"this istiod reads a {route.ref.kind} only with {ALPHA_APIS}=true",
        hosts=hostnames_of(route) or ("*",),
    )


def _left_out(mesh: Mesh, route: Route) -> LeftOut | None:
    if isinstance(route, HttpRoute | GrpcRoute):
        converted = converted_http_route(mesh, route)
        fault, path = converted.fault, converted.fault_path
    else:
        found = converted_layer4_route(mesh, route)
        fault, path = found.fault, found.fault_path
    if not fault:
        return None
    return LeftOut(
        place=route.at(path),
        omission=Omission.INVALID_ROUTE,
        because=fault,
        hosts=hostnames_of(route) or ("*",),
    )
