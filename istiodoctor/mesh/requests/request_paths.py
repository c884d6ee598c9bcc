"""The paths of one request through the mesh, hop by hop, to its answer.

Source: `Request routing` in Istio's documentation, and the modules that answer for each hop.
"""

from collections.abc import Iterator

from istiodoctor.mesh.configuration.extensions import run_on_connections, run_on_requests
from istiodoctor.mesh.configuration.request import Request
from istiodoctor.mesh.gateways.api_gateways import gateways_of_unknown_class
from istiodoctor.mesh.gateways.ingresses import undecided_ingresses
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.requests.answers import (
    STOPPED,
    AnswerKind,
    Ending,
    HopGenerator,
    ends_at,
    exhausted,
)
from istiodoctor.mesh.requests.connection_hops import connection_hops
from istiodoctor.mesh.requests.entries import (
    Entry,
    entries,
    guarded_workloads,
    other_workloads,
    serving_workloads,
)
from istiodoctor.mesh.requests.hops import BROKEN, Hop, workload_hop
from istiodoctor.mesh.requests.left_out import with_left_out
from istiodoctor.mesh.requests.outcomes import AnswerOutcome
from istiodoctor.mesh.requests.redirection import to_https
from istiodoctor.mesh.requests.unread import EVERY, anywhere, are_complete, refused
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.value import Value

UNANSWERED = frozenset({AnswerOutcome.REFUSED, AnswerOutcome.RESET, AnswerOutcome.NOT_FOUND})
"""What a gateway says that has nothing for a request."""


class RequestPath(Value, frozen=True, kw_only=True):
    """The hops of a request through one gateway, and how they end."""

    request: Request
    workload: Workload | None
    """The gateway's pods; None where no gateway takes the request."""
    hops: tuple[Hop, ...]
    ending: Ending
    entry: Entry | None = None
    """How it comes to the pods."""
    is_unseen: bool = False
    """Its end was to be looked at on the wire, and nothing could be learned of it."""


MAY_BE_UNREAD = (
    refused,
    are_complete,
    gateways_of_unknown_class,
    undecided_ingresses,
    run_on_connections,
    run_on_requests,
)
"""Without what these read, hops are unknown."""


@question(evidence=MAY_BE_UNREAD)
def request_paths(mesh: Mesh, request: Request) -> tuple[RequestPath, ...]:
    """Return the paths of a request: one for each gateway, and port of its pods, it may reach.

    A redirect ends it: what follows is another request. Hops after a broken one are not there.
    Which gateway a client reaches is for DNS to say: those that name the host are all shown, of
    the others those that answer.
    """
    serving = serving_workloads(mesh, request)
    found = [
        request_path for each in serving for request_path in paths_through(mesh, request, each)
    ]
    for each in other_workloads(mesh, request):
        if each not in serving:
            beside = list(paths_through(mesh, request, each))
            found += (
                beside if any(_may_answer(mesh, request_path) for request_path in beside) else ()
            )
    if not found and not request.workload:
        for each in guarded_workloads(mesh):
            beside = list(paths_through(mesh, request, each))
            found += beside if any(map(_is_denied, beside)) else ()
    return tuple(found) or (_request_path(request, None, None, _nowhere(mesh, request)),)


def _is_denied(request_path: RequestPath) -> bool:
    return (
        request_path.ending.kind is AnswerKind.NONE
        and request_path.hops[-1].outcome is AnswerOutcome.DENIED
    )


def paths_through(mesh: Mesh, request: Request, workload: Workload) -> Iterator[RequestPath]:
    """Yield the paths of a request through one gateway: one for each port of its pods."""
    for entry in entries(mesh, request, workload):
        yield path_by(mesh, request, workload, entry)


def path_by(mesh: Mesh, request: Request, workload: Workload, entry: Entry) -> RequestPath:
    """Return the path of a request by one port of a gateway's pods."""
    return _request_path(request, workload, entry, _hops(mesh, request, workload, entry))


def _may_answer(mesh: Mesh, request_path: RequestPath) -> bool:
    """Whether a gateway has anything for a request, or may have by what could not be read."""
    match request_path.ending.kind:
        case AnswerKind.UNKNOWN:
            return bool(refused(mesh, EVERY))
        case AnswerKind.NONE:
            outcome = request_path.ending.outcome or request_path.hops[-1].outcome
            return outcome is not None and outcome not in UNANSWERED
        case _:
            return True


def _nowhere(mesh: Mesh, request: Request) -> HopGenerator:
    text, ref = f"no gateway has a server for {request.served_name}", None
    if request.workload:
        text = f"no gateway's pods are {request.workload}"
    else:
        text, ref = with_left_out(mesh, None, request.served_name, text)
    kinds = anywhere(mesh)
    return (
        yield from ends_at(mesh, "filter-chain", text, rests_on=kinds, called="Gateways", ref=ref)
    )


def past_certificates(mesh: Mesh, request_path: RequestPath) -> RequestPath:
    """Return the path as it goes on where a certificate is served that the objects do not have."""
    workload, entry = request_path.workload, request_path.entry
    if workload is None or entry is None:
        return request_path
    hop_generator = _hops(mesh, request_path.request, workload, entry, is_served=True)
    return _request_path(request_path.request, workload, entry, hop_generator)


def _hops(
    mesh: Mesh, request: Request, workload: Workload, entry: Entry, *, is_served: bool = False
) -> HopGenerator:
    yield from entry.hops
    if any(each.state is BROKEN for each in entry.hops):
        return STOPPED
    if entry.target is None:
        sent = to_https(request)
        return Ending(kind=AnswerKind.REDIRECT, status=sent.status, location=sent.location)
    pods = workload_hop(workload)
    yield pods
    if pods.state is BROKEN:
        return STOPPED
    return (
        yield from connection_hops(
            mesh, request, workload, entry, entry.target, is_served=is_served
        )
    )


def _request_path(
    request: Request, workload: Workload | None, entry: Entry | None, hop_generator: HopGenerator
) -> RequestPath:
    hops, ending = exhausted(hop_generator)
    return RequestPath(request=request, workload=workload, hops=hops, ending=ending, entry=entry)
