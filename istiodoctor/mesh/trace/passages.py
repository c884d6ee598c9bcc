"""Where a connection goes that Envoy does not look into: `tls` and `tcp` rules, TLSRoutes."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.attachments import attachments_of
from istiodoctor.mesh.hosts import covers, specificity
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.passing import tls_match_applies
from istiodoctor.mesh.question import question
from istiodoctor.mesh.routing import Binding, bindings, is_visible, names_gateway
from istiodoctor.mesh.servers import GatewayApi, Server
from istiodoctor.mesh.trace.backends import Target, referred, weighted
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.gatewayapi import TlsRoute
from istiodoctor.model.istio import TcpMatch
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Passage:
    """The rule that takes a connection."""

    place: Place
    targets: tuple[Target, ...]


@question(Kind.TLS_ROUTE)
def tls_routes_are_known(mesh: Mesh) -> bool:
    """Whether a TLSRoute that is not here does not exist."""
    return mesh.is_complete(Kind.TLS_ROUTE)


@question
def passage(mesh: Mesh, server: Server, name: str, workload: Workload) -> Passage | None:
    """Return the rule of a PASSTHROUGH server that an SNI (or, empty, none) reaches.

    Exact before the longest wildcard before `*`; among equals the oldest.
    """
    if server.api is GatewayApi.GATEWAY_API:
        found = tuple(_of_tls_routes(mesh, server))
    else:
        found = tuple(_of_virtual_services(mesh, server, workload))
    taking = [each for each in found if covers(each[0], name or "*")]
    return min(taking, key=lambda each: specificity(each[0]))[1] if taking else None


def _of_virtual_services(
    mesh: Mesh, server: Server, workload: Workload
) -> Iterator[tuple[str, Passage]]:
    for binding in _seen(mesh, server, workload):
        source = binding.virtual_service
        for index, rule in enumerate(source.spec.tls):
            passage = Passage(
                place=source.at(f"/spec/tls/{index}"),
                targets=tuple(weighted(rule.route, source.namespace)),
            )
            for match in rule.match:
                if tls_match_applies(match, binding):
                    yield from ((name, passage) for name in match.sni_hosts)


def _of_tls_routes(mesh: Mesh, server: Server) -> Iterator[tuple[str, Passage]]:
    for attachment in attachments_of(mesh, server):
        route = attachment.route
        if isinstance(route, TlsRoute):
            for index, rule in enumerate(route.spec.rules[:1]):
                passage = Passage(
                    place=route.at(f"/spec/rules/{index}"),
                    targets=tuple(referred(rule.backend_refs, route.ref)),
                )
                yield from ((name, passage) for name in route.spec.hostnames or ("*",))


@question
def tcp_passage(mesh: Mesh, server: Server, workload: Workload) -> Passage | None:
    """Return the first `tcp` rule that applies on a server."""
    for binding in _seen(mesh, server, workload):
        source = binding.virtual_service
        for index, rule in enumerate(source.spec.tcp):
            if not rule.match or any(_applies(match, binding) for match in rule.match):
                return Passage(
                    place=source.at(f"/spec/tcp/{index}"),
                    targets=tuple(weighted(rule.route, source.namespace)),
                )
    return None


def _seen(mesh: Mesh, server: Server, workload: Workload) -> Iterator[Binding]:
    for binding in bindings(mesh).get(server, ()):
        visible = is_visible(mesh, binding.virtual_service, workload)
        if binding.hosts and visible is not False:
            yield binding


def _applies(match: TcpMatch, binding: Binding) -> bool:
    if match.port and match.port != binding.server.port:
        return False
    own = binding.virtual_service.namespace
    return not match.gateways or names_gateway(match.gateways, own, binding.server.gateway)
