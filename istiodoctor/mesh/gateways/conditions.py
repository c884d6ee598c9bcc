"""Status conditions that istiod sets on Gateway API objects."""

from collections.abc import Iterable, Mapping

from istiodoctor.mesh.gateways.api_gateways import CONTROLLER, api_gateways_by_ref, listener_sets
from istiodoctor.mesh.gateways.attachments import Attachment
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.gatewayapi import Gateway, ListenerSet
from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Condition, Metadata, condition
from istiodoctor.model.ref import Ref


@question
def _listener_conditions(mesh: Mesh) -> Mapping[tuple[Ref, str], tuple[Condition, ...]]:
    objects: tuple[Gateway | ListenerSet, ...] = (
        *api_gateways_by_ref(mesh).values(),
        *listener_sets(mesh),
    )
    return {
        (each.ref, status.name): tuple(current(each.metadata, status.conditions))
        for each in objects
        for status in each.status.listeners
    }


@question
def listener_condition(mesh: Mesh, server: Server, kind: str) -> Condition | None:
    """Return a condition of a listener; None when there is none, or an older spec's."""
    found = _listener_conditions(mesh).get((server.gateway, server.section_name), ())
    return condition(found, kind)


@question(Kind.HTTP_ROUTE, Kind.GRPC_ROUTE, Kind.TLS_ROUTE, Kind.TCP_ROUTE)
def route_condition(mesh: Mesh, attachment: Attachment, kind: str) -> Condition | None:
    """Return a condition that istiod set on a route for one parentRef; None as above."""
    said = tuple(current(attachment.route.metadata, conditions_of(attachment)))
    return condition(said, kind)


def conditions_of(attachment: Attachment) -> tuple[Condition, ...]:
    """Return all conditions that istiod set on a route for one parentRef, old ones too."""
    route, wanted = attachment.route, attachment.parent_reference
    for parent in route.status.parents:
        said = parent.parent_ref
        if parent.controller_name in ("", CONTROLLER) and (
            said.name,
            said.namespace or route.namespace,
            said.section_name,
            said.port,
        ) == (
            wanted.name,
            wanted.namespace or route.namespace,
            wanted.section_name,
            wanted.port,
        ):
            return parent.conditions
    return ()


def current(metadata: Metadata, conditions: Iterable[Condition]) -> Iterable[Condition]:
    """Return the conditions that speak of the present generation, or do not say of which."""
    return (
        each
        for each in conditions
        if not each.observed_generation or each.observed_generation >= metadata.generation
    )
