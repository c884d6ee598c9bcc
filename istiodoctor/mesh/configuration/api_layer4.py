"""Rules of TLSRoutes and TCPRoutes as istiod makes rules of VirtualServices of them.

Source: pilot/pkg/config/kube/gateway/conversion.go:847-951, route_collections.go:484-561.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from istiodoctor.mesh.configuration.api_backends import (
    Backend,
    RouteFault,
    Surroundings,
    backends,
    total_weight,
)
from istiodoctor.mesh.configuration.held import HeldTcpRule, HeldTlsRule
from istiodoctor.mesh.workloads.names import common_hosts
from istiodoctor.model.gatewayapi import TcpRoute, TcpRouteRule, TlsRoute, TlsRouteRule
from istiodoctor.model.istio import (
    Destination,
    PortSelector,
    RouteDestination,
    TcpRule,
    TlsMatch,
    TlsRule,
)
from istiodoctor.model.ref import Place

NO_BACKEND = RouteDestination(
    destination=Destination(
        host="internal.cluster.local", subset="zero-weight", port=PortSelector(number=65535)
    )
)
"""Where istiod leads connections of a rule without backends: to a cluster that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedLayer4:
    """What istiod makes of the rules of one TLSRoute or TCPRoute."""

    tls: tuple[HeldTlsRule, ...] = ()
    tcp: tuple[HeldTcpRule, ...] = ()
    fault: str = ""
    """Why istiod makes nothing of the whole route: a clause."""
    fault_path: str = ""


def tls_rules(route: TlsRoute, around: Surroundings) -> ConvertedLayer4:
    """Return the rules of a TLSRoute.

    One without backends has no match, so that it makes no filter chain (conversion.go:875).
    """
    match = TlsMatch(sni_hosts=route.spec.hostnames or ("*",))
    try:
        return ConvertedLayer4(
            tls=tuple(
                HeldTlsRule(
                    rule=TlsRule(match=(match,) if found.backends else (), route=found.route),
                    place=found.place,
                    destinations=found.places,
                    unknown_because=found.unknown_because,
                )
                for found in _led(route, around)
            )
        )
    except RouteFault as fault:
        return ConvertedLayer4(fault=fault.text, fault_path=fault.path)


def tcp_rules(route: TcpRoute, around: Surroundings) -> ConvertedLayer4:
    """Return the rules of a TCPRoute."""
    try:
        return ConvertedLayer4(
            tcp=tuple(
                HeldTcpRule(
                    rule=TcpRule(route=found.route),
                    place=found.place,
                    destinations=found.places,
                    unknown_because=found.unknown_because,
                )
                for found in _led(route, around)
            )
        )
    except RouteFault as fault:
        return ConvertedLayer4(fault=fault.text, fault_path=fault.path)


def constrained(rules: tuple[HeldTlsRule, ...], hostname: str) -> tuple[HeldTlsRule, ...]:
    """Return TLS rules with the names that a listener has too; those without any are left out.

    Source: `constrainTLSRoutesToListenerHost` (conversion.go:425).
    """
    return tuple(
        replace(held, rule=msgspec.structs.replace(held.rule, match=matches))
        for held in rules
        for matches in (_common(held.rule, hostname),)
        if not matches or any(each.sni_hosts for each in matches)
    )


def _common(rule: TlsRule, hostname: str) -> tuple[TlsMatch, ...]:
    return tuple(
        msgspec.structs.replace(each, sni_hosts=common_hosts(each.sni_hosts, (hostname,)))
        for each in rule.match
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Led:
    """Where one rule leads."""

    place: Place
    backends: tuple[Backend, ...]
    route: tuple[RouteDestination, ...]
    places: tuple[Place, ...]
    unknown_because: str


def _led(route: TlsRoute | TcpRoute, around: Surroundings) -> Iterator[_Led]:
    rules: tuple[TlsRouteRule | TcpRouteRule, ...] = route.spec.rules
    for index, rule in enumerate(rules):
        path = f"/spec/rules/{index}"
        used = total_weight(rule.backend_refs) != 0
        found = backends(rule.backend_refs, f"{path}/backendRefs", route.ref, around)
        led = tuple(found) if used else ()
        yield _Led(
            place=route.at(path),
            backends=led,
            route=tuple(
                RouteDestination(destination=each.destination, weight=each.weight) for each in led
            )
            or (NO_BACKEND,),
            places=tuple(route.at(each.path) for each in led),
            unknown_because="; ".join(
                dict.fromkeys(each.unknown_because for each in led if each.unknown_because)
            ),
        )
