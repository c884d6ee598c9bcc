"""Gateway API listeners and routes that istiod does not turn into configuration anywhere.

Source: pilot/pkg/config/kube/gateway/conversion.go, gateway_collection.go:128-145.
"""

from collections import defaultdict
from collections.abc import Iterator

from istiodoctor.mesh.configuration.held_routes import (
    converted_http_route,
    converted_layer4_route,
)
from istiodoctor.mesh.configuration.left_out import LeftOut, Omission
from istiodoctor.mesh.gateways.api_gateways import (
    admits,
    api_gateways,
    api_servers,
    listener_sets_of,
)
from istiodoctor.mesh.gateways.api_routes import Route, hostnames_of
from istiodoctor.mesh.gateways.attachments import AttachmentState, attachments
from istiodoctor.mesh.gateways.listener_secrets import faulty_listener
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.releases import ALPHA_APIS
from istiodoctor.model.gatewayapi import HttpRoute
from istiodoctor.model.grpcroute import GrpcRoute
from istiodoctor.model.ref import Ref


@question(evidence=[faulty_listener])
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
                fault=faulty.fault,
                parents=(server.parent,),
                winner=faulty.winner.ref if faulty.winner else None,
                because=faulty.text,
                hosts=server.names,
            )


def _refused_sets(mesh: Mesh) -> Iterator[LeftOut]:
    for gateway in api_gateways(mesh):
        for each in listener_sets_of(mesh, gateway.ref):
            if admits(mesh, gateway, each) is False:
                yield LeftOut(
                    place=each.at("/spec/parentRef"),
                    omission=Omission.LISTENER_SET_REFUSED,
                    winner=gateway.ref,
                    parents=(gateway.ref,),
                    because=f"allowedListeners of {gateway.ref} does not let it in",
                    hosts=tuple(listener.hostname or "*" for listener in each.spec.listeners),
                )


@question
def routes_left_out(mesh: Mesh) -> tuple[LeftOut, ...]:
    """Return the routes of which istiod makes nothing: a rule is refused, or no kind is read."""
    parents: dict[tuple[Route, AttachmentState], list[Ref]] = defaultdict(list)
    for each in attachments(mesh):
        parents[each.route, each.state].append(each.parent)
    found = (_route_left_out(mesh, *key, tuple(refs)) for key, refs in parents.items())
    return tuple(each for each in found if each)


def _route_left_out(
    mesh: Mesh, route: Route, state: AttachmentState, parents: tuple[Ref, ...]
) -> LeftOut | None:
    fault = path = ""
    omission = Omission.INVALID_ROUTE
    if state is AttachmentState.KIND_NOT_READ:
        fault = f"this istiod reads a {route.ref.kind} only with {ALPHA_APIS}=true"
        omission = Omission.KIND_NOT_READ
    elif state is AttachmentState.ATTACHED:
        fault, path = _fault(mesh, route)
    if not fault:
        return None
    return LeftOut(
        place=route.at(path),
        omission=omission,
        because=fault,
        parents=parents,
        hosts=hostnames_of(route) or ("*",),
    )


def _fault(mesh: Mesh, route: Route) -> tuple[str, str]:
    """Return what is wrong with a route, and where."""
    if isinstance(route, HttpRoute | GrpcRoute):
        converted = converted_http_route(mesh, route)
        return converted.fault, converted.fault_path
    found = converted_layer4_route(mesh, route)
    return found.fault, found.fault_path
