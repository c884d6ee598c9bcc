"""What is asked of gateways' Envoys, and what came of it."""

from istiodoctor.model.envoy import EnvoyState
from istiodoctor.model.envoy_configuration import EnvoyConfiguration
from istiodoctor.model.kind import OF_ENVOY
from istiodoctor.model.snapshot import Reading, UnreadReason
from istiodoctor.model.wanted import Wanted
from istiodoctor.sources.cluster import ClusterSource

GATEWAY, OTHER = ("istio-system", "gateway"), ("istio-system", "other")


def asked(source: ClusterSource, *pods: tuple[str, str]) -> Reading:
    return source.read(Wanted(envoys=frozenset(pods or (GATEWAY,))))


def asked_for_configuration(source: ClusterSource, *pods: tuple[str, str]) -> Reading:
    return source.read(Wanted(envoy_configurations=frozenset(pods or (GATEWAY,))))


def configuration(reading: Reading) -> EnvoyConfiguration:
    (found,) = reading.envoy_configurations
    return found


def state(reading: Reading) -> EnvoyState:
    (found,) = reading.envoys
    return found


def words(reading: Reading) -> list[tuple[UnreadReason, str]]:
    assert {each.kind for each in reading.unread} <= OF_ENVOY
    return [(each.reason, each.message) for each in reading.unread]
