"""Traffic policies of DestinationRules with the place that each part is written at.

Source: `mergeBackendPolicyTrafficPolicy` (pilot/pkg/model/destination_rule.go:159-246).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from istiodoctor.model.istio import PortPolicy, TrafficPolicy
from istiodoctor.model.ref import Place

WHOLE = 0
"""In place of a port's number: for every port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPolicy:
    """A traffic policy, and the rule that it is written in."""

    policy: TrafficPolicy
    place: Place
    tls_places: Mapping[int, Place] = field(default_factory=dict)
    """Where TLS settings are written that stand elsewhere, by port; those of all ports under 0."""

    def tls_place(self, path: str, port: int = WHOLE) -> Place:
        """Return where the TLS settings of a port are written, or those of all ports."""
        return self.tls_places.get(port) or Place(self.place.ref, f"{self.place.path}{path}/tls")


def overlaid(written: PlacedPolicy, made: PlacedPolicy) -> PlacedPolicy:
    """Return a written policy with what it leaves open taken from one that istiod made."""
    places = dict(written.tls_places)
    for number in (WHOLE, *(each.port.number for each in made.policy.port_level_settings)):
        if number in made.tls_places and not _sets_tls(written.policy, number):
            places[number] = made.tls_places[number]
    policy = TrafficPolicy(
        tls=written.policy.tls or made.policy.tls,
        load_balancer=written.policy.load_balancer or made.policy.load_balancer,
        connection_pool=written.policy.connection_pool or made.policy.connection_pool,
        port_level_settings=_port_settings(written.policy, made.policy),
    )
    return PlacedPolicy(policy=policy, place=written.place, tls_places=places)


def _sets_tls(policy: TrafficPolicy, number: int) -> bool:
    if number == WHOLE:
        return policy.tls is not None
    return any(
        each.tls is not None for each in policy.port_level_settings if each.port.number == number
    )


def _port_settings(written: TrafficPolicy, made: TrafficPolicy) -> tuple[PortPolicy, ...]:
    ports = {each.port.number: each for each in made.port_level_settings}
    own = tuple(
        msgspec.structs.replace(
            each,
            tls=each.tls or under.tls,
            load_balancer=each.load_balancer or under.load_balancer,
            connection_pool=each.connection_pool or under.connection_pool,
        )
        if (under := ports.pop(each.port.number, None))
        else each
        for each in written.port_level_settings
    )
    return (*own, *ports.values())
