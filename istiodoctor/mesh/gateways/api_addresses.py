"""The addresses of a Gateway of the Gateway API: the Services that it is reached by.

Source: `extractGatewayServices` (pilot/pkg/config/kube/gateway/conversion.go:2025), `IsManaged`
(gatewaycommon/gateway_utils.go:67).
"""

from istiodoctor.mesh.gateways.listener_faults import FaultyListener, ListenerFault
from istiodoctor.model.gatewayapi import Gateway

NAME_OVERRIDE = "gateway.istio.io/name-override"
HOSTNAME = "Hostname"
IP_ADDRESS = "IPAddress"


def is_managed(gateway: Gateway) -> bool:
    """Whether istiod makes the Deployment and the Service of a Gateway (`IsManaged`)."""
    addresses = gateway.spec.addresses
    return not addresses or (len(addresses) == 1 and addresses[0].type == IP_ADDRESS)


def service_names(gateway: Gateway) -> tuple[str, ...]:
    """Return the names of the Services that a Gateway is reached by, in its own namespace.

    Others that an address names count for nothing (model/push_context.go:2468). Source:
    `extractGatewayServices` (conversion.go:2025).
    """
    if is_managed(gateway):
        override = gateway.metadata.annotations.get(NAME_OVERRIDE)
        return (override or f"{gateway.name}-{gateway.spec.gateway_class_name}",)
    written = [each.value for each in gateway.spec.addresses if each.type == HOSTNAME]
    own = f".{gateway.namespace}.svc."
    found = (
        each.partition(".")[0]
        for each in written
        if "." not in each or each[each.index(".") :].startswith(own)
    )
    return tuple(dict.fromkeys(found))


def address_fault(gateway: Gateway) -> FaultyListener | None:
    """Return the fault of all listeners of a Gateway whose addresses name no Service."""
    if is_managed(gateway) or any(each.type == HOSTNAME for each in gateway.spec.addresses):
        return None
    text = "none of the addresses of its Gateway is of the type Hostname"
    return FaultyListener(fault=ListenerFault.UNSUPPORTED_ADDRESS, text=text)
