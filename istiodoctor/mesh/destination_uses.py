"""The destinations of the routes that are meant for gateways."""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.held import HeldHttpRule, HeldTcpRule, HeldTlsRule
from istiodoctor.mesh.configuration.names import MESH
from istiodoctor.mesh.configuration.virtual_services import destination_place, virtual_services
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.routing import as_held
from istiodoctor.model.istio import Destination, VirtualService
from istiodoctor.model.ref import Place
from istiodoctor.model.value import Value

HeldRule = HeldHttpRule | HeldTlsRule | HeldTcpRule


class DestinationUse(Value, frozen=True, kw_only=True):
    """One destination of a route that is bound to a gateway."""

    destination: Destination
    place: Place
    virtual_service: VirtualService
    namespace: str
    protocol: str
    """`http`, `tls` or `tcp`."""
    is_whole: bool = True
    """Whether every request of the VirtualService, or all that no other rule takes, goes here."""
    is_unused: bool = False
    """Whether its weight is 0 beside others."""


@question
def destination_uses(mesh: Mesh) -> tuple[DestinationUse, ...]:
    """Return every destination of every VirtualService that names a gateway."""
    return tuple(
        use
        for source in virtual_services(mesh)
        if any(text != MESH for text in source.spec.gateways)
        for use in _uses(mesh, source)
    )


def _uses(mesh: Mesh, source: VirtualService) -> Iterator[DestinationUse]:
    held = as_held(mesh, source)
    http = [each for each in held.http if _is_for_gateways(each)]
    for each in http:
        is_whole = len(http) == 1 or not each.rule.match
        yield from _of_rule(source, each, "http", is_whole=is_whole)
    for tls in held.tls:
        if _is_for_gateways(tls):
            yield from _of_rule(source, tls, "tls", is_whole=True)
    for tcp in held.tcp:
        if _is_for_gateways(tcp):
            yield from _of_rule(source, tcp, "tcp", is_whole=True)


def _of_rule(
    source: VirtualService, held: HeldRule, protocol: str, *, is_whole: bool
) -> Iterator[DestinationUse]:
    route = (held.written or held.rule).route
    weighted = sum(each.weight > 0 for each in route)
    is_http = protocol == "http"
    for index, each in enumerate(route):
        yield DestinationUse(
            destination=each.destination,
            place=destination_place(held, index),
            virtual_service=source,
            namespace=held.place.ref.namespace,
            protocol=protocol,
            is_whole=is_whole and (weighted < 2 or not is_http),
            is_unused=is_http and weighted > 0 and not each.weight,
        )


def _is_for_gateways(held: HeldRule) -> bool:
    """Whether a rule may match on a gateway: not where all its matches ask for the mesh."""
    matches = held.rule.match
    return not matches or any({*each.gateways} != {MESH} for each in matches)
