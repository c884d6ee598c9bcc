"""What istiod itself says of Gateway API objects: their status conditions."""

from collections.abc import Iterable, Mapping

from istiodoctor.mesh.attachments import Attachment, AttachmentQuestions
from istiodoctor.mesh.gatewayapi import CONTROLLER
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.servers import Server
from istiodoctor.model.gatewayapi import Gateway, ListenerSet
from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Condition, Metadata, condition
from istiodoctor.model.ref import Ref


class ConditionQuestions(AttachmentQuestions):
    """Conditions, as long as they speak of the object as it stands."""

    @question(
        rests_on=[AttachmentQuestions.api_gateways_by_ref, AttachmentQuestions.listener_sets]
    )
    def _listener_conditions(self) -> Mapping[tuple[Ref, str], tuple[Condition, ...]]:
        objects: tuple[Gateway | ListenerSet, ...] = (
            *self.api_gateways_by_ref().values(),
            *self.listener_sets(),
        )
        return {
            (each.ref, status.name): tuple(current(each.metadata, status.conditions))
            for each in objects
            for status in each.status.listeners
        }

    @question(rests_on=[_listener_conditions])
    def listener_condition(self, server: Server, kind: str) -> Condition | None:
        """Return a condition of a listener; None when there is none, or an older spec's."""
        found = self._listener_conditions().get((server.gateway, server.port_name), ())
        return condition(found, kind)

    @question(Kind.HTTP_ROUTE, Kind.TLS_ROUTE)
    def route_condition(self, attachment: Attachment, kind: str) -> Condition | None:
        """Return a condition that istiod set on a route for one parentRef; None as above."""
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
                return condition(tuple(current(route.metadata, parent.conditions)), kind)
        return None


def current(metadata: Metadata, conditions: Iterable[Condition]) -> Iterable[Condition]:
    """Return the conditions that speak of the present generation, or do not say of which."""
    return (
        each
        for each in conditions
        if not each.observed_generation or each.observed_generation >= metadata.generation
    )
