"""Kubernetes Ingresses as the VirtualServices that istiod makes of them.

Source: pilot/pkg/config/kube/ingress/virtualservices.go.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from istiodoctor.mesh.configuration.held import HeldHttpRule, HeldVirtualService, Semantics
from istiodoctor.mesh.configuration.left_out import LeftOut, Omission
from istiodoctor.mesh.gateways.ingresses import (
    GENERATED,
    gateway_name,
    ingress_settings,
    served_ingresses,
)
from istiodoctor.mesh.hosts import ANY
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.names import CLUSTER_DOMAIN
from istiodoctor.model.ingress import Ingress, IngressBackend, IngressPath
from istiodoctor.model.istio import (
    Destination,
    HttpMatch,
    HttpRule,
    PortSelector,
    RouteDestination,
    StringMatch,
)
from istiodoctor.model.kind import Kind
from istiodoctor.model.services import Service

EVERY_PATH = frozenset({"", "*", "/*", ".*"})
WHOLE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _IngressRule:
    """One rule of an Ingress."""

    ingress: Ingress
    index: int

    @property
    def order(self) -> tuple[str, str, str, int]:
        """The order of rules of one host (`sortRulesByCreationTimestamp`)."""
        ingress = self.ingress
        return (ingress.age_order[0], ingress.name, ingress.namespace, self.index)

    @property
    def paths(self) -> tuple[IngressPath, ...]:
        """Its paths; istiod passes over a rule without any."""
        return self.ingress.spec.rules[self.index].http.paths


@question
def _rules_by_host(mesh: Mesh) -> Mapping[str, tuple[_IngressRule, ...]]:
    """Return the rules of all Ingresses by host, in istiod's order."""
    found: dict[str, list[_IngressRule]] = defaultdict(list)
    for ingress in served_ingresses(mesh):
        for index, rule in enumerate(ingress.spec.rules):
            if rule.http.paths:
                found[rule.host or ANY].append(_IngressRule(ingress=ingress, index=index))
    return {
        host: tuple(sorted(rules, key=lambda each: each.order)) for host, rules in found.items()
    }


@question
def held_ingresses_by_gateway(mesh: Mesh) -> Mapping[str, tuple[HeldVirtualService, ...]]:
    """Return the VirtualServices that istiod makes of Ingresses, by the Gateway they are for.

    It makes one of all rules for a host, and only for the Gateway of the oldest of their
    Ingresses: on port 443 the `tls` entries of the others serve that host nothing.
    """
    found: dict[str, list[HeldVirtualService]] = defaultdict(list)
    for host, rules in _rules_by_host(mesh).items():
        held = _held(mesh, host, rules)
        found[held.gateways[0]].append(held)
    return {
        name: tuple(sorted(services, key=lambda each: each.age_order))
        for name, services in found.items()
    }


def _held(mesh: Mesh, host: str, rules: Sequence[_IngressRule]) -> HeldVirtualService:
    settings = ingress_settings(mesh)
    first = rules[0].ingress
    name = f"{host.replace('.', '-')}-{first.name}-{GENERATED}"
    http = [rule for each in rules for rule in _http_rules(mesh, each)]
    return HeldVirtualService(
        namespace=first.namespace,
        name=name,
        hosts=(host,),
        gateways=(gateway_name(first, settings),),
        http=tuple(sorted(http, key=_order)),
        age_order=("", "", f"{name}/{first.namespace}"),
        semantics=Semantics.INGRESS,
        made_by=first.ref,
        unknown_because=settings.unknown_because,
    )


def _order(held: HeldHttpRule) -> tuple[int, bool]:
    """Order by the length of paths, exact ones first (`sortHTTPRoutes`)."""
    uri = held.rule.match[0].uri if held.rule.match else None
    if uri is None:
        return (0, True)
    text = uri.prefix if uri.exact is None else uri.exact
    return (-len((text or "").encode(errors="surrogatepass")), uri.exact is None)


