"""The destinations of routes that are bound to gateways."""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.bindings import as_held
from istiodoctor.mesh.configuration.held import HeldRule
from istiodoctor.mesh.configuration.virtual_services import destination_place
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.workloads.names import MESH
from istiodoctor.model.istio import Destination, VirtualService
from istiodoctor.model.ref import Place
from istiodoctor.model.value import Value


class DestinationUse(Value, frozen=True, kw_only=True, eq=False):
    """One destination of a route that is meant for gateways.

    There are as many as routes: what is asked of few of them is worked out when it is asked.
    """

    virtual_service: VirtualService
    held: HeldRule
    index: int
    """Of the destination in its rule."""
    protocol: str
    """`http`, `tls` or `tcp`."""
    takes_the_rest: bool = True
    """Whether its rule takes every request of the VirtualService, or all that no other takes."""

    @property
    def destination(self) -> Destination:
        """The destination as it is written."""
        return (self.held.written or self.held.rule).route[self.index].destination

    @property
    def resolved(self) -> Destination:
        """The same with the full name of its host."""
        return self.held.rule.route[self.index].destination

    @property
    def place(self) -> Place:
        """The field."""
        return destination_place(self.held, self.index)

    @property
    def namespace(self) -> str:
        """The namespace that short names are completed with."""
        return self.held.place.ref.namespace

    @property
    def is_whole(self) -> bool:
        """Whether every request goes here, or all that no other rule takes."""
        return self.takes_the_rest and (self.protocol != "http" or self._weighted < 2)

    @property
    def is_unused(self) -> bool:
        """Whether its weight is 0 beside others."""
        weight = self.held.rule.route[self.index].weight
        return self.protocol == "http" and self._weighted > 0 and not weight

    @property
    def _weighted(self) -> int:
        return sum(each.weight > 0 for each in self.held.rule.route)


def destination_uses(mesh: Mesh, source: VirtualService) -> tuple[DestinationUse, ...]:
    """Return every destination of a VirtualService whose rule may match on a gateway."""
    return tuple(_uses(mesh, source))


def _uses(mesh: Mesh, source: VirtualService) -> Iterator[DestinationUse]:
    held = as_held(mesh, source)
    http = [each for each in held.http if _is_for_gateways(each)]
    for each in http:
        takes_the_rest = len(http) == 1 or not each.rule.match
        yield from _of_rule(source, each, "http", takes_the_rest=takes_the_rest)
    for tls in held.tls:
        if _is_for_gateways(tls):
            yield from _of_rule(source, tls, "tls")
    for tcp in held.tcp:
        if _is_for_gateways(tcp):
            yield from _of_rule(source, tcp, "tcp")


def _of_rule(
    source: VirtualService, held: HeldRule, protocol: str, *, takes_the_rest: bool = True
) -> Iterator[DestinationUse]:
    for index in range(len(held.rule.route)):
        yield DestinationUse(
            virtual_service=source,
            held=held,
            index=index,
            protocol=protocol,
            takes_the_rest=takes_the_rest,
        )


def _is_for_gateways(held: HeldRule) -> bool:
    """Whether a rule may match on a gateway: not where all its matches ask for the mesh."""
    matches = held.rule.match
    return not matches or any({*each.gateways} != {MESH} for each in matches)
