"""How http:// is answered where clients ask: beside what the objects say of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from istiodoctor.mesh.configuration.redirects import PlainHost, RedirectKind, plain_hosts
from istiodoctor.mesh.configuration.request import DEFAULT_PORTS, Request, requested
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.http_answers import is_own, leads_to, requests
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.observation import HttpObservation, HttpStep, Outcome, Via

FROM_OUTSIDE = frozenset({Via.DNS, Via.SERVICE_ADDRESS})
"""Ways on which whatever stands before a gateway has its say."""
SILENT = frozenset({Outcome.REFUSED, Outcome.TIMED_OUT, Outcome.UNREACHABLE})


class PlainKind(StrEnum):
    """What became of a plain request."""

    CONTENT = "content"
    """It was answered with a page."""
    REDIRECT = "redirect"
    """It was sent to https:// by the gateway, or by what it routes to."""
    REDIRECT_BEFORE = "redirect-before"
    """It was sent to https:// by something before the gateway."""
    NOT_FOUND = "not-found"
    """The gateway has no route for it."""
    SILENCE = "silence"
    """Nobody took the connection."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlainAnswer:
    """One answer to http://, at its first step."""

    kind: PlainKind
    step: HttpStep


@question
def _plain_answers_by_name(mesh: Mesh) -> HostIndex[PlainAnswer]:
    return HostIndex(
        (request.host, PlainAnswer(kind=kind, step=seen.steps[0]))
        for _, seen in requests(mesh)
        if not seen.target.forwarded_proto
        if (request := _plain(seen.target.url)) and (kind := _kind(seen))
    )


@question
def plain_answers_seen(mesh: Mesh, workload: Workload, host: str) -> tuple[PlainAnswer, ...]:
    """Return the answers to http:// on port 80 for the names of a host of a gateway."""
    return tuple(
        each
        for each in _plain_answers_by_name(mesh).meeting(host)
        if each.step.access_point and each.step.access_point.gateway == workload.owner
    )


@question
def lost_redirects(mesh: Mesh) -> tuple[tuple[PlainHost, tuple[HttpStep, ...]], ...]:
    """Return the redirects that pods make and clients outside never see: they get a page."""
    found = []
    for plain in plain_hosts(mesh):
        if plain.redirect is RedirectKind.NONE:
            continue
        answers = plain_answers_seen(mesh, plain.workload, plain.host)
        pages = from_outside(answers, PlainKind.CONTENT)
        at_pods = [
            each for each in answers if each.step.access_point and each.step.access_point.pod
        ]
        if pages and at_pods and all(each.kind is PlainKind.REDIRECT for each in at_pods):
            found.append((plain, (*pages, at_pods[0].step)))
    return tuple(found)


@question
def _answered_by_https(mesh: Mesh) -> HostIndex[HttpStep]:
    return HostIndex(
        (seen.target.host, step)
        for _, seen in requests(mesh)
        for step in seen.steps
        if step.status and step.url.startswith("https:")
    )


@question
def is_answered_by_https(mesh: Mesh, host: str) -> bool:
    """Whether an https:// URL of a host was seen to be answered, with whatever."""
    return next(_answered_by_https(mesh).meeting(host), None) is not None


def from_outside(answers: Iterable[PlainAnswer], kind: PlainKind) -> tuple[HttpStep, ...]:
    """Return the answers of a kind that clients outside get."""
    return tuple(
        each.step
        for each in answers
        if each.kind is kind
        and each.step.access_point
        and each.step.access_point.via in FROM_OUTSIDE
    )


def of_kind(answers: Iterable[PlainAnswer], kind: PlainKind) -> tuple[HttpStep, ...]:
    """Return the answers of a kind, wherever they were given."""
    return tuple(each.step for each in answers if each.kind is kind)


def _plain(url: str) -> Request | None:
    request = requested(url)
    is_plain = request and request.scheme == "http" and request.port == DEFAULT_PORTS["http"]
    return request if is_plain else None


def _kind(seen: HttpObservation) -> PlainKind | None:
    first = seen.steps[0]
    if leads_to(first, "https"):
        own = is_own(first) or first.from_upstream
        return PlainKind.REDIRECT if own else PlainKind.REDIRECT_BEFORE
    if 200 <= first.status < 300:
        return PlainKind.CONTENT
    if first.status == 404 and is_own(first):
        return PlainKind.NOT_FOUND
    if not first.status and seen.outcome in SILENT:
        return PlainKind.SILENCE
    return None
