"""What istiod refuses, or has not judged, by the status of objects of the Gateway API."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from istiodoctor.mesh.gateways.api_gateways import CONTROLLER, api_gateways, listener_sets_of
from istiodoctor.mesh.gateways.api_routes import hostnames_of
from istiodoctor.mesh.gateways.attachments import Attachment, AttachmentState, attachments
from istiodoctor.mesh.gateways.conditions import (
    conditions_of,
    current,
    listener_condition,
    route_condition,
)
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.backend_tls_policy import BackendTlsPolicy
from istiodoctor.model.gatewayapi import Gateway, ListenerSet
from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Condition, Metadata, condition
from istiodoctor.model.ref import Place, Ref

CONFLICTED = "Conflicted"
OF_LISTENERS = (CONFLICTED, "Accepted", "ResolvedRefs", "Programmed")
SUMMARY = "ListenersNotValid"
"""The reason of a ListenerSet whose listeners say themselves what is wrong."""
DECIDED = frozenset({"True", "False"})
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
    def is_of_policy(self) -> bool:
        """Whether it is said of a BackendTLSPolicy."""
        return self.place.ref.kind == BackendTlsPolicy.KIND.value.kind

    @property
    def is_untaken(self) -> bool:
        """Whether it is a Gateway, or a ListenerSet, that no istiod has taken at all."""
        is_whole = self.server is None and self.parent is None and not self.is_of_policy
        return is_whole and self.is_undecided and self.condition.type == "Accepted"

    @property
    def is_undecided(self) -> bool:
        """Whether nobody has said yes or no."""
        return self.condition.status not in DECIDED


@question(Kind.BACKEND_TLS_POLICY)
def policy_refusals(mesh: Mesh) -> tuple[StatusRefusal, ...]:
    """Return the BackendTLSPolicies that istiod refuses, or has not judged, for a Gateway."""
    found = []
    for policy in mesh.all(BackendTlsPolicy):
        for ancestor in policy.status.ancestors:
            if ancestor.controller_name not in ("", CONTROLLER):
                continue
            conditions = tuple(current(policy.metadata, ancestor.conditions))
            said = [condition(conditions, kind) for kind in OF_ROUTES]
            if refused := _first(said) or _undecided(said):
                found.append(StatusRefusal(place=policy.at(), condition=refused, hosts=()))
                break
    return tuple(found)


@question(evidence=[policy_refusals])
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
        *policy_refusals(mesh),
    )


def _of_gateways(mesh: Mesh) -> Iterator[StatusRefusal]:
    for each in api_gateways(mesh):
        said = condition(tuple(current(each.metadata, each.status.conditions)), "Accepted")
        if said and said.status == "Unknown":
            yield StatusRefusal(place=each.at(), condition=said, hosts=_hosts(each))
        elif stale := _stale(each.metadata, each.status.conditions):
            yield StatusRefusal(
                place=each.at(),
                condition=stale,
                hosts=_hosts(each),
                generation=each.metadata.generation,
            )
        elif pending := _undecided(_conditions(each, OF_SETS)):
            yield StatusRefusal(place=each.at(), condition=pending, hosts=_hosts(each))


def _stale(metadata: Metadata, conditions: tuple[Condition, ...]) -> Condition | None:
    """Return the newest condition of an object whose present spec none of them is of."""
    if not conditions or any(current(metadata, conditions)):
        return None
    return max(conditions, key=lambda found: found.observed_generation)


def _conditions(
    source: Gateway | ListenerSet, kinds: tuple[str, ...]
) -> Iterator[Condition | None]:
    said = tuple(current(source.metadata, source.status.conditions))
    return (condition(said, kind) for kind in kinds)


def _undecided(conditions: Iterable[Condition | None]) -> Condition | None:
    """Return the first condition that says neither yes nor no."""
    return next((each for each in conditions if each and each.status not in DECIDED), None)


def _of_sets(mesh: Mesh) -> Iterator[StatusRefusal]:
    for gateway in api_gateways(mesh):
        for each in listener_sets_of(mesh, gateway.ref):
            refused = _first(_conditions(each, OF_SETS)) or _undecided(_conditions(each, OF_SETS))
            stale = _stale(each.metadata, each.status.conditions)
            if refused and refused.reason != SUMMARY:
                yield StatusRefusal(place=each.at(), condition=refused, hosts=_hosts(each))
            elif stale:
                yield StatusRefusal(
                    place=each.at(),
                    condition=stale,
                    hosts=_hosts(each),
                    generation=each.metadata.generation,
                )


def _hosts(source: Gateway | ListenerSet) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.hostname or "*" for each in source.spec.listeners))


def _of_listeners(mesh: Mesh) -> Iterator[StatusRefusal]:
    for server in servers(mesh):
        if server.api is not GatewayApi.GATEWAY_API:
            continue
        said = [listener_condition(mesh, server, kind) for kind in OF_LISTENERS]
        refused = _first(said) or _undecided(said)
        if refused:
            yield StatusRefusal(
                place=server.place, condition=refused, hosts=server.names, server=server
            )


def _of_routes(mesh: Mesh) -> Iterator[StatusRefusal]:
    for each in attachments(mesh):
        if each.state is AttachmentState.FOREIGN or not each.route.status.parents:
            continue
        said = [route_condition(mesh, each, kind) for kind in OF_ROUTES]
        refused = _first(said) or _undecided(said)
        stale = None if refused else _stale(each.route.metadata, conditions_of(each))
        if found := refused or stale:
            own = hostnames_of(each.route)
            listed = own or tuple(name for one in each.candidates for name in one.names)
            yield StatusRefusal(
                place=each.place,
                condition=found,
                hosts=tuple(dict.fromkeys((*listed, *each.hosts))),
                parent=each.parent,
                is_answered=_is_answered(mesh, each),
                generation=each.route.metadata.generation if stale else 0,
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
