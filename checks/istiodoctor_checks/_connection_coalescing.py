"""What findings about reused HTTP/2 connections have in common."""

from collections.abc import Iterable

from istiodoctor.evidence import Evidence
from istiodoctor.finding import Identity
from istiodoctor.mesh.certificates.connection_coalescing import CoalescingMisroute, ReuseGroup
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.model.ref import Place
from istiodoctor.text import listing


def identity_of(group: ReuseGroup) -> Identity:
    """Return one identity per certificate: its Secret, the first in order of several."""
    return Identity.of(group.credentials[0].ref)


def servers_of(misroutes: Iterable[CoalescingMisroute]) -> tuple[Server, ...]:
    """Return the servers concerned, oldest first."""
    found = {each for misroute in misroutes for each in (misroute.lands_on, misroute.server)}
    return tuple(sorted(found, key=lambda each: (each.age_order, each.index)))


def objects_of(group: ReuseGroup, servers: Iterable[Server]) -> tuple[Place, ...]:
    """Return the host fields of the servers, then the Secrets."""
    hosts = (
        each.field("/hosts" if each.api is GatewayApi.ISTIO else "/hostname") for each in servers
    )
    return (*hosts, *(Place(each.ref) for each in group.credentials))


def evidence_of(misroutes: tuple[CoalescingMisroute, ...]) -> tuple[Evidence, ...]:
    """Return which certificate covers which host of another server, for a few hosts."""
    return tuple(
        Evidence(
            text=(
                f"{each.lands_on} presents {each.credential.ref}, valid for {each.name}; so is"
                f" {each.host} of {each.server}"
            ),
            ref=each.credential.ref,
        )
        for each in misroutes[:5]
    )


def certificates(group: ReuseGroup, misroutes: Iterable[CoalescingMisroute]) -> str:
    """Name the certificates and what they cover: `Secret ns/x (*.example.com)`."""
    names = listing(dict.fromkeys(each.name for each in misroutes))
    return f"{listing(each.ref for each in group.credentials)} ({names})"
