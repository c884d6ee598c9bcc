"""Which findings the user asked about: namespaces, gateways, hosts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from istiodoctor.diagnosis.linking import ancestors, causes
from istiodoctor.diagnosis.merging import Merged
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.configuration.misrouting import near_hosts
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import meet
from istiodoctor.model.ref import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What `-n`, `--gateway` and `--host` choose; empty means everything."""

    namespaces: frozenset[str] = frozenset()
    gateways: frozenset[tuple[str, str]] = frozenset()
    """Namespace and name."""
    hosts: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing was narrowed."""
        return not (self.namespaces or self.gateways or self.hosts)

    def takes_server(self, server: Server) -> bool:
        """Whether a server is among what was chosen."""
        gateway = server.gateway
        return (
            (not self.namespaces or gateway.namespace in self.namespaces)
            and (not self.gateways or (gateway.namespace, gateway.name) in self.gateways)
            and (not self.hosts or _any_meet(self.hosts, server.names))
        )


def in_scope(findings: Iterable[Merged], scope: Scope, mesh: Mesh) -> tuple[Merged, ...]:
    """Return the findings about what was chosen, and what explains them, wherever it is."""
    every = tuple(findings)
    if scope.is_everything:
        return every
    serving = frozenset(
        server.gateway for server in servers(mesh) if _any_meet(scope.hosts, server.names)
    )
    chosen = [each for each in every if _takes(scope, each, serving)]
    kept = {*chosen, *ancestors(chosen, causes(every))}
    return tuple(each for each in every if each in kept)


def unmatched(scope: Scope, mesh: Mesh, there: Iterable[Ref]) -> Iterator[str]:
    """Yield what was chosen and is nowhere: that nothing is wrong with it means nothing."""
    if scope.is_everything:
        return
    refs = frozenset(there)
    gateways = {(ref.namespace, ref.name) for ref in refs if ref.kind == "Gateway"}
    for namespace, name in sorted(scope.gateways - gateways):
        yield f"There is no Gateway {namespace}/{name}."
    for namespace in sorted(scope.namespaces - {ref.namespace for ref in refs}):
        yield f"There is nothing in the namespace {namespace}."
    for host in hosts_without_server(scope, mesh):
        yield f"No gateway has a server for {host}."


def hosts_without_server(scope: Scope, mesh: Mesh) -> Iterator[str]:
    """Yield the hosts that were chosen and that no gateway has a server for."""
    for host in scope.hosts:
        if not any(_any_meet((host,), server.names) for server in servers(mesh)):
            yield host


def no_server_for(mesh: Mesh, host: str) -> str:
    """Say that no gateway has a server for a host, and which host may have been meant."""
    names = dict.fromkeys(name for server in servers(mesh) for name in server.names)
    near = near_hosts(host, names)
    return f"no gateway has a server for {host}{f'; did you mean {near[0]}?' if near else ''}"


def _takes(scope: Scope, finding: Merged, serving: frozenset[Ref]) -> bool:
    refs = {place.ref for place in finding.objects}
    if scope.namespaces and not any(ref.namespace in scope.namespaces for ref in refs):
        return False
    if scope.gateways and not any(
        ref.kind == "Gateway" and (ref.namespace, ref.name) in scope.gateways for ref in refs
    ):
        return False
    if not scope.hosts:
        return True
    if finding.hosts:
        return _any_meet(scope.hosts, finding.hosts)
    return not refs.isdisjoint(serving)


def _any_meet(wanted: Iterable[str], hosts: Iterable[str]) -> bool:
    names = tuple(hosts)
    return any(meet(one, other) is not None for one in wanted for other in names)
