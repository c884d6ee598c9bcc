"""What keeps istiod from making a server of a listener of the Gateway API.

Source: pilot/pkg/config/kube/gateway/conversion.go:2079-2195, gatewaycommon/listener_conflict.go.
"""

from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.model.ref import Place


class ListenerFault(StrEnum):
    """Why istiod makes no server of a listener of the Gateway API."""

    HOSTNAME_CONFLICT = "hostname-conflict"
    """An earlier listener of the Gateway has its port and hostname (listener_conflict.go:165)."""
    PROTOCOL_CONFLICT = "protocol-conflict"
    """An earlier listener of the Gateway has its port, with a protocol that does not fit."""
    DUPLICATE_NAME = "duplicate-name"
    """A later listener of its object has its name, which the API server refuses; where one got by,
    istiod's Gateways of both have one name, and the last one stands."""
    MISSING_TLS = "missing-tls"
    """HTTPS or TLS without a `tls` section (conversion.go:2178)."""
    MISSING_PORT = "missing-port"
    UNSUPPORTED_PROTOCOL = "unsupported-protocol"
    UNSUPPORTED_ADDRESS = "unsupported-address"
    """No address of the Gateway names a Service (conversion.go:2029)."""
    INVALID_CERTIFICATE = "invalid-certificate"
    """More certificates than two, or none of those it names can be used (conversion.go:2307)."""
    INVALID_CLIENT_CA = "invalid-authority"
    """Its client CA cannot be used (conversion.go:2344)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultyListener:
    """What keeps istiod from making a server of a listener."""

    fault: ListenerFault
    text: str
    """A clause without a full stop."""
    winner: Place | None = None
    """The listener that stands in its way."""

    @property
    def takes_routes(self) -> bool:
        """Whether routes may attach to it all the same, for what that is worth.

        Such a listener keeps its hostname from wider ones too (conversion.go:815).
        """
        return self.fault not in (
            ListenerFault.HOSTNAME_CONFLICT,
            ListenerFault.PROTOCOL_CONFLICT,
            ListenerFault.DUPLICATE_NAME,
            ListenerFault.MISSING_TLS,
            ListenerFault.UNSUPPORTED_ADDRESS,
        )
