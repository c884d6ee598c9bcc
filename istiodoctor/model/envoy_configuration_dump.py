"""From answers of `/config_dump` to the routes, clusters and endpoints of an Envoy."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from istiodoctor.model.decode import Undecodable
from istiodoctor.model.envoy_clusters import (
    Cluster,
    ClustersDump,
    DynamicCluster,
    EndpointConfig,
    EndpointsDump,
)
from istiodoctor.model.envoy_configuration import (
    TAKES_NOTHING,
    EnvoyCluster,
    EnvoyConfiguration,
    EnvoyEndpoints,
    EnvoyRoutes,
    Section,
)
from istiodoctor.model.envoy_listeners import LONGEST_ERROR
from istiodoctor.model.envoy_parts import config_parts, decoded
from istiodoctor.model.envoy_routes import DynamicRouteConfig, RoutesDump
from istiodoctor.model.kind import Kind
from istiodoctor.model.redaction import redact
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading, Unread, UnreadReason

V = TypeVar("V", bound=Hashable)

ROUTES = "RoutesConfigDump"
CLUSTERS = "ClustersConfigDump"
ENDPOINTS = "EndpointsConfigDump"
SECTIONS = {
    ROUTES: Section.ROUTES,
    f"{ROUTES}.DynamicRouteConfig": Section.ROUTES,
    CLUSTERS: Section.CLUSTERS,
    f"{CLUSTERS}.DynamicCluster": Section.CLUSTERS,
    ENDPOINTS: Section.ENDPOINTS,
    f"{ENDPOINTS}.DynamicEndpointConfig": Section.ENDPOINTS,
}
"""What a dump holds completely that has a part of this type.

An answer of `?resource=` for what listeners and the bootstrap hold says nothing of the rest.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationAnswers:
    """What `/config_dump` answered, as bytes."""

    recorded: tuple[bytes, ...] = ()
    """The whole, or parts by `?resource=` one after the other."""
    asked: Mapping[Section, bytes] = field(default_factory=dict)
    """By `?resource=`, what was asked for: there is no more of it, even where it is nothing."""
    missing: tuple[Unread, ...] = ()
    """Why there are no others."""


class Alike:
    """Equal values, kept once: the pods of a gateway have the same configuration."""

    def __init__(self) -> None:
        """Know none."""
        self._known: dict[Any, Any] = {}

    def one(self, value: V) -> V:
        """Return the first value that was equal."""
        found: V = self._known.setdefault(value, value)
        return found


def decode_configuration(
    pod: Ref, *, taken_at: datetime, answers: ConfigurationAnswers, alike: Alike
) -> Reading:
    """Return the configuration of a pod's Envoy as far as its answers tell.

    One answer that is of no use takes nothing from the others.
    """
    unread = list(answers.missing)
    found = _Found(alike=alike)
    sections: set[Section] = set()
    given = (*((None, each) for each in answers.recorded), *answers.asked.items())
    for section, answer in given:
        try:
            held = found.add(answer)
        except Undecodable as error:
            words = f"what Envoy answers cannot be used: {error}"
            unread.append(unread_configuration(pod, words))
        else:
            sections |= {section} if section else held
    if not sections:
        nothing = unread_configuration(pod, "no routes, clusters or endpoints among the answers")
        return Reading(unread=tuple(unread[:1]) or (nothing,))
    configuration = EnvoyConfiguration(
        pod=pod,
        taken_at=taken_at,
        sections=frozenset(sections),
        routes=found.routes,
        clusters=found.with_endpoints(),
    )
    return Reading(envoy_configurations=(configuration,), unread=tuple(unread))


def unread_configuration(
    pod: Ref, message: str, reason: UnreadReason = UnreadReason.FAILED, file: str | None = None
) -> Unread:
    """Return the configuration of a pod's Envoy as something that was not read."""
    return Unread(
        kind=Kind.ENVOY_CONFIGURATION,
        namespace=pod.namespace,
        name=pod.name,
        reason=reason,
        message=message,
        file=file,
    )


