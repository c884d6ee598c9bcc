"""Whether gateways were seen to trust X-Forwarded-Proto, compared with their configuration."""

from collections.abc import Mapping
from dataclasses import dataclass

from istiodoctor.mesh.configuration.redirects import PlainHost, RedirectKind, plain_hosts_for
from istiodoctor.mesh.configuration.request import requested
from istiodoctor.mesh.gateways.listeners import workloads_of
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.certificates import servers_by_id
from istiodoctor.mesh.observations.http_answers import is_own, leads_to, requests
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import trusted_proxies
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.observation import HttpObservation, HttpStep, Via


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeaderTrust:
    """How a redirecting server answered requests with `X-Forwarded-Proto: https`."""

    plain: PlainHost
    trusts: bool
    """Whether it let pass what claims https, and redirected the rest."""
    steps: tuple[HttpStep, ...]
    """What was told https, and what was not."""


@question
def header_trust(mesh: Mesh) -> Mapping[Workload, HeaderTrust]:
    """Return how redirecting gateways answered requests with `X-Forwarded-Proto: https`."""
    told: dict[str, dict[str, tuple[PlainHost, HttpStep]]] = {}
    for _, seen in requests(mesh):
        proto = seen.target.forwarded_proto
        if proto and (plain := _redirecting(mesh, seen)):
            told.setdefault(_key(seen), {})[proto] = (plain, seen.steps[0])
    found: dict[Workload, HeaderTrust] = {}
    for each in told.values():
        if "https" in each and "http" in each and (trust := _trust(each)):
            found.setdefault(trust.plain.workload, trust)
    return found


def _redirecting(mesh: Mesh, seen: HttpObservation) -> PlainHost | None:
    """Return the host that a request at a pod was sent to, if its server redirects."""
    first = seen.steps[0]
    if first.access_point is None or first.access_point.via is not Via.PORT_FORWARD:
        return None
    plain = plain_host_at(mesh, servers_by_id(mesh)[seen.target.server], first)
    return plain if plain and plain.redirect is RedirectKind.SERVER else None


def plain_host_at(mesh: Mesh, server: Server, step: HttpStep) -> PlainHost | None:
    """Return the plain server that a step's host would reach in plain HTTP, where it went."""
    request = requested(step.url)
    for workload in workloads_of(mesh, server):
        if request and step.access_point and workload.owner == step.access_point.gateway:
            return next(iter(plain_hosts_for(mesh, workload, request.host)), None)
    return None


@question
def disregarded_topologies(mesh: Mesh) -> tuple[tuple[HeaderTrust, int], ...]:
    """Return the gateways that trust X-Forwarded-Proto otherwise than configured."""
    return tuple(
        (trust, configured)
        for workload, trust in header_trust(mesh).items()
        for configured in (trusted_proxies(mesh, workload),)
        if configured is not None and bool(configured) is not trust.trusts
    )


def _trust(told: Mapping[str, tuple[PlainHost, HttpStep]]) -> HeaderTrust | None:
    """Judge two answers: None where what claims http is not redirected either."""
    plain, as_https = told["https"]
    _, as_http = told["http"]
    if not (leads_to(as_http, "https") and is_own(as_http) and as_https.status):
        return None
    trusts = not (leads_to(as_https, "https") and is_own(as_https))
    return HeaderTrust(plain=plain, trusts=trusts, steps=(as_https, as_http))


def _key(seen: HttpObservation) -> str:
    return f"{seen.target.url} {seen.steps[0].access_point}"
