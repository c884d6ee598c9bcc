"""Filter chains: what istiod makes of the servers of one port.

Source: pilot/pkg/networking/core/gateway.go:262-360 and 814-858.
"""

from collections.abc import Iterator
from typing import Any

from istiodoctor.mesh.configuration.auto_passthrough import (
    services_in_mesh,
)
from istiodoctor.mesh.configuration.layer4_chains import TakenNames, layer4_chains
from istiodoctor.mesh.configuration.left_out import LeftOut, Omission
from istiodoctor.mesh.configuration.listener import (
    FilterChain,
    HttpConnectionManager,
    HttpOptions,
)
from istiodoctor.mesh.configuration.mesh_options import http_options
from istiodoctor.mesh.configuration.server_tls import downstream_tls, sni_hosts
from istiodoctor.mesh.configuration.service_registry import (
    scope_service,
)
from istiodoctor.mesh.gateways.merging import Listener, protocol_groups, route_name
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import Question, question
from istiodoctor.mesh.workloads.control_planes import mesh_config


@question(evidence=[http_options])
def http_filter_chains(mesh: Mesh, listener: Listener) -> tuple[FilterChain, ...]:
    """Return the chains that end in HTTP: one for all plain servers, one for each HTTPS server."""
    options = http_options(mesh, listener.workload)
    return tuple(
        _http_chain(group, listener, options)
        for group in protocol_groups(listener)
        if group[0].routes_http
    )


DETAILS: tuple[Question[Any, Any], ...] = (mesh_config, scope_service, services_in_mesh)
"""What hardly decides which chains there are: where they lead, what is exported by default."""


@question(evidence=DETAILS)
def filter_chains(mesh: Mesh, listener: Listener) -> tuple[FilterChain, ...]:
    """Return every chain of a port in istiod's order.

    A server of TCP or TLS makes none unless a rule of a VirtualService leads on.
    """
    return tuple(_chains(mesh, listener, []))


@question(evidence=DETAILS)
def omitted_chains(mesh: Mesh, listener: Listener) -> tuple[LeftOut, ...]:
    """Return what asks for a chain on a port and gets none."""
    left_out: list[LeftOut] = []
    for _ in _chains(mesh, listener, left_out):
        pass
    return tuple(left_out)


def _chains(mesh: Mesh, listener: Listener, left_out: list[LeftOut]) -> Iterator[FilterChain]:
    http = {chain.server: chain for chain in http_filter_chains(mesh, listener)}
    taken: TakenNames = {}
    for group in protocol_groups(listener):
        server = group[0]
        if server in http:
            yield http[server]
            continue
        found = list(layer4_chains(mesh, listener.workload, server, taken, left_out))
        if not found:
            left_out.append(
                LeftOut(
                    place=server.place,
                    omission=Omission.NO_FILTER_CHAIN,
                    port=listener.port,
                    server=server,
                    hosts=server.names,
                )
            )
        yield from found


def _http_chain(
    group: tuple[Server, ...], listener: Listener, options: HttpOptions
) -> FilterChain:
    server = group[0]
    return FilterChain(
        server_names=() if server.is_plain_http else sni_hosts(server),
        tls=None if server.is_plain_http else downstream_tls(server),
        http=HttpConnectionManager(
            route_configuration=route_name(server, listener.port), options=options
        ),
        server=server,
        made_by=server.place,
    )
