"""What AuthorizationPolicies make of a request or connection, as hops.

Envoy asks them before it looks for a route: a request that is denied gets neither a redirect nor
404 (`listener_builder.go:480-484`: the filters stand before the router's).
"""

from collections.abc import Iterator

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization import Authorization, Verdict
from istiodoctor.mesh.policies.authorization_policies import policies_unread
from istiodoctor.mesh.requests.hops import BROKEN, UNKNOWN, Hop
from istiodoctor.mesh.requests.outcomes import AnswerOutcome
from istiodoctor.model.ref import Place

FORBIDDEN = 403
SHOWN_RULES = 3


def policy_hops(mesh: Mesh, found: Authorization, *, is_http: bool) -> Iterator[Hop]:
    """Yield a hop where policies deny or may deny; none where they let it through."""
    hop = "http-filters" if is_http else "filter-chain"
    ref = found.places[0].ref if found.places else None
    if found.verdict is Verdict.DENIED:
        end = f"{FORBIDDEN}" if is_http else "the connection is closed"
        yield Hop(
            hop=hop,
            ref=ref,
            state=BROKEN,
            text=f"{_named(found.places)}{found.reason}: {end}",
            outcome=AnswerOutcome.DENIED if is_http else AnswerOutcome.RESET,
        )
    elif found.verdict is Verdict.UNKNOWN and (found.places or policies_unread(mesh)):
        yield Hop(hop=hop, ref=ref, state=UNKNOWN, text=f"{_named(found.places)}{found.reason}")


def _named(places: tuple[Place, ...]) -> str:
    """Name rules by their fields; the hop names the object of the first."""
    if not places:
        return ""
    names = [places[0].field, *(str(each) for each in places[1:SHOWN_RULES])]
    more = len(places) - SHOWN_RULES
    return f"{', '.join([*names, *([f'{more} more'] if more > 0 else [])])}: "
