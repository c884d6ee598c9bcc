"""What browsers keep: permanent redirects, and the word that a host is for HTTPS only."""

from collections.abc import Iterator
from dataclasses import dataclass

from istiodoctor.mesh.configuration.redirects import PlainHost, RedirectKind, plain_hosts
from istiodoctor.mesh.configuration.request import requested
from istiodoctor.mesh.exposure.http_behind_proxy import is_decrypted_before
from istiodoctor.mesh.exposure.plain_https import tls_meets_somewhere
from istiodoctor.mesh.exposure.services import Exposure, exposure
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.http_answers import Loop, loops, requests
from istiodoctor.mesh.question import question
from istiodoctor.model.http_statuses import MOVED_PERMANENTLY, PERMANENT_REDIRECT
from istiodoctor.model.observation import HttpStep

PERMANENT = frozenset({MOVED_PERMANENTLY, PERMANENT_REDIRECT})
AGE, BELOW_TOO = "max-age", "includesubdomains"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Remembered:
    """A loop that browsers go on in by themselves, once it is mended."""

    loop: Loop
    steps: tuple[HttpStep, ...]
    """The answers that they keep."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForcedHost:
    """A host that is served in plain HTTP alone, below one that forbids that to browsers."""

    plain: PlainHost
    step: HttpStep
    """Where it was said."""
    above: str
    """The host that said it."""


@question
def remembered_loops(mesh: Mesh) -> tuple[Remembered, ...]:
    """Return the loops with redirects that browsers keep for good."""
    return tuple(
        Remembered(loop=loop, steps=kept)
        for loop in loops(mesh)
        if (kept := tuple(filter(_is_kept, loop.observation.steps)))
    )


@question
def _strict_parents(mesh: Mesh) -> HostIndex[tuple[HttpStep, str]]:
    """Return, under the wildcard of what is below them, the hosts that bind all below."""
    return HostIndex(
        (f"*.{host}", (step, host))
        for _, seen in requests(mesh)
        for step in seen.steps
        if step.url.startswith("https:") and binds_below(step.strict_transport_security)
        for host in _hosts(step.url)
    )


@question
def forced_hosts(mesh: Mesh) -> tuple[ForcedHost, ...]:
    """Return the plain hosts that browsers ask for by https:// alone, once they were above.

    Not where anything speaks TLS for them.
    """
    strict = _strict_parents(mesh)
    return tuple(
        ForcedHost(plain=plain, step=found[0], above=found[1])
        for plain in plain_hosts(mesh)
        if (found := next(strict.covering(plain.host), None)) and _is_plain_alone(mesh, plain)
    )


def _is_plain_alone(mesh: Mesh, plain: PlainHost) -> bool:
    return (
        plain.redirect is RedirectKind.NONE
        and exposure(mesh, plain.workload) is not Exposure.INSIDE
        and plain.is_routed
        and not is_decrypted_before(mesh, plain)
        and not tls_meets_somewhere(mesh, plain.host)
    )


def binds_below(header: str) -> bool:
    """Whether a Strict-Transport-Security header holds for all names below, and has not ended."""
    directives = {
        name.strip().lower(): value.strip().strip('"')
        for name, _, value in (each.partition("=") for each in header.split(";"))
    }
    age = directives.get(AGE, "")
    return BELOW_TOO in directives and age.isdecimal() and age.strip("0") != ""


def _is_kept(step: HttpStep) -> bool:
    is_permanent = step.status in PERMANENT and bool(step.location)
    return is_permanent or bool(step.strict_transport_security)


def _hosts(url: str) -> Iterator[str]:
    request = requested(url)
    if request and request.server_name:
        yield request.server_name
