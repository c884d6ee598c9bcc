"""HTTP-01 challenges: fixes that let them through, and evidence of their answers."""

from collections.abc import Iterable
from typing import Any

from istiodoctor.evidence import Evidence, EvidenceKind
from istiodoctor.fix import Fix, Patch, PatchType, Risk, get, json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.reasons import without_tokens
from istiodoctor.mesh.configuration.held import HeldHttpRule
from istiodoctor.mesh.configuration.redirects import (
    ACME_PREFIX,
    PlainHost,
    RedirectKind,
    rules_for,
)
from istiodoctor.mesh.gateways.servers import ANY_NAMESPACE, Server
from istiodoctor.mesh.observations.challenges import (
    ChallengeReply,
    ChallengeReplyKind,
    challenge_replies,
)
from istiodoctor.model.kind import ISTIO_NETWORKING
from istiodoctor.model.ref import Ref

LEAVE_OUT = {":path": {"prefix": ACME_PREFIX}}
DNS = Fix(
    title="Answer challenges by DNS-01 instead",
    risk=Risk.NEEDS_ISSUANCE,
    why="Add a dns01 solver to the issuer: then no request through the gateway is needed.",
)

SHOWN = 3


def replies_of(mesh: Mesh, host: str, kind: ChallengeReplyKind) -> tuple[ChallengeReply, ...]:
    """Return the answers of a kind to requests for challenges of a host."""
    return tuple(
        each for each in challenge_replies(mesh).get(host.lower(), ()) if each.kind is kind
    )


def challenge_evidence(replies: Iterable[ChallengeReply]) -> tuple[Evidence, ...]:
    """Return answers as evidence: the first few, without their tokens."""
    return tuple(
        Evidence(
            kind=EvidenceKind.HTTP,
            text=f"{without_tokens(str(each.first))} ({each.kind})",
            ref=each.first.access_point.pod if each.first.access_point else None,
            at=each.first.at,
        )
        for each in list(replies)[:SHOWN]
    )


def exempt_challenges(mesh: Mesh, plain: PlainHost) -> tuple[Fix, ...]:
    """Let challenges pass a redirect, else do without them."""
    if plain.redirect is RedirectKind.SERVER:
        servers = (*plain.listener.servers, plain.server)
        found = (each for each in servers if each.field("/tls/httpsRedirect") == plain.place)
        return (_redirect_by_route(next(found, plain.server)), DNS)
    rules = dict.fromkeys(
        each.held for each in rules_for(mesh, plain) if each.place == plain.place
    )
    return (*map(_narrow, rules), DNS)


def _redirect_by_route(server: Server) -> Fix:
    """Replace a server's redirect by one in a VirtualService that leaves challenges out."""
    gateway = server.gateway
    route = Ref(
        ISTIO_NETWORKING, "VirtualService", gateway.namespace, f"{gateway.name}-https-redirect"
    )
    hosts = [h.name for h in server.hosts if h.namespace in (ANY_NAMESPACE, gateway.namespace)]
    body = {
        "apiVersion": f"{ISTIO_NETWORKING}/v1",
        "kind": "VirtualService",
        "metadata": {"name": route.name, "namespace": route.namespace},
        "spec": {
            "hosts": list(dict.fromkeys(hosts)),
            "gateways": [gateway.name],
            "http": [
                {
                    "match": [{"port": server.port, "withoutHeaders": LEAVE_OUT}],
                    "redirect": {"scheme": "https", "redirectCode": 301},
                }
            ],
        },
    }
    remove = [{"op": "remove", "path": server.path + "/tls"}]
    return Fix(
        title="Redirect by a VirtualService that leaves challenges out",
        patches=(
            Patch(ref=gateway, type=PatchType.JSON, body=remove),
            Patch(ref=route, type=PatchType.CREATE, body=body),
        ),
        verify=get(route),
        why="The solver's own route then answers challenges on the plain port.",
    )


def _narrow(held: HeldHttpRule) -> Fix:
    """Leave challenges out of each match of a redirect rule."""
    path = held.place.path
    operations: list[dict[str, Any]] = [
        {
            "op": "add",
            "path": f"{path}/match/{index}/withoutHeaders{'/:path' if others else ''}",
            "value": LEAVE_OUT[":path"] if others else LEAVE_OUT,
        }
        for index, others in enumerate(match.without_headers for match in held.rule.match)
    ] or [{"op": "add", "path": f"{path}/match", "value": [{"withoutHeaders": LEAVE_OUT}]}]
    return json_patch(held.place.ref, operations, "Leave challenges out of the redirect")