def _http_rules(mesh: Mesh, rule: _IngressRule) -> Iterator[HeldHttpRule]:
    """Yield a rule for each path; one whose Service has not the named port makes none."""
    for index, path in enumerate(rule.paths):
        place = rule.ingress.at(f"/spec/rules/{rule.index}/http/paths/{index}")
        port, unknown = backend_port(mesh, path.backend, rule.ingress.namespace)
        if path.backend.service is None or (port is None and not unknown):
            continue
        host = f"{path.backend.service.name}.{rule.ingress.namespace}.svc.{CLUSTER_DOMAIN}"
        uri = uri_of(path)
        destination = Destination(host=host, port=PortSelector(number=port) if port else None)
        yield HeldHttpRule(
            rule=HttpRule(
                match=(HttpMatch(uri=uri),) if uri else (),
                route=(RouteDestination(destination=destination, weight=WHOLE),),
            ),
            place=place,
            destinations=(rule.ingress.at(f"{place.path}/backend"),),
            owner=rule.ingress.ref,
            unknown_because=unknown,
        )


def uri_of(path: IngressPath) -> StringMatch | None:
    """Return the path of a rule by its type; None for one that takes every path.

    Of a path without one of Kubernetes' types only a wildcard at its end counts
    (`createFallbackStringMatch`).
    """
    written = path.path
    if path.path_type == "Exact":
        return StringMatch(exact=written)
    if path.path_type == "Prefix":
        return StringMatch(prefix=written)
    if written in EVERY_PATH:
        return None
    for end in (".*", "/*"):
        if written.endswith(end):
            return StringMatch(prefix=written.removesuffix(end))
    return StringMatch(exact=written)


@question(Kind.SERVICE)
def backend_port(mesh: Mesh, backend: IngressBackend, namespace: str) -> tuple[int | None, str]:
    """Return the port of an Ingress backend, and why it is not known where that is so.

    None without a reason for a port name that the Service has not (`resolveNamedPort`).
    """
    if backend.service is None:
        return None, ""
    if backend.service.port.number > 0:
        return backend.service.port.number, ""
    name = backend.service.name
    found = mesh.get(Service, namespace, name)
    if found is None:
        is_known = mesh.is_complete(Kind.SERVICE, namespace, name)
        return None, "" if is_known else f"Service {namespace}/{name} was not read"
    named = (each.port for each in found.spec.ports if each.name == backend.service.port.name)
    return next(named, None), ""


@question
def ingresses_left_out(mesh: Mesh) -> tuple[LeftOut, ...]:
    """Return what Ingresses ask for and istiod does not make."""
    return tuple(each for ingress in served_ingresses(mesh) for each in _left_out(mesh, ingress))


def _left_out(mesh: Mesh, ingress: Ingress) -> Iterator[LeftOut]:
    spec = ingress.spec
    if spec.default_backend is not None:
        place = ingress.at("/spec/defaultBackend")
        yield LeftOut(
            place=place,
            omission=Omission.INGRESS_DEFAULT_BACKEND,
            because="istiod makes nothing of a default backend",
            parents=(ingress.ref,),
            hosts=(ANY,),
        )
    for index, tls in enumerate(spec.tls):
        if not tls.secret_name:
            yield LeftOut(
                place=ingress.at(f"/spec/tls/{index}"),
                omission=Omission.INGRESS_WITHOUT_SECRET,
                because="it names no Secret",
                parents=(ingress.ref,),
                hosts=tls.hosts,
            )
    for index, rule in enumerate(spec.rules):
        for i, path in enumerate(rule.http.paths):
            port, unknown = backend_port(mesh, path.backend, ingress.namespace)
            if port is None and not unknown:
                yield LeftOut(
                    place=ingress.at(f"/spec/rules/{index}/http/paths/{i}/backend"),
                    omission=Omission.INGRESS_PORT_UNKNOWN,
                    because="its Service has no port of that name",
                    parents=(ingress.ref,),
                    hosts=(rule.host or ANY,),
                )
