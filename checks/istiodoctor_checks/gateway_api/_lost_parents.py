"""Routes of the Gateway API that name a Gateway, or a listener of it, which is not there."""

from collections.abc import Iterable
from dataclasses import dataclass

from istiodoctor.mesh.gateways.api_gateways import api_gateways_by_ref
from istiodoctor.mesh.gateways.api_routes import hostnames_of
from istiodoctor.mesh.gateways.attachments import (
    Attachment,
    AttachmentState,
    attachments,
    gateways_of_listener_sets,
)
from istiodoctor.mesh.gateways.route_parents import parents_of_routes
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import meet
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LostParent:
    """A parentRef that leads to no listener."""

    attachment: Attachment
    listeners: tuple[Server, ...] = ()
    """Those of the parent that routes may attach to; none where the parent does not exist."""
    suitable: tuple[Ref, ...] = ()
    """Gateways with a listener for the route's hostnames; only where the parent is missing."""
    gateway: Ref | None = None
    """The Gateway that the parent, a ListenerSet, names and that does not exist."""
    has_other: bool = False
    """Whether the route is attached elsewhere."""
    is_answered: bool = False
    """Whether other routes are attached for all of its hostnames."""

    @property
    def is_missing(self) -> bool:
        """Whether the parent itself does not exist."""
        return self.attachment.state is AttachmentState.NO_PARENT


@question
def lost_parents(mesh: Mesh) -> tuple[LostParent, ...]:
    """Return the parentRefs that name no Gateway, or none of its listeners.

    Not those to listeners of which istiod makes nothing: that is a fault of the listener.
    """
    every = attachments(mesh)
    attached = {each.route.ref for each in every if each.state is AttachmentState.ATTACHED}
    answered = frozenset(host for each in every for host in each.hosts)
    return tuple(
        LostParent(
            attachment=each,
            listeners=_listeners(mesh, each),
            suitable=_suitable(mesh, each) if each.state is AttachmentState.NO_PARENT else (),
            gateway=gateways_of_listener_sets(mesh).get(each.parent)
            if each.state is AttachmentState.NO_PARENT
            else None,
            has_other=each.route.ref in attached,
            is_answered=_is_answered(each, answered),
        )
        for each in every
        if each.state is AttachmentState.NO_PARENT
        or (each.state is AttachmentState.NO_LISTENER and _is_lost(mesh, each))
    )


def _listeners(mesh: Mesh, attachment: Attachment) -> tuple[Server, ...]:
    found = parents_of_routes(mesh).get(attachment.parent)
    return found.listeners if found else ()


@question(Kind.GATEWAY)
def _written(mesh: Mesh, parent: Ref) -> tuple[tuple[str, int], ...]:
    """Return section and port of each listener of a Gateway, faulty ones too."""
    gateway = api_gateways_by_ref(mesh).get(parent)
    listeners = gateway.spec.listeners if gateway else ()
    return tuple((each.name, each.port) for each in listeners)


def _is_lost(mesh: Mesh, attachment: Attachment) -> bool:
    """Whether no faulty listener is what the parentRef means."""
    usable = _listeners(mesh, attachment)
    if not usable:
        return False
    wanted = attachment.parent_reference
    section, port = wanted.section_name, wanted.port
    known = {(each.section_name, each.port) for each in usable}
    faulty = (each for each in _written(mesh, attachment.parent) if each not in known)
    return not any(
        section in ("", name) and port in (0, number) and (section or port)
        for name, number in faulty
    )


def _suitable(mesh: Mesh, attachment: Attachment) -> tuple[Ref, ...]:
    hostnames = hostnames_of(attachment.route)
    return tuple(
        dict.fromkeys(
            server.gateway
            for parent in parents_of_routes(mesh).values()
            for server in parent.listeners
            if server.hostname and _meets(server.hostname.lower(), hostnames)
        )
    )


def _meets(own: str, hostnames: Iterable[str]) -> bool:
    return any(meet(own, each.lower()) for each in hostnames)


def _is_answered(attachment: Attachment, answered: frozenset[str]) -> bool:
    hostnames = hostnames_of(attachment.route)
    return bool(hostnames) and answered.issuperset(hostnames)
