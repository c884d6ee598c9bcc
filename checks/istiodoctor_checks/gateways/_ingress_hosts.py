"""Hosts that Ingresses list for TLS and others list too, as GW002 tells of them."""

from collections.abc import Iterator
from typing import Any

from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.held_ingresses import held_ingresses_by_gateway
from istiodoctor.mesh.gateways.listeners import dropped
from istiodoctor.mesh.gateways.merging import Dropped, DropReason
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.hosts import covers
from istiodoctor.text import host_listing, listing


def ingresses_of_one_host(mesh: Mesh) -> Iterator[Finding]:
    """Yield the Ingresses whose TLS server istiod leaves out for that of another Ingress."""
    for each in dropped(mesh):
        winner = each.winner
        if (
            winner is not None
            and each.reason is DropReason.DUPLICATE_HOSTS
            and each.server.api is GatewayApi.INGRESS
        ):
            lost = _lost(mesh, each.server, winner)
            yield Finding(
                message=_message(each, winner, lost),
                objects=(each.server.field("/hosts"), winner.field("/hosts")),
                identity=Identity.of(each.server.gateway),
                hosts=frozenset((*lost, *each.hosts)),
                evidence=(_evidence(each.server), _evidence(winner)),
                fixes=(leave_to(each.server, winner, each.hosts),),
                severity=Severity.CRITICAL if lost else Severity.MEDIUM,
                credentials=frozenset(
                    (each.workload.namespace, reference.name)
                    for reference in each.server.credentials
                ),
                servers=frozenset({each.server.id, winner.id}),
            )


def _lost(mesh: Mesh, server: Server, winner: Server) -> tuple[str, ...]:
    """Return the hosts whose routes istiod binds to the Ingress that is left out, and no other."""
    held = held_ingresses_by_gateway(mesh)
    answered = {host for each in held.get(winner.gateway_name, ()) for host in each.hosts}
    return tuple(
        host
        for each in held.get(server.gateway_name, ())
        for host in each.hosts
        if host not in answered and any(covers(mine, host) for mine in server.names)
    )


def _message(found: Dropped, winner: Server, lost: tuple[str, ...]) -> str:
    start = (
        f"istiod leaves out port 443 of {found.server.gateway}: {host_listing(found.hosts)} is"
        f" listed by {winner.gateway} too, whose name comes first."
    )
    if lost:
        return (
            f"{start} It binds the rules of all Ingresses for {listing(lost)} to"
            f" {found.server.gateway}, the oldest one: over HTTPS every request gets 404."
        )
    return f"{start} Its certificate is never served."


def _evidence(server: Server) -> Evidence:
    names = listing(each.text for each in server.credentials) or "no Secret"
    text = f"{server.gateway} lists {host_listing(server.host_texts)} with {names}"
    return Evidence(text=text, ref=server.gateway)


def leave_to(server: Server, ingress: Server, hosts: tuple[str, ...]) -> Fix:
    """Take hosts out of the `tls` entry of an Ingress that serves them before another server."""
    rest = [each for each in ingress.host_texts if each not in hosts]
    operation: dict[str, Any] = {"op": "remove", "path": ingress.path}
    if rest:
        operation = {"op": "replace", "path": f"{ingress.path}/hosts", "value": rest}
    return json_patch(
        ingress.gateway,
        [operation],
        f"Leave {host_listing(hosts)} to {server.gateway}",
        why="Its rules for these hosts go on: istiod merges the rules of all Ingresses of a host.",
    )