@dataclass(slots=True, kw_only=True)
class _Found:
    """What was found in the answers so far."""

    alike: Alike
    routes: dict[str, EnvoyRoutes] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    warming: set[str] = field(default_factory=set)
    """Those of them that there is no older version of."""
    endpoints: dict[str, EnvoyEndpoints] = field(default_factory=dict)

    def add(self, answer: bytes) -> set[Section]:
        """Take in an answer, and return what it holds completely; raises Undecodable."""
        sections = set()
        for kind, raw in config_parts(answer):
            self._add(kind, raw)
            if kind in SECTIONS:
                sections.add(SECTIONS[kind])
        return sections

    def _add(self, kind: str, raw: msgspec.Raw) -> None:
        match kind:
            case "RoutesConfigDump":
                dump = decoded(raw, RoutesDump, "config_dump")
                self._add_routes(dump.dynamic_route_configs)
                self._add_routes(dump.static_route_configs, is_static=True)
            case "RoutesConfigDump.DynamicRouteConfig":
                self._add_routes([decoded(raw, DynamicRouteConfig, "config_dump")])
            case "RoutesConfigDump.StaticRouteConfig":
                one = decoded(raw, DynamicRouteConfig, "config_dump")
                self._add_routes([one], is_static=True)
            case "ClustersConfigDump":
                known = decoded(raw, ClustersDump, "config_dump")
                self._add_clusters(known.dynamic_active_clusters)
                self._add_clusters(known.static_clusters)
                self._add_clusters(known.dynamic_warming_clusters, is_warming=True)
            case "ClustersConfigDump.DynamicCluster" | "ClustersConfigDump.StaticCluster":
                self._add_clusters([decoded(raw, DynamicCluster, "config_dump")])
            case "EndpointsConfigDump":
                held = decoded(raw, EndpointsDump, "config_dump")
                self._add_endpoints(held.dynamic_endpoint_configs)
                self._add_endpoints(held.static_endpoint_configs)
            case (
                "EndpointsConfigDump.DynamicEndpointConfig"
                | "EndpointsConfigDump.StaticEndpointConfig"
            ):
                self._add_endpoints([decoded(raw, EndpointConfig, "config_dump")])

    def _add_routes(self, found: Iterable[DynamicRouteConfig], *, is_static: bool = False) -> None:
        """Add route configurations; one that RDS sent goes before one of a listener."""
        for each in found:
            configuration = each.route_config
            if is_static and configuration.name in self.routes:
                continue
            hosts = tuple(map(self.alike.one, configuration.virtual_hosts))
            error = redact(each.error_state.details) if each.error_state else ""
            self.routes[configuration.name] = EnvoyRoutes(
                configuration=msgspec.structs.replace(configuration, virtual_hosts=hosts),
                is_static=is_static,
                version_info=each.version_info,
                last_updated=each.last_updated,
                error=" ".join(error.split())[:LONGEST_ERROR],
            )

    def _add_clusters(self, found: Iterable[DynamicCluster], *, is_warming: bool = False) -> None:
        for each in found:
            cluster = self.alike.one(each.cluster)
            if is_warming and cluster.name not in self.clusters:
                self.warming.add(cluster.name)
            if not (is_warming and cluster.name in self.clusters):
                self.clusters[cluster.name] = cluster

    def _add_endpoints(self, found: Iterable[EndpointConfig]) -> None:
        for each in found:
            assigned = each.endpoint_config
            health = [
                one.health_status for place in assigned.endpoints for one in place.lb_endpoints
            ]
            self.endpoints[assigned.cluster_name] = EnvoyEndpoints(
                known=len(health), usable=sum(one not in TAKES_NOTHING for one in health)
            )

    def with_endpoints(self) -> Mapping[str, EnvoyCluster]:
        """Return the clusters with their endpoints, which go by the name that EDS is asked for."""
        return {
            name: EnvoyCluster(
                configured=each,
                is_warming=name in self.warming,
                endpoints=self.endpoints.get(_endpoints_of(each)),
            )
            for name, each in self.clusters.items()
        }


def _endpoints_of(cluster: Cluster) -> str:
    return cluster.eds_cluster_config.service_name or cluster.name
