"""Istio's VirtualServices as istiod holds them: names resolved, delegates in their place.

Source: pilot/pkg/model/virtualservice_controller.go, virtualservice.go.
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from istiodoctor.mesh.configuration.delegation import delegated
from istiodoctor.mesh.configuration.held import (
    HeldHttpRule,
    HeldTcpRule,
    HeldTlsRule,
    HeldVirtualService,
)
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.names import MESH, resolved_gateway, resolved_host
from istiodoctor.mesh.workloads.workloads import REVISION_LABEL
from istiodoctor.model.istio import (
    Destination,
    HttpMatch,
    HttpMirror,
    HttpRule,
    RouteDestination,
    TcpRule,
    TlsRule,
    VirtualService,
)
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place

LayerFour = TypeVar("LayerFour", TlsRule, TcpRule)


@question(Kind.VIRTUAL_SERVICE)
def virtual_services(mesh: Mesh) -> tuple[VirtualService, ...]:
    """Return every VirtualService of Istio, oldest first."""
    return tuple(sorted(mesh.all(VirtualService), key=lambda each: each.age_order))


@question
def virtual_services_by_gateway_name(mesh: Mesh) -> Mapping[str, tuple[VirtualService, ...]]:
    """Return the Istio VirtualServices that name each Gateway, oldest first.

    One without hosts is a delegate and binds to nothing (virtualservice_controller.go:237).
    """
    found: dict[str, list[VirtualService]] = {}
    for each in virtual_services(mesh):
        if not each.spec.hosts:
            continue
        namespace = each.namespace
        names = [resolved_gateway(name, namespace) for name in each.spec.gateways]
        for name in names if len(names) == 1 else dict.fromkeys(names):
            if name != MESH:
                found.setdefault(name, []).append(each)
    return {name: tuple(services) for name, services in found.items()}


@question(Kind.VIRTUAL_SERVICE)
def held_virtual_service(
    mesh: Mesh, source: VirtualService, exports: frozenset[str]
) -> HeldVirtualService:
    """Return a VirtualService as istiod holds it.

    `exports` is to whom those without `exportTo` are exported.
    """
    unread: list[str] = []
    rules = tuple(_http_rules(mesh, source, exports, unread))
    spec, ref = source.spec, source.ref
    namespace = ref.namespace
    return HeldVirtualService(
        namespace=namespace,
        name=ref.name,
        hosts=tuple([resolved_host(each, namespace) for each in spec.hosts]),
        gateways=tuple([resolved_gateway(each, namespace) for each in spec.gateways]),
        http=rules,
        tls=tuple(_tls_rules(source)) if spec.tls else (),
        tcp=tuple(_tcp_rules(source)) if spec.tcp else (),
        export_to=spec.export_to or None,
        age_order=source.age_order,
        revision=source.metadata.labels.get(REVISION_LABEL, ""),
        made_by=ref,
        unknown_because="; ".join(unread),
    )


def _tls_rules(source: VirtualService) -> Iterator[HeldTlsRule]:
    for index, rule in enumerate(source.spec.tls):
        resolved = _resolved_layer4(rule, source.namespace)
        yield HeldTlsRule(rule=resolved, place=source.at(f"/spec/tls/{index}"), written=rule)


def _tcp_rules(source: VirtualService) -> Iterator[HeldTcpRule]:
    for index, rule in enumerate(source.spec.tcp):
        resolved = _resolved_layer4(rule, source.namespace)
        yield HeldTcpRule(rule=resolved, place=source.at(f"/spec/tcp/{index}"), written=rule)


def _http_rules(
    mesh: Mesh, source: VirtualService, exports: frozenset[str], unread: list[str]
) -> Iterator[HeldHttpRule]:
    """Yield the HTTP rules; a delegate is one without hosts that its delegator can see."""
    ref = source.ref
    for index, rule in enumerate(source.spec.http):
        if rule.delegate is None:
            resolved = _resolved(rule, ref.namespace)
            yield HeldHttpRule(
                rule=resolved, place=Place(ref, f"/spec/http/{index}"), written=rule
            )
            continue
        namespace = rule.delegate.namespace or source.namespace
        found = mesh.get(VirtualService, namespace, rule.delegate.name)
        if found is None:
            if not mesh.is_complete(Kind.VIRTUAL_SERVICE, namespace, rule.delegate.name):
                unread.append(f"VirtualService {namespace}/{rule.delegate.name} was not read")
            continue
        export_to = found.spec.export_to or tuple(exports)
        if found.spec.hosts or not is_exported(export_to, found.namespace, source.namespace):
            continue
        root = _resolved(rule, source.namespace)
        for i, inner in enumerate(found.spec.http):
            merged = delegated(root, _resolved(inner, found.namespace))
            if merged is not None:
                yield HeldHttpRule(rule=merged, place=found.at(f"/spec/http/{i}"), written=inner)


def is_exported(export_to: tuple[str, ...], own: str, seen_from: str) -> bool:
    """Whether an object of one namespace is visible from another; without a list it is."""
    if not export_to:
        return True
    return any(
        each in ("*", seen_from) or (each == "." and own == seen_from) for each in export_to
    )


def _resolved(rule: HttpRule, namespace: str) -> HttpRule:
    """Return a rule with full names; the same one where it has nothing else."""
    route = _full_route(rule.route, namespace)
    if route is not rule.route:
        rule = msgspec.structs.replace(rule, route=route)
    if rule.mirror and _is_short(rule.mirror):
        rule = msgspec.structs.replace(rule, mirror=_full(rule.mirror, namespace))
    if rule.mirrors:
        rule = msgspec.structs.replace(rule, mirrors=_full_mirrors(rule.mirrors, namespace))
    for match in rule.match:
        if match.gateways:
            matches = tuple(_full_match(each, namespace) for each in rule.match)
            return msgspec.structs.replace(rule, match=matches)
    return rule


def _full_mirrors(mirrors: tuple[HttpMirror, ...], namespace: str) -> tuple[HttpMirror, ...]:
    return tuple(
        msgspec.structs.replace(each, destination=_full(each.destination, namespace))
        if each.destination
        else each
        for each in mirrors
    )


def _resolved_layer4(rule: LayerFour, namespace: str) -> LayerFour:
    """Return a tls or tcp rule with full names."""
    return msgspec.structs.replace(
        rule,
        route=_full_route(rule.route, namespace),
        match=tuple(
            msgspec.structs.replace(
                match,
                gateways=tuple(resolved_gateway(each, namespace) for each in match.gateways),
            )
            for match in rule.match
        ),
    )


def _full_match(match: HttpMatch, namespace: str) -> HttpMatch:
    gateways = tuple(resolved_gateway(each, namespace) for each in match.gateways)
    return msgspec.structs.replace(match, gateways=gateways)


def _full_route(
    route: tuple[RouteDestination, ...], namespace: str
) -> tuple[RouteDestination, ...]:
    """Return destinations with full names; the same ones where they have nothing else."""
    for each in route:
        if _is_short(each.destination):
            break
    else:
        return route
    return tuple(
        msgspec.structs.replace(each, destination=_full(each.destination, namespace))
        for each in route
    )


def _is_short(destination: Destination) -> bool:
    return "." not in destination.host


def _full(destination: Destination, namespace: str) -> Destination:
    return msgspec.structs.replace(destination, host=resolved_host(destination.host, namespace))


def destination_place(rule: HeldHttpRule | HeldTlsRule | HeldTcpRule, index: int) -> Place:
    """Return the field of one destination of a rule."""
    if index < len(rule.destinations):
        return rule.destinations[index]
    return Place(rule.place.ref, f"{rule.place.path}/route/{index}/destination")
