"""The routes, clusters and endpoints that an Envoy says it has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from istiodoctor.model import envoy_clusters as clusters
from istiodoctor.model import envoy_routes as routes
from istiodoctor.model.ref import Ref

TAKES_NOTHING = frozenset({"UNHEALTHY", "DRAINING", "TIMEOUT"})
"""The health of endpoints that get no requests, by Envoy's names."""


class Section(StrEnum):
    """A part of the configuration that is asked for by itself."""

    ROUTES = "routes"
    CLUSTERS = "clusters"
    ENDPOINTS = "endpoints"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyRoutes:
    """A route configuration as an Envoy has it."""

    configuration: routes.RouteConfiguration
    is_static: bool = False
    """It stands in a listener, and RDS is not asked for it."""
    version_info: str = ""
    last_updated: datetime | None = None
    error: str = ""
    """Why Envoy refused the last version, in its own words; empty when it does not say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyEndpoints:
    """How many endpoints a cluster has."""

    known: int
    usable: int
    """Those that take requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyCluster:
    """A cluster as an Envoy has it."""

    configured: clusters.Cluster
    is_warming: bool = False
    """It waits for its endpoints or Secrets, and there is no older version to use."""
    endpoints: EnvoyEndpoints | None = None
    """None where Envoy did not show them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyConfiguration:
    """What was read of the configuration of one pod's Envoy, beside its listeners."""

    pod: Ref
    taken_at: datetime
    sections: frozenset[Section] = frozenset()
    """What was read completely: what is not here, Envoy does not have."""
    routes: Mapping[str, EnvoyRoutes] = field(default_factory=dict)
    """By name."""
    clusters: Mapping[str, EnvoyCluster] = field(default_factory=dict)
    """By name."""
