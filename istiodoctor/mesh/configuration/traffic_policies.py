"""The traffic policy that a cluster is made with: of the rule, its port, its subset.

Source: `GetPortLevelTrafficPolicy`, `MergeSubsetTrafficPolicy`
(pilot/pkg/networking/util/util.go:865, 893).
"""

from dataclasses import dataclass

from istiodoctor.mesh.configuration.cluster import UpstreamTls, UpstreamTlsMode
from istiodoctor.mesh.configuration.consolidated_rules import ConsolidatedRule, PlacedSubset
from istiodoctor.mesh.configuration.placed_policies import PlacedPolicy
from istiodoctor.model.istio import ClientTls, ConnectionPool, HttpPool
from istiodoctor.model.ref import Place

PASSTHROUGH = "PASSTHROUGH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What of a traffic policy counts for one port."""

    tls: ClientTls | None = None
    place: Place
    """Of `tls`."""
    load_balancer: str = ""
    connection_pool: ConnectionPool | None = None
    written_at: Place
    """The policy itself, or its settings for the port."""
    is_of_port: bool = False
    """Taken from `portLevelSettings`: what they leave out has its default then."""


def applied(placed: PlacedPolicy, port: int) -> Applied:
    """Return what of a policy counts for a port: its own settings alone, where it has any."""
    policy = placed.policy
    for index, each in enumerate(policy.port_level_settings):
        if each.port.number == port:
            return Applied(
                tls=each.tls,
                place=placed.tls_place(f"/portLevelSettings/{index}", port),
                load_balancer=each.load_balancer.simple if each.load_balancer else "",
                connection_pool=each.connection_pool,
                written_at=Place(
                    placed.place.ref, f"{placed.place.path}/portLevelSettings/{index}"
                ),
                is_of_port=True,
            )
    return Applied(
        tls=policy.tls,
        place=placed.tls_place(""),
        load_balancer=policy.load_balancer.simple if policy.load_balancer else "",
        connection_pool=policy.connection_pool,
        written_at=placed.place,
    )


def http_pool(
    rule: ConsolidatedRule | None, subset: PlacedSubset | None, port: int
) -> tuple[HttpPool, Place] | None:
    """Return what a rule says of the HTTP of a cluster, and where."""
    found: Applied | None = None
    for each in _layers(rule, subset, port):
        if each.connection_pool is not None or each.is_of_port:
            found = each
    if found is None or found.connection_pool is None or found.connection_pool.http is None:
        return None
    place = Place(found.written_at.ref, f"{found.written_at.path}/connectionPool/http")
    return found.connection_pool.http, place


def goes_to_original_destination(
    rule: ConsolidatedRule | None, subset: PlacedSubset | None, port: int
) -> bool:
    """Whether a cluster has the address that the client asked for (`applyLoadBalancer`).

    core/cluster_traffic_policy.go:363.
    """
    return is_made_without_names(rule, subset, port) or PASSTHROUGH in (
        each.load_balancer for each in _layers(rule, subset, port)
    )


def is_made_without_names(
    rule: ConsolidatedRule | None, subset: PlacedSubset | None, port: int
) -> bool:
    """Whether a subset's cluster leads there before its endpoints are looked for.

    `buildSubsetCluster`, core/cluster_builder.go:306.
    """
    own = subset.subset.traffic_policy if subset else None
    if own and own.load_balancer and own.load_balancer.simple == PASSTHROUGH:
        return True
    return PASSTHROUGH in (each.load_balancer for each in _layers(rule, None, port))


def upstream_tls(
    rule: ConsolidatedRule | None, subset: PlacedSubset | None, port: int
) -> UpstreamTls | None:
    """Return how a rule says that TLS is spoken to the endpoints of a cluster."""
    found: Applied | None = None
    for each in _layers(rule, subset, port):
        if each.tls is not None or each.is_of_port:
            found = each
    if found is None or found.tls is None:
        return None
    try:
        mode = UpstreamTlsMode(found.tls.mode or UpstreamTlsMode.DISABLE)
    except ValueError:
        return None
    return UpstreamTls(mode=mode, settings=found.tls, place=found.place)


def _layers(
    rule: ConsolidatedRule | None, subset: PlacedSubset | None, port: int
) -> tuple[Applied, ...]:
    """Return the policies that count, the rule's before its subset's."""
    found = []
    if rule and rule.policy:
        found.append(applied(rule.policy, port))
    if subset and subset.subset.traffic_policy:
        place = Place(subset.place.ref, f"{subset.place.path}/trafficPolicy")
        placed = PlacedPolicy(policy=subset.subset.traffic_policy, place=place)
        found.append(applied(placed, port))
    return tuple(found)
