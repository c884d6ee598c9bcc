"""The patches of an EnvoyFilter, typed as far as they say what they are for.

https://istio.io/latest/docs/reference/config/networking/envoy-filter/
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from istiodoctor.model.metadata import Fields


class ProxyMatch(Fields, frozen=True, kw_only=True):
    """Which proxies a patch is for."""

    proxy_version: str = ""
    """A regular expression that is looked for in the version of Istio."""
    metadata: Mapping[str, Any] = msgspec.field(default_factory=dict)


class SubFilterMatch(Fields, frozen=True, kw_only=True):
    """A HTTP filter."""

    name: str = ""


class FilterMatch(Fields, frozen=True, kw_only=True):
    """A network filter, and a HTTP filter in it."""

    name: str = ""
    sub_filter: SubFilterMatch | None = None


class FilterChainMatch(Fields, frozen=True, kw_only=True):
    """A filter chain."""

    name: str = ""
    sni: str = ""
    transport_protocol: str = ""
    application_protocols: str = ""
    destination_port: int = 0
    filter: FilterMatch | None = None


class ListenerMatch(Fields, frozen=True, kw_only=True):
    """A listener, by the port of the pods."""

    name: str = ""
    port_number: int = 0
    filter_chain: FilterChainMatch | None = None
    listener_filter: str = ""


class RouteMatch(Fields, frozen=True, kw_only=True):
    """A route."""

    name: str = ""
    action: str = ""


class VirtualHostMatch(Fields, frozen=True, kw_only=True):
    """A virtual host."""

    name: str = ""
    domain_name: str = ""
    route: RouteMatch | None = None


class RouteConfigurationMatch(Fields, frozen=True, kw_only=True):
    """A route configuration, by the port of the Service."""

    name: str = ""
    port_number: int = 0
    port_name: str = ""
    gateway: str = ""
    vhost: VirtualHostMatch | None = None


class ClusterMatch(Fields, frozen=True, kw_only=True):
    """Clusters."""

    name: str = ""
    service: str = ""
    subset: str = ""
    port_number: int = 0


class ObjectMatch(Fields, frozen=True, kw_only=True):
    """What a patch is applied to."""

    context: str = ""
    proxy: ProxyMatch | None = None
    listener: ListenerMatch | None = None
    route_configuration: RouteConfigurationMatch | None = None
    cluster: ClusterMatch | None = None


class Patch(Fields, frozen=True, kw_only=True):
    """What is done, and with what."""

    operation: str = ""
    value: Any = None


class ConfigPatch(Fields, frozen=True, kw_only=True):
    """An entry of `spec.configPatches`."""

    apply_to: str = ""
    match: ObjectMatch = ObjectMatch()
    patch: Patch | None = None


def decoded_patch(raw: Any) -> ConfigPatch | None:
    """Return an entry of `spec.configPatches`; None for one that is none.

    Numbers may be written as texts, as in any JSON that stands for a protobuf message.
    """
    try:
        return msgspec.convert(raw, ConfigPatch, strict=False)
    except (msgspec.ValidationError, RecursionError):
        return None
