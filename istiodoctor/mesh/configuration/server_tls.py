"""What a server asks of the TLS of its filter chain: server names and how it ends."""

from collections.abc import Collection

from istiodoctor.mesh.configuration.listener import ClientCertificate, DownstreamTls
from istiodoctor.mesh.gateways.credential_references import Purpose
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import ANY
from istiodoctor.model.istio import TlsMode

HTTP_PROTOCOLS = ("h2", "http/1.1")


def sni_hosts(server: Server) -> tuple[str, ...]:
    """Return the server names that a chain matches: none, for all, where `*` is among them.

    Source: `GetSNIHostsForServer` (model/gateway.go:563), `toFilterChainMatch`
    (core/listener.go:1273).
    """
    texts = server.host_texts
    return matched_names({text.partition("/")[2] if "/" in text else text for text in texts})


def matched_names(names: Collection[str]) -> tuple[str, ...]:
    """Return what a chain for some SNI hosts matches: everything where one of them is `*`."""
    return () if ANY in names else tuple(sorted(names))


def downstream_tls(server: Server) -> DownstreamTls:
    """Return how a server ends TLS (`BuildListenerTLSContext`, core/listener.go:141)."""
    required = server.mode in (TlsMode.MUTUAL, TlsMode.ISTIO_MUTUAL)
    client = ClientCertificate.REQUIRED if required else ClientCertificate.NONE
    if server.mode is TlsMode.OPTIONAL_MUTUAL:
        client = ClientCertificate.OPTIONAL
    return DownstreamTls(
        credentials=tuple(each for each in server.credentials if each.purpose is Purpose.SERVER),
        is_workload_certificate=server.mode is TlsMode.ISTIO_MUTUAL,
        client_certificate=client,
        minimum_version=server.tls.min_protocol_version if server.tls else "",
        maximum_version=server.tls.max_protocol_version if server.tls else "",
        protocols=HTTP_PROTOCOLS,
    )
