"""The filter chains of a port by what they match, made once for all requests."""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.filter_chain_match import FilterChainIndex
from istiodoctor.mesh.configuration.filter_chains import filter_chains, http_filter_chains
from istiodoctor.mesh.configuration.listener import FilterChain
from istiodoctor.mesh.configuration.listeners import listener_at
from istiodoctor.mesh.configuration.server_tls import sni_hosts
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload

WITH_TLS = frozenset({"HTTPS", "TLS"})
"""Protocols whose clients speak TLS, though `tls` be missing."""


@question
def chain_index(mesh: Mesh, workload: Workload, port: int) -> FilterChainIndex:
    """Return the filter chains that a connection to a port of the pods can take."""
    listener = listener_at(mesh, workload, port)
    return FilterChainIndex(listener.filter_chains if listener else ())


@question
def made_chain_index(mesh: Mesh, listener: Listener) -> FilterChainIndex:
    """Return the filter chains that istiod makes of the servers of one listener."""
    return FilterChainIndex(filter_chains(mesh, listener))


@question
def _written_chain_index(mesh: Mesh, listener: Listener) -> FilterChainIndex:
    """Return the filter chains of a port as far as Gateways alone make them.

    A server of TCP or TLS counts as though a route led on from it for each of its hosts.
    """
    return FilterChainIndex(_written_chains(mesh, listener))


def _written_chains(mesh: Mesh, listener: Listener) -> Iterator[FilterChain]:
    made = {each.server: each for each in http_filter_chains(mesh, listener)}
    for server in listener.servers:
        if server in made:
            yield made[server]
        elif not server.is_plain_http:
            names = sni_hosts(server) if server.has_tls else ()
            yield FilterChain(server_names=names, server=server, passes_tls=server.passes_tls)


def tls_server_for(mesh: Mesh, listener: Listener, name: str) -> Server | None:
    """Return the TLS server that an SNI reaches; None where the handshake fails.

    `name` is empty for a client without SNI, and may be a wildcard for a name below it. Whether
    a route leads on from a server that passes TLS is not asked.
    """
    chain = _written_chain_index(mesh, listener).find(name, is_tls=True)
    server = chain.server if chain else None
    return server if server and server.is_tls else None


@question
def _plain_hosts(mesh: Mesh, listener: Listener) -> HostIndex[Server]:
    return HostIndex(
        (host, server) for server in listener.servers if not server.is_tls for host in server.names
    )


def plain_server_for(mesh: Mesh, listener: Listener, host: str) -> Server | None:
    """Return the plain server that has the Host of a request, the most specific one."""
    return next(_plain_hosts(mesh, listener).covering(host or "*"), None)


def server_like(mesh: Mesh, listener: Listener, server: Server, host: str) -> Server | None:
    """Return the server that a client of another one of the port reaches with a host."""
    speaks_tls = server.is_tls or server.protocol in WITH_TLS
    find = tls_server_for if speaks_tls else plain_server_for
    return find(mesh, listener, host)
