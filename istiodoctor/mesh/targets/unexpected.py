"""Handshakes and requests that should not work, and tell by failing: what is worth trying."""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.chain_index import tls_server_for
from istiodoctor.mesh.exposure.access_points import Doorway, port_doors, url_of
from istiodoctor.mesh.exposure.services import HTTPS_PORT
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.hosts import concrete
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.reused_connections import reuse_pairs
from istiodoctor.mesh.observations.unserved_names import WhyUnserved, unserved_names
from istiodoctor.mesh.targets.requests import Ranked
from istiodoctor.model.observation import HttpTarget, TlsTarget, Via

MOST_DISPLACED = 3
"""How many hosts of servers that are left out are looked at where another server takes them."""
BESIDE, LAST = 2, 4
"""Ranks: behind what clients do."""


def strange_targets(mesh: Mesh, listener: Listener, ways: tuple[Doorway, ...]) -> Iterator[Ranked]:
    """Yield handshakes for names whose own server does not answer here."""
    for unserved in unserved_names(mesh).get(listener, ()):
        for way in ways if unserved.why is WhyUnserved.PLAIN else ways[:1]:
            is_at_pod = way.via is Via.PORT_FORWARD
            for named, door in way.doors_to(listener) if way.rank <= BESIDE else ():
                if is_at_pod or named == HTTPS_PORT:
                    yield BESIDE, TlsTarget(door=door, host=unserved.name, sni=unserved.asked)
    lost = (host for each in listener.dropped if each.server.is_tls for host in each.server.names)
    for host in list(dict.fromkeys(lost))[:MOST_DISPLACED]:
        name = concrete(host)
        other = tls_server_for(mesh, listener, name)
        for way in ways[:1] if other and host not in other.names else ():
            for _, door in way.doors_to(listener):
                yield (
                    BESIDE,
                    TlsTarget(door=door, host=host, sni=name, server=other.id if other else ""),
                )


def reuse_targets(
    mesh: Mesh, listener: Listener, listeners: list[Listener], ways: tuple[Doorway, ...]
) -> Iterator[Ranked]:
    """Yield requests for a host on a connection that was made for another one."""
    for pair in reuse_pairs(mesh).get(listener, ()):
        for way in ways[:1]:
            for port, _ in list(way.doors_to(listener))[:1]:
                yield (
                    LAST,
                    HttpTarget(
                        url=url_of("https", pair.asked, port),
                        doors=port_doors(way, listeners),
                        host=pair.stray.host,
                        sni=pair.connected,
                        follows_redirects=False,
                    ),
                )
