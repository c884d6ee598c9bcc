"""Gateway API listeners and routes, as findings show them."""

from collections.abc import Iterable

from istiodoctor.evidence import Evidence
from istiodoctor.mesh.gateways.api_routes import hostnames_of
from istiodoctor.mesh.gateways.attachments import Attachment
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.model.metadata import Condition
from istiodoctor.model.ref import Place, Ref


def status_evidence(found: Condition | None, ref: Ref) -> tuple[Evidence, ...]:
    """Return what istiod says in a condition, if there is one."""
    if found is None:
        return ()
    text = f"status of {ref}: {found.type}={found.status} {found.reason}: {found.message}"
    return (Evidence(text=text, ref=ref, at=found.last_transition_time),)


def hosts_of(attachment: Attachment) -> frozenset[str]:
    """Return the hosts a route is meant for: its own, else those of the listeners it wants."""
    names = hostnames_of(attachment.route) or tuple(
        name for server in attachment.candidates for name in server.names
    )
    return frozenset(names)


def places_of(servers: Iterable[Server], pointer: str) -> tuple[Place, ...]:
    """Return a field of each listener."""
    return tuple(each.field(pointer) for each in servers)
