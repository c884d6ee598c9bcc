"""Conflicts between Gateway API listeners, and the kinds of routes that each one takes.

Source: pilot/pkg/config/kube/gatewaycommon/listener_conflict.go, conversion.go:226-254.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from istiodoctor.mesh.gateways.listener_faults import FaultyListener, ListenerFault
from istiodoctor.mesh.workloads.api_releases import GatewayApiSupport
from istiodoctor.mesh.workloads.releases import ALPHA_APIS
from istiodoctor.model.gatewayapi import Gateway, Listener, ListenerSet
from istiodoctor.model.kind import GATEWAY_API
from istiodoctor.model.ref import Place

PROTOCOLS = frozenset({"HTTP", "HTTPS", "TLS", "TCP"})
LAYER_4 = frozenset({"TCP", "UDP"})
WITH_HOSTNAME = frozenset({"HTTP", "HTTPS", "TLS"})
DEFAULT_PORTS = {"HTTP": 80, "HTTPS": 443}
TERMINATE = "Terminate"
ROUTES = {
    "HTTP": frozenset({"HTTPRoute", "GRPCRoute"}),
    "HTTPS": frozenset({"HTTPRoute", "GRPCRoute"}),
    "TCP": frozenset({"TCPRoute"}),
    "TLS": frozenset({"TLSRoute"}),
}

Name = tuple[str, str, str]
"""Namespace and name of the object, name of the listener: istiod asks for no kind here."""


def listener_port(listener: Listener, source: Gateway | ListenerSet) -> int:
    """Return the port; in a ListenerSet it may be left out for HTTP and HTTPS."""
    if listener.port or isinstance(source, Gateway):
        return listener.port
    return DEFAULT_PORTS.get(listener.protocol, 0)


def protocol_fault(
    listener: Listener, source: Gateway | ListenerSet, support: GatewayApiSupport
) -> FaultyListener | None:
    """Return what is wrong with a listener's port, protocol or missing `tls` section.

    Protocols are written in upper case (`listenerProtocolToIstio`, conversion.go:2208).
    """
    if listener.tls is None and listener.protocol in ("HTTPS", "TLS"):
        text = f"its protocol is {listener.protocol} and it has no tls section"
        return FaultyListener(fault=ListenerFault.MISSING_TLS, text=text)
    if listener.protocol not in PROTOCOLS:
        upper = listener.protocol.upper()
        hint = f", which is written {upper}" if upper in PROTOCOLS else ""
        text = f"istiod serves no protocol {listener.protocol or 'without a name'}{hint}"
        return FaultyListener(fault=ListenerFault.UNSUPPORTED_PROTOCOL, text=text)
    if (listener.protocol == "TCP" and not support.takes_tcp) or (
        listener.protocol == "TLS" and not support.takes_tls
    ):
        text = f"this istiod serves the protocol {listener.protocol} only with {ALPHA_APIS}=true"
        return FaultyListener(fault=ListenerFault.UNSUPPORTED_PROTOCOL, text=text)
    if not listener_port(listener, source):
        text = f"the protocol {listener.protocol} needs a port"
        return FaultyListener(fault=ListenerFault.MISSING_PORT, text=text)
    return None


def route_kinds(listener: Listener) -> frozenset[str]:
    """Return the kinds of routes that a listener takes (`GenerateGatewaySupportedKinds`)."""
    served = ROUTES.get(listener.protocol, frozenset())
    if listener.protocol == "TLS" and listener.tls and listener.tls.mode == TERMINATE:
        served |= {"TCPRoute"}
    allowed = listener.allowed_routes.kinds
    if not allowed:
        return served
    named = {each.kind for each in allowed if each.group is None or each.group == GATEWAY_API}
    return served & named


@dataclass(kw_only=True)
class _Port:
    """The listeners of one port that conflict with no earlier one."""

    layer4: Place | None = None
    with_hostname: Place | None = None
    by_hostname: dict[str, Place] = field(default_factory=dict)
    others: dict[str, Place] = field(default_factory=dict)
    protocols: dict[Place, str] = field(default_factory=dict)

    def winner(self, listener: Listener) -> Place | None:
        """Return the listener that one cannot be beside (`listenersDistinct`)."""
        if listener.protocol in LAYER_4:
            return self.layer4 or self.with_hostname
        if listener.protocol in WITH_HOSTNAME:
            return self.layer4 or self.by_hostname.get(listener.hostname or "*")
        return self.others.get(listener.protocol)

    def add(self, listener: Listener, place: Place) -> None:
        """Keep a listener."""
        self.protocols[place] = listener.protocol
        if listener.protocol in LAYER_4:
            self.layer4 = place
        elif listener.protocol in WITH_HOSTNAME:
            self.with_hostname = self.with_hostname or place
            self.by_hostname[listener.hostname or "*"] = place
        else:
            self.others[listener.protocol] = place


def conflicts(gateway: Gateway, sets: Iterable[ListenerSet]) -> Mapping[Name, FaultyListener]:
    """Return the listeners that conflict with an earlier one of their Gateway.

    The Gateway's own come first, then those of the ListenerSets, the oldest set first; one that
    loses stands in nobody's way (`ComputeGatewayListenerConflicts`, listener_conflict.go:56).
    """
    found: dict[Name, FaultyListener] = {}
    ports: dict[int, _Port] = {}
    for source, listener, place in _in_order(gateway, sets):
        port = ports.setdefault(listener_port(listener, source), _Port())
        winner = port.winner(listener)
        if winner is None:
            port.add(listener, place)
            continue
        both = {listener.protocol, port.protocols[winner]}
        by_hostname = len(both) == 1 and not both <= LAYER_4
        found[source.namespace, source.name, listener.name] = FaultyListener(
            fault=ListenerFault.HOSTNAME_CONFLICT
            if by_hostname
            else ListenerFault.PROTOCOL_CONFLICT,
            text=f"{winner} has the same port{' and hostname' if by_hostname else ''}",
            winner=winner,
        )
    return found


def _in_order(
    gateway: Gateway, sets: Iterable[ListenerSet]
) -> Iterator[tuple[Gateway | ListenerSet, Listener, Place]]:
    ordered = sorted(sets, key=lambda each: (each.age_order[0], f"{each.namespace}/{each.name}"))
    sources: tuple[Gateway | ListenerSet, ...] = (gateway, *ordered)
    for source in sources:
        for index, listener in enumerate(source.spec.listeners):
            yield source, listener, source.at(f"/spec/listeners/{index}")
