"""Handshakes and requests that should fail, and show a fault by how they are answered."""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.chain_index import tls_server_for
from istiodoctor.mesh.exposure.access_points import AccessPointGroup, url_access_points, url_of
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


def strange_targets(
    mesh: Mesh, listener: Listener, point_groups: tuple[AccessPointGroup, ...]
) -> Iterator[Ranked]:
    """Yield handshakes for names whose own server does not answer here."""
    for unserved in unserved_names(mesh).get(listener, ()):
        for point_group in point_groups if unserved.why is WhyUnserved.PLAIN else point_groups[:1]:
            is_at_pod = point_group.via is Via.PORT_FORWARD
            for named, access_point in (
                point_group.access_points_to(listener) if point_group.rank <= BESIDE else ()
            ):
                if is_at_pod or named == HTTPS_PORT:
                    yield (
                        BESIDE,
                        TlsTarget(
                            access_point=access_point, host=unserved.name, sni=unserved.asked
                        ),
                    )
    lost = (host for each in listener.dropped if each.server.is_tls for host in each.server.names)
    for host in list(dict.fromkeys(lost))[:MOST_DISPLACED]:
        name = concrete(host)
        other = tls_server_for(mesh, listener, name)
        for point_group in point_groups[:1] if other and host not in other.names else ():
            for _, access_point in point_group.access_points_to(listener):
                yield (
                    BESIDE,
                    TlsTarget(
                        access_point=access_point,
                        host=host,
                        sni=name,
                        server=other.id if other else "",
                    ),
                )


def reuse_targets(
    mesh: Mesh,
    listener: Listener,
    listeners: list[Listener],
    point_groups: tuple[AccessPointGroup, ...],
) -> Iterator[Ranked]:
    """Yield requests for a host on a connection that was made for another one."""
    for pair in reuse_pairs(mesh).get(listener, ()):
        for point_group in point_groups[:1]:
            for port, _ in list(point_group.access_points_to(listener))[:1]:
                yield (
                    LAST,
                    HttpTarget(
                        url=url_of("https", pair.asked, port),
                        access_points=url_access_points(point_group, listeners),
                        host=pair.misroute.host,
                        sni=pair.connected,
                        follows_redirects=False,
                    ),
                )
