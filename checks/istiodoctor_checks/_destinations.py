"""Destinations of routes, as they are written and as Envoy names them."""

from typing import Any

from istiodoctor.finding import Severity
from istiodoctor.mesh.configuration.destination_uses import DestinationUse
from istiodoctor.mesh.configuration.registry_service import RegistryService
from istiodoctor.model.istio import Destination


def written(destination: Destination, weight: int = 0) -> dict[str, Any]:
    """Return a route's destination as a manifest has it."""
    fields: dict[str, Any] = {"host": destination.host}
    if destination.subset:
        fields["subset"] = destination.subset
    if destination.port and destination.port.number:
        fields["port"] = {"number": destination.port.number}
    route: dict[str, Any] = {"destination": fields}
    return {**route, "weight": weight} if weight else route


def ports_of(service: RegistryService) -> str:
    """Return the ports of a service in words: `80 (http), 443 (https)`."""
    return ", ".join(
        f"{each.number} ({each.name})" if each.name else str(each.number) for each in service.ports
    )


def severity_of(use: DestinationUse) -> Severity:
    """Return how much a destination that cannot be reached breaks."""
    if use.is_unused:
        return Severity.LOW
    return Severity.CRITICAL if use.is_whole else Severity.HIGH
