"""The istiod that a gateway's proxies ask for their configuration, where no Service has its name.

Source: `discoveryAddress` of `ProxyConfig`, which the injector writes into `PROXY_CONFIG`
(istio-discovery/files/gateway-injection-template.yaml:92 of its chart). The Service of a revision
is called `istiod-REVISION` (istio-discovery/templates/service.yaml).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.logs.proxy_logs import disconnections
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import Kind
from istiodoctor.model.meshconfig import decode_proxy_config
from istiodoctor.model.ref import Ref
from istiodoctor.model.services import Service

PROXY_CONFIG = "PROXY_CONFIG"
ISTIOD = "istiod"
_LOOKED_UP = re.compile(r"\blookup (?P<name>[\w.-]{1,253}?)\.?(?: on \S{1,253})?: no such host")
_SERVICE = re.compile(r"\A(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(?:\.|:|\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownIstiod:
    """A name that a gateway's proxies ask for istiod, and that is no Service's."""

    asked: str
    """As the proxy has it: `istiod.istio-system.svc:15012`."""
    service: Ref
    """The Service that would have the name."""
    others: tuple[Ref, ...]
    """The Services of istiod that there are."""


@question(Kind.SERVICE)
def unknown_istiods(mesh: Mesh) -> Mapping[Workload, UnknownIstiod]:
    """Return the gateways that ask for an istiod under a name that no Service has."""
    found: dict[Workload, UnknownIstiod] = {}
    for workload, asked in _asked(mesh):
        named = _SERVICE.match(asked)
        if named is None or workload in found:
            continue
        namespace, name = named["namespace"], named["name"]
        is_absent = mesh.is_complete(Kind.SERVICE, namespace, name)
        if mesh.get(Service, namespace, name) is None and is_absent:
            missing = Ref("", "Service", namespace, name)
            found[workload] = UnknownIstiod(
                asked=asked, service=missing, others=_services_of_istiod(mesh)
            )
    return found


@question(Kind.SERVICE)
def _services_of_istiod(mesh: Mesh) -> tuple[Ref, ...]:
    return tuple(
        each.ref
        for each in mesh.all(Service)
        if each.spec.selector.get("app") == ISTIOD or each.metadata.labels.get("app") == ISTIOD
    )


def _asked(mesh: Mesh) -> Iterator[tuple[Workload, str]]:
    """Yield what gateways ask for, by their environment and by what DNS denied them."""
    for workload in servers_by_workload(mesh):
        text = workload.proxy.environment(PROXY_CONFIG) if workload.proxy else None
        config = decode_proxy_config(text) if text else None
        if config and config.discovery_address:
            yield workload, config.discovery_address
    for lost in disconnections(mesh):
        found = (_LOOKED_UP.search(fact.reason) for fact in reversed(lost.facts))
        looked_up = next(filter(None, found), None)
        if looked_up:
            yield lost.workload, looked_up["name"]
