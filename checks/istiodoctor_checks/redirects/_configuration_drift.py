"""Configuration drift: answers of gateway pods that differ from the expected configuration."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.configuration.listener import FilterChain, HttpConnectionManager
from istiodoctor.mesh.configuration.mesh_options import http_options
from istiodoctor.mesh.configuration.request import Request, requested
from istiodoctor.mesh.gateways.listeners import listeners_of
from istiodoctor.mesh.gateways.merging import Listener, route_name
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.grace_times import SETTLING_TIME
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.http_answers import is_own, leads_to, requests
from istiodoctor.mesh.policies.authorization_policies import (
    applying_policies,
    policies_unread,
    token_rules,
    tokens_unknown_because,
)
from istiodoctor.mesh.question import question
from istiodoctor.mesh.requests.answers import AnswerKind, Ending, exhausted
from istiodoctor.mesh.requests.connections import Connection
from istiodoctor.mesh.requests.hops import BROKEN, Hop
from istiodoctor.mesh.requests.http_hops import http_hops
from istiodoctor.mesh.requests.unread import GATEWAYS, ROUTES, are_complete, refused
from istiodoctor.mesh.workloads.control_planes import mesh_config
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.istio import IstioGateway, VirtualService
from istiodoctor.model.kind import Kind
from istiodoctor.model.meshconfig import ProxyConfig, decode_proxy_config
from istiodoctor.model.observation import HttpObservation, HttpStep, Via
from istiodoctor.model.ref import Ref

NOT_FOUND = 404


class DriftKind(StrEnum):
    """In what a pod differs from the objects."""

    UNKNOWN_HOST = "unknown-host"
    """It answers 404 where a route takes the request."""
    UNREDIRECTED = "unredirected"
    """It answers in the clear where the server redirects."""
    REDIRECTED = "redirected"
    """It redirects to https:// where nothing does."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConfigurationDrift:
    """A request that a pod answers otherwise than the expected configuration does."""

    kind: DriftKind
    server: Server
    workload: Workload
    host: str
    step: HttpStep
    decided_by: Ref | None
    """The object with the route or the redirect."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Held:
    """A request, its first answer, and what should have come of it."""

    server: Server
    listener: Listener
    observation: HttpObservation
    hops: tuple[Hop, ...]
    ending: Ending

    @property
    def step(self) -> HttpStep:
        return self.observation.steps[0]

    @property
    def is_at_pod(self) -> bool:
        return (
            self.step.access_point is not None and self.step.access_point.via is Via.PORT_FORWARD
        )

    @property
    def is_not_found(self) -> bool:
        """Whether Envoy itself has no route: its 404 has no page."""
        return self.step.status == NOT_FOUND and is_own(self.step) and not self.step.body


@question
def hides_backends(mesh: Mesh, workload: Workload) -> bool:
    """Whether answers do not tell that an application gave them (`envoyDebugHeaders`)."""
    text = workload.annotations.get("proxy.istio.io/config")
    own = decode_proxy_config(text) if text else None
    config = mesh_config(mesh, workload)
    return any(map(_hides, (own, config.default_config if config else None)))


@question(
    *ROUTES,
    *GATEWAYS,
    evidence=[
        applying_policies,
        token_rules,
        tokens_unknown_because,
        policies_unread,
        are_complete,
        refused,
    ],
)
def _held_requests(mesh: Mesh) -> tuple[_Held, ...]:
    """Return the requests at gateways that claim nothing, with what the objects promise."""
    return tuple(
        held
        for server, seen in requests(mesh)
        if not seen.target.forwarded_proto and seen.steps[0].status
        if (held := _held(mesh, server, seen)) and not hides_backends(mesh, held.listener.workload)
    )


def _held(mesh: Mesh, server: Server, seen: HttpObservation) -> _Held | None:
    access_point = seen.steps[0].access_point
    request = requested(seen.target.url)
    if access_point is None or request is None or access_point.via is Via.DNS:
        return None
    for listener in listeners_of(mesh, server):
        is_there = listener.port == access_point.port or access_point.pod is None
        speaks = (request.scheme == "https") is listener.is_tls
        if listener.workload.owner == access_point.gateway and is_there and speaks:
            hops, ending = _expected(mesh, listener, server, request)
            return _Held(
                server=server, listener=listener, observation=seen, hops=hops, ending=ending
            )
    return None


def _expected(
    mesh: Mesh, listener: Listener, server: Server, request: Request
) -> tuple[tuple[Hop, ...], Ending]:
    manager = HttpConnectionManager(
        route_configuration=route_name(server, listener.port),
        options=http_options(mesh, listener.workload),
    )
    connection = Connection(
        workload=listener.workload,
        port=listener.port,
        chain=FilterChain(server=server, http=manager),
        manager=manager,
        server_name=request.server_name,
        is_tls=request.scheme == "https",
        is_held=False,
    )
    return exhausted(http_hops(mesh, request, connection))


@question
def unknown_hosts(mesh: Mesh) -> Mapping[Server, Mapping[str, tuple[HttpStep, ...]]]:
    """Return the hosts that Envoy has no route for, as the objects have it too."""
    found: dict[Server, dict[str, list[HttpStep]]] = defaultdict(lambda: defaultdict(list))
    for held in _held_requests(mesh):
        if held.is_not_found and _is_unrouted(held.hops):
            found[held.server][held.observation.target.host].append(held.step)
    return {
        server: {host: tuple(steps) for host, steps in hosts.items()}
        for server, hosts in found.items()
    }


@question(Kind.ISTIO_GATEWAY, Kind.VIRTUAL_SERVICE)
def configuration_drifts(mesh: Mesh) -> Mapping[Workload, tuple[ConfigurationDrift, ...]]:
    """Return what pods answer otherwise than the objects have it, but for the newest ones."""
    found: dict[Workload, list[ConfigurationDrift]] = defaultdict(list)
    for drift in _configuration_drifts(mesh):
        if not _is_new(mesh, drift.server.gateway) and not _is_new(mesh, drift.decided_by):
            found[drift.workload].append(drift)
    return {workload: tuple(each) for workload, each in found.items()}


def _configuration_drifts(mesh: Mesh) -> Iterator[ConfigurationDrift]:
    for held in _held_requests(mesh):
        kind = _drift_kind(held) if held.is_at_pod else None
        if kind:
            yield ConfigurationDrift(
                kind=kind,
                server=held.server,
                workload=held.listener.workload,
                host=held.observation.target.host,
                step=held.step,
                decided_by=_deciding(held.hops),
            )


def _is_new(mesh: Mesh, ref: Ref | None) -> bool:
    if ref is None:
        return False
    kinds = (IstioGateway, VirtualService)
    found = (mesh.get(kind, ref.namespace, ref.name) for kind in kinds if _is(ref, kind))
    made = (each.metadata.creation_timestamp for each in found if each)
    return any(each and mesh.snapshot.taken_at - each < SETTLING_TIME for each in made)


def _drift_kind(held: _Held) -> DriftKind | None:
    step, ending = held.step, held.ending
    arrives = ending.kind in (AnswerKind.BACKEND, AnswerKind.DIRECT_RESPONSE)
    if held.is_not_found:
        is_expected = arrives or ending.kind is AnswerKind.REDIRECT
        return DriftKind.UNKNOWN_HOST if is_expected and ending.status != NOT_FOUND else None
    if _redirects(held.hops, ending):
        is_clear = step.from_upstream or 200 <= step.status < 300
        return DriftKind.UNREDIRECTED if is_clear and not step.location else None
    if arrives and step.url.startswith("http:") and leads_to(step, "https"):
        return DriftKind.REDIRECTED if is_own(step) and ending.status != step.status else None
    return None


def _redirects(hops: tuple[Hop, ...], ending: Ending) -> bool:
    """Whether the server itself redirects, whatever the path."""
    return ending.kind is AnswerKind.REDIRECT and bool(hops) and hops[-1].hop == "redirect"


def _is_unrouted(hops: tuple[Hop, ...]) -> bool:
    return bool(hops) and hops[-1].hop == "virtual-host" and hops[-1].state is BROKEN


def _deciding(hops: tuple[Hop, ...]) -> Ref | None:
    found = (each.ref for each in hops if each.hop in ("route", "redirect") and each.ref)
    return next(found, None)


def _is(ref: Ref, kind: type[IstioGateway] | type[VirtualService]) -> bool:
    api = kind.KIND.value
    return (ref.group, ref.kind) == (api.group, api.kind)


def _hides(config: ProxyConfig | None) -> bool:
    headers = config.proxy_headers if config else None
    debug = headers.envoy_debug_headers if headers else None
    return bool(debug and debug.disabled)
