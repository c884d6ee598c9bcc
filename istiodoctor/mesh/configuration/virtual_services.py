"""Istio's VirtualServices as istiod holds them: names resolved, delegates in their place.

Source: pilot/pkg/model/virtualservice_controller.go, virtualservice.go.
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from istiodoctor.mesh.configuration.held import (
    HeldHttpRule,
    HeldTcpRule,
    HeldTlsRule,
    HeldVirtualService,
)
from istiodoctor.mesh.configuration.names import MESH, resolved_gateway, resolved_host
from istiodoctor.mesh.delegation import delegated
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.istio import (
    Destination,
    HttpMatch,
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
def virtual_services_by_gateway_name(mesh: Mesh) -> Mapping[str, tuple[VirtualService, ...]]:
    """Return the Istio VirtualServices that name each Gateway, oldest first.

    One without hosts is a delegate and binds to nothing (virtualservice_controller.go:237).
    """
    found: dict[str, list[VirtualService]] = {}
    every = (each for each in mesh.all(VirtualService) if each.spec.hosts)
    for each in sorted(every, key=lambda found: found.age_order):
        for name in dict.fromkeys(each.spec.gateways):
            if name != MESH:
                found.setdefault(resolved_gateway(name, each.namespace), []).append(each)
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
    spec, namespace = source.spec, source.namespace
    return HeldVirtualService(
        namespace=namespace,
        name=source.name,
        hosts=tuple(resolved_host(each, namespace) for each in spec.hosts),
        gateways=tuple(resolved_gateway(each, namespace) for each in spec.gateways),
        http=rules,
        tls=tuple(
            HeldTlsRule(rule=_resolved_layer4(rule, namespace), place=source.at(f"/spec/tls/{i}"))
            for i, rule in enumerate(spec.tls)
        ),
        tcp=tuple(
            HeldTcpRule(rule=_resolved_layer4(rule, namespace), place=source.at(f"/spec/tcp/{i}"))
            for i, rule in enumerate(spec.tcp)
        ),
        export_to=spec.export_to or None,
        age_order=source.age_order,
        made_by=source.ref,
        unknown_because="; ".join(unread),
    )


def _http_rules(
    mesh: Mesh, source: VirtualService, exports: frozenset[str], unread: list[str]
) -> Iterator[HeldHttpRule]:
    """Yield the HTTP rules; a delegate is one without hosts that its delegator can see."""
    for index, rule in enumerate(source.spec.http):
        if rule.delegate is None:
            yield _held(rule, source, index)
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
                yield HeldHttpRule(rule=merged, place=found.at(f"/spec/http/{i}"))


def _held(rule: HttpRule, source: VirtualService, index: int) -> HeldHttpRule:
    return HeldHttpRule(
        rule=_resolved(rule, source.namespace), place=source.at(f"/spec/http/{index}")
    )


def is_exported(export_to: tuple[str, ...], own: str, seen_from: str) -> bool:
    """Whether an object of one namespace is visible from another; without a list it is."""
    if not export_to:
        return True
    return any(
        each in ("*", seen_from) or (each == "." and own == seen_from) for each in export_to
    )


def _resolved(rule: HttpRule, namespace: str) -> HttpRule:
    """Return a rule with full names; the same one where it has nothing else."""
    changes: dict[str, object] = {}
    if any(_is_short(each.destination) for each in rule.route):
        changes["route"] = _full_route(rule.route, namespace)
    if rule.mirror and _is_short(rule.mirror):
        changes["mirror"] = _full(rule.mirror, namespace)
    if any(each.destination and _is_short(each.destination) for each in rule.mirrors):
        changes["mirrors"] = tuple(
            msgspec.structs.replace(each, destination=_full(each.destination, namespace))
            if each.destination
            else each
            for each in rule.mirrors
        )
    if any(match.gateways for match in rule.match):
        changes["match"] = tuple(_full_match(match, namespace) for match in rule.match)
    return msgspec.structs.replace(rule, **changes) if changes else rule


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
