"""Why no service of a hostname is there for a gateway workload, in an operator's words."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.cluster import ClusterFault
from istiodoctor.mesh.configuration.registry_service import EVERY_NAMESPACE, RegistryService
from istiodoctor.mesh.configuration.scope import Scope
from istiodoctor.mesh.configuration.service_registry import (
    exports,
    kubernetes_name,
    service_entries_by_host,
    services_of_hostname,
)
from istiodoctor.mesh.hosts import parents
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Ref
from istiodoctor.model.services import Service
from istiodoctor.text import listing

MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingService:
    """Why istiod has no service of a hostname for a namespace."""

    reason: str
    """One clause without a full stop."""
    fault: ClusterFault = ClusterFault.NO_SERVICE
    service: Ref | None = None
    """What there is in its place, or the Service that the hostname asks for."""


@question(Kind.SERVICE, evidence=[service_entries_by_host])
def why_missing(mesh: Mesh, scope: Scope, hostname: str) -> MissingService:
    """Return why istiod has no service of a hostname for a namespace."""
    found = services_of_hostname(mesh, scope, hostname)
    if found:
        reason = listing(_not_exported(each, scope) for each in found[:MOST_NAMED])
        return MissingService(reason=reason, fault=ClusterFault.NOT_EXPORTED, service=found[0].ref)
    name = kubernetes_name(hostname, scope.domain_suffix)
    if name:
        return _missing_service(mesh, scope, name[0], name[1])
    aliases = external_names(mesh).get(hostname, ())
    if aliases:
        return MissingService(
            reason=(
                f"ExternalName {aliases[0]} stands for {hostname}, which is no host of a"
                " ServiceEntry"
            ),
            fault=ClusterFault.ALIAS_OF_NOTHING,
            service=aliases[0],
        )
    return _missing_host(mesh, scope, hostname)


@question(Kind.SERVICE)
def _services_by_name(mesh: Mesh) -> Mapping[str, tuple[Ref, ...]]:
    found: dict[str, list[Ref]] = defaultdict(list)
    for each in mesh.all(Service):
        found[each.name].append(each.ref)
    return {name: tuple(refs) for name, refs in found.items()}


@question
def services_named(mesh: Mesh, name: str) -> tuple[Ref, ...]:
    """Return every Service of this name."""
    return _services_by_name(mesh).get(name, ())


@question(Kind.SERVICE)
def names_of_services(mesh: Mesh, namespace: str) -> tuple[str, ...]:
    """Return the names of the Services of a namespace, in order."""
    return tuple(sorted(each.name for each in mesh.all(Service) if each.namespace == namespace))


@question(Kind.SERVICE)
def external_names(mesh: Mesh) -> Mapping[str, tuple[Ref, ...]]:
    """Return the ExternalName Services by the host that they stand for."""
    found: dict[str, list[Ref]] = defaultdict(list)
    for each in mesh.all(Service):
        if each.spec.type == "ExternalName" and each.spec.external_name:
            found[each.spec.external_name].append(each.ref)
    return {host: tuple(refs) for host, refs in found.items()}


@question(Kind.SERVICE)
def may_be_of_other_domain(mesh: Mesh, scope: Scope, hostname: str) -> bool:
    """Whether a hostname is a Service's full name, if only the cluster's domain is that one."""
    parts = hostname.split(".", 3)
    if scope.domain_is_known or kubernetes_name(hostname, scope.domain_suffix):
        return False
    if len(parts) < 4 or parts[2] != "svc":
        return False
    return mesh.get(Service, parts[1], parts[0]) is not None


def _not_exported(service: RegistryService, scope: Scope) -> str:
    if not scope.namespace_is_known:
        return f"{service.ref} may not be exported to the gateway's namespace"
    audience = exports(service, scope) - {EVERY_NAMESPACE}
    if not audience:
        return (
            f"{service.ref} is exported to no namespace: this istiod reads no names in "
            "defaultServiceExportTo"
        )
    to = ", ".join(sorted(audience)[:MOST_NAMED])
    return f'{service.ref} is not exported to {scope.namespace} (exportTo "{to}")'


def _missing_service(mesh: Mesh, scope: Scope, name: str, namespace: str) -> MissingService:
    wanted = Ref(CORE, "Service", namespace, name)
    if namespace in scope.hidden_namespaces and mesh.get(Service, namespace, name):
        return MissingService(
            reason=f"{wanted} is in a namespace that no discoverySelector of the mesh selects",
            fault=ClusterFault.NAMESPACE_NOT_READ,
            service=wanted,
        )
    return MissingService(reason=_absent(mesh, wanted), service=wanted)


def _absent(mesh: Mesh, wanted: Ref) -> str:
    namespace, name = wanted.namespace, wanted.name
    if mesh.get(Service, namespace.lower(), name.lower()):
        return f"{wanted} does not exist: names are compared with their case"
    others = services_named(mesh, name)
    if others:
        named = listing(each.path for each in others[:MOST_NAMED])
        return f"{wanted} does not exist, only {named}"
    return f"{wanted} does not exist"


def _missing_host(mesh: Mesh, scope: Scope, hostname: str) -> MissingService:
    for each in _meant(mesh, hostname):
        suffix = scope.domain_suffix
        full = f"{each.name}.{each.namespace}.svc.{suffix}"
        return MissingService(reason=f"{hostname} is no full name: that of {each.ref} is {full}")
    by_host = service_entries_by_host(mesh)
    for wildcard in parents(hostname):
        if wildcard != hostname and wildcard in by_host:
            entry = by_host[wildcard][0].ref
            reason = f"{entry} makes a cluster of its host {wildcard} and of no name below it"
            return MissingService(reason=reason, fault=ClusterFault.WILDCARD_ONLY, service=entry)
    return MissingService(reason=f"no Service or ServiceEntry has the host {hostname}")


def _meant(mesh: Mesh, hostname: str) -> Iterator[Service]:
    """Yield the Service that `name.namespace` or `name.namespace.svc` means elsewhere."""
    parts = hostname.lower().split(".")
    if len(parts) >= 2 and (len(parts) == 2 or parts[2] == "svc"):
        service = mesh.get(Service, parts[1], parts[0])
        if service:
            yield service
