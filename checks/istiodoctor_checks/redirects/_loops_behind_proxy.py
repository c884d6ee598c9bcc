"""Redirects in circles at an address of a gateway whose pods have none: TLS ends before them."""

from collections.abc import Mapping

from istiodoctor.mesh.configuration.redirects import PlainHost, RedirectKind
from istiodoctor.mesh.exposure import http_behind_proxy
from istiodoctor.mesh.exposure.front_proxies import Front
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.header_trust import header_trust, plain_host_at
from istiodoctor.mesh.observations.http_answers import Loop, goes_round, is_own, loops, requests
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import trusted_proxies
from istiodoctor.model.observation import HttpObservation, HttpStep


@question
def _loops_before_gateway(mesh: Mesh) -> Mapping[Loop, PlainHost]:
    """Return the loops that only show from outside, with the plain server that redirects.

    What comes by https:// gets its answer: so it reaches that server in plain HTTP, unless
    what stands before the gateway makes the circle by itself.
    """
    well = {seen.target.host for _, seen in requests(mesh) if _is_well(seen)}
    ill = {loop.observation.target.host for loop in loops(mesh) if _is_at_pod(loop.step)}
    return {
        loop: plain
        for loop in loops(mesh)
        if loop.observation.target.host in well - ill
        and loop.step.url.startswith("https:")
        and not loop.step.from_upstream
        if (plain := _redirecting_plainly(mesh, loop))
    }


@question
def seen_plain_hops(mesh: Mesh) -> tuple[http_behind_proxy.Loop, ...]:
    """Return the loops of gateways that redirect whatever X-Forwarded-Proto says."""
    return tuple(
        http_behind_proxy.Loop(
            plain=plain,
            front=_front(loop, plain),
            trusted_proxies=trusted_proxies(mesh, plain.workload),
            is_certain=is_own(loop.step),
            seen=loop.step,
        )
        for loop, plain in _loops_before_gateway(mesh).items()
        if plain.redirect is RedirectKind.ROUTE or not _goes_by_header(mesh, plain)
    )


@question
def seen_untold_https(mesh: Mesh) -> tuple[http_behind_proxy.UntoldHttps, ...]:
    """Return the loops of gateways that would let pass what they are told came by https."""
    return tuple(
        http_behind_proxy.UntoldHttps(
            plain=plain,
            front=_front(loop, plain),
            trusted_proxies=trusted_proxies(mesh, plain.workload),
            seen=loop.step,
        )
        for loop, plain in _loops_before_gateway(mesh).items()
        if plain.redirect is RedirectKind.SERVER and _goes_by_header(mesh, plain)
    )


def _goes_by_header(mesh: Mesh, plain: PlainHost) -> bool:
    """Whether a gateway believes X-Forwarded-Proto: as seen, else as configured."""
    seen = header_trust(mesh).get(plain.workload)
    return seen.trusts if seen else bool(trusted_proxies(mesh, plain.workload))


def _redirecting_plainly(mesh: Mesh, loop: Loop) -> PlainHost | None:
    plain = plain_host_at(mesh, loop.server, loop.step)
    return plain if plain and plain.redirect is not RedirectKind.NONE else None


def _is_well(seen: HttpObservation) -> bool:
    """Whether a pod was asked, and answered without a circle."""
    first = seen.steps[0]
    return _is_at_pod(first) and first.status > 0 and not goes_round(seen)


def _is_at_pod(step: HttpStep) -> bool:
    return step.access_point is not None and step.access_point.pod is not None


def _front(loop: Loop, plain: PlainHost) -> Front:
    return Front(
        text=f"what ends TLS at {loop.step.access_point}",
        hosts=(plain.host,),
        terminates_tls=True,
        plain_port=plain.listener.port,
    )
