"""Why rules of one object stand before those of another in a virtual host."""

from collections.abc import Mapping
from enum import StrEnum

from istiodoctor.mesh.configuration.bound import virtual_service_exports, visibility
from istiodoctor.mesh.configuration.domain_rules import DomainRule
from istiodoctor.mesh.gateways.attachments import attachments
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.ref import Ref


class Precedence(StrEnum):
    """Why the rules of one object stand before those of another."""

    WRITTEN = "written"
    """They are of one VirtualService, in this order."""
    AGE = "age"
    GATEWAY_AGE = "gateway-age"
    """Its Gateway is older."""
    VISIBILITY = "visibility"
    """Fewer namespaces see it: private ones first, then those exported by name."""


def precedence_of(
    mesh: Mesh, workload: Workload, winner: DomainRule, loser: DomainRule
) -> tuple[Precedence, bool]:
    """Return why one rule stands before another, and whether that is known."""
    one, other = winner.section, loser.section
    exports = virtual_service_exports(mesh, workload)
    ranks = {visibility(each.source, workload.namespace, exports) for each in (one, other)}
    if one.server.gateway_name != other.server.gateway_name:
        return Precedence.GATEWAY_AGE, one.server.age_is_known and other.server.age_is_known
    if len(ranks) > 1:
        return Precedence.VISIBILITY, workload.is_known
    return Precedence.AGE, all(_created(mesh, each) for each in (winner, loser))


def _created(mesh: Mesh, rule: DomainRule) -> str:
    """Return when the object of a rule was made; empty where that is not known."""
    if rule.held.owner is None:
        return rule.section.source.age_order[0]
    return _ages_of_routes(mesh).get(rule.held.owner, "")


@question
def _ages_of_routes(mesh: Mesh) -> Mapping[Ref, str]:
    return {each.route.ref: each.route.age_order[0] for each in attachments(mesh)}
