"""Destinations of routes, as they are written and as Envoy names them."""

from typing import Any

from istiodoctor.finding import Severity
from istiodoctor.mesh.destination_uses import DestinationUse
from istiodoctor.mesh.destinations import Resolution
from istiodoctor.model.istio import Destination
from istiodoctor.model.kubernetes import Service


def written(destination: Destination, weight: int = 0) -> dict[str, Any]:
    """Return a route's destination as a manifest has it."""
    fields: dict[str, Any] = {"host": destination.host}
    if destination.subset:
        fields["subset"] = destination.subset
    if destination.port and destination.port.number:
        fields["port"] = {"number": destination.port.number}
    route: dict[str, Any] = {"destination": fields}
    return {**route, "weight": weight} if weight else route


def cluster_of(use: DestinationUse, resolution: Resolution) -> str:
    """Return the name of Envoy's cluster for a destination, as access logs show it."""
    destination = use.destination
    number = destination.port.number if destination.port else 0
    port = number or (resolution.port.port if resolution.port else "")
    return f"outbound|{port}|{destination.subset}|{resolution.fqdn}"


def ports_of(service: Service) -> str:
    """Return a Service's ports in words: `80 (http), 443 (https)`."""
    return ", ".join(
        f"{each.port} ({each.name})" if each.name else str(each.port)
        for each in service.spec.ports
    )


def severity_of(use: DestinationUse) -> Severity:
    """Return how much a destination that cannot be reached breaks."""
    if use.is_unused:
        return Severity.LOW
    return Severity.CRITICAL if use.is_whole else Severity.HIGH
