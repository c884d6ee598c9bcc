"""What istiod refuses, or has not judged, by the status of objects of the Gateway API."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from istiodoctor.mesh.gateways.api_gateways import api_gateways, listener_sets_of
from istiodoctor.mesh.gateways.api_routes import hostnames_of
from istiodoctor.mesh.gateways.attachments import Attachment, AttachmentState, attachments
from istiodoctor.mesh.gateways.conditions import current, listener_condition, route_condition
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.gatewayapi import Gateway, ListenerSet
from istiodoctor.model.metadata import Condition, condition
from istiodoctor.model.ref import Place, Ref

CONFLICTED = "Conflicted"
OF_LISTENERS = (CONFLICTED, "Accepted", "ResolvedRefs", "Programmed")
SUMMARY = "ListenersNotValid"
"""The reason of a ListenerSet whose listeners say themselves what is wrong."""
OF_SETS = ("Accepted", "Programmed")
OF_ROUTES = ("Accepted", "ResolvedRefs")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StatusRefusal:
    """A condition by which istiod refuses an object, or has not judged it."""

    place: Place
    """The object or listener that it is said of."""
    condition: Condition
    hosts: tuple[str, ...]
    server: Server | None = None
    """The listener that it is said of."""
    parent: Ref | None = None
    """The parent for which it is said of a route."""
    is_answered: bool = False
    """Whether all hosts of a route have other routes, or it has other parents."""

    generation: int = 0
    """The object's, where every condition is of an older one; else 0."""

    @property
    def is_undecided(self) -> bool:
        """Whether nobody has said yes or no."""
        return self.condition.status not in ("True", "False")


@question
def status_refusals(mesh: Mesh) -> tuple[StatusRefusal, ...]:
    """Return what istiod's conditions refuse, the first of each object, listener or parentRef.

    Of a Gateway only that nobody took it, or its present spec: those that are refused are told by
    the check about Gateways.
    """
    return (
        *_of_gateways(mesh),
        *_of_sets(mesh),
        *_of_listeners(mesh),
        *_of_routes(mesh),
    )


def _of_gateways(mesh: Mesh) -> Iterator[StatusRefusal]:
    for each in api_gateways(mesh):
        said = condition(tuple(current(each.metadata, each.status.conditions)), "Accepted")
        if said and said.status == "Unknown":
            yield StatusRefusal(place=each.at(), condition=said, hosts=_hosts(each))
        elif each.status.conditions and not any(current(each.metadata, each.status.conditions)):
            yield StatusRefusal(
                place=each.at(),
                condition=max(each.status.conditions, key=lambda found: found.observed_generation),
                hosts=_hosts(each),
                generation=each.metadata.generation,
            )


def _of_sets(mesh: Mesh) -> Iterator[StatusRefusal]:
    for gateway in api_gateways(mesh):
        for each in listener_sets_of(mesh, gateway.ref):
            said = tuple(current(each.metadata, each.status.conditions))
            refused = _first(condition(said, kind) for kind in OF_SETS)
            if refused and refused.reason != SUMMARY:
                yield StatusRefusal(place=each.at(), condition=refused, hosts=_hosts(each))


def _hosts(source: Gateway | ListenerSet) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.hostname or "*" for each in source.spec.listeners))


def _of_listeners(mesh: Mesh) -> Iterator[StatusRefusal]:
    for server in servers(mesh):
        if server.api is not GatewayApi.GATEWAY_API:
            continue
        refused = _first(listener_condition(mesh, server, kind) for kind in OF_LISTENERS)
        if refused:
            yield StatusRefusal(
                place=server.place, condition=refused, hosts=server.names, server=server
            )


def _of_routes(mesh: Mesh) -> Iterator[StatusRefusal]:
    for each in attachments(mesh):
        if each.state is AttachmentState.FOREIGN or not each.route.status.parents:
            continue
        refused = _first(route_condition(mesh, each, kind) for kind in OF_ROUTES)
        if refused:
            own = hostnames_of(each.route)
            listed = own or tuple(name for one in each.candidates for name in one.names)
            yield StatusRefusal(
                place=each.place,
                condition=refused,
                hosts=tuple(dict.fromkeys((*listed, *each.hosts))),
                parent=each.parent,
                is_answered=_is_answered(mesh, each),
            )


def _is_answered(mesh: Mesh, refused: Attachment) -> bool:
    others = [
        each
        for each in attachments(mesh)
        if each is not refused and each.state is AttachmentState.ATTACHED
    ]
    hosts = {host for each in others for host in each.hosts}
    own = hostnames_of(refused.route)
    return any(each.route is refused.route for each in others) or (
        bool(own) and hosts.issuperset(own)
    )


def _first(conditions: Iterable[Condition | None]) -> Condition | None:
    """Return the first condition that says no: for conflicts that is `True`."""
    return next((each for each in conditions if each and _refuses(each)), None)


def _refuses(said: Condition) -> bool:
    return said.status == ("True" if said.type == CONFLICTED else "False")
