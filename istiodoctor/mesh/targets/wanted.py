"""What questions still need to be read, as plain names for a source."""

from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from typing import TypeVar

from istiodoctor.mesh.cert_manager.issuance import certificates
from istiodoctor.mesh.configuration.upstream_tls import upstream_credentials
from istiodoctor.mesh.configuration.virtual_services import virtual_services
from istiodoctor.mesh.credentials.client_cas import (
    ClientCaState,
    client_ca_uses,
    config_map_uses,
)
from istiodoctor.mesh.credentials.credentials import CredentialState, credential_uses
from istiodoctor.mesh.credentials.secret_lookup import MISSPELT_CA_SUFFIXES
from istiodoctor.mesh.exposure.azure_probes import telling_nodes
from istiodoctor.mesh.gateways.credential_references import CA_SUFFIX, Form
from istiodoctor.mesh.gateways.listeners import istio_gateways, servers_by_workload
from istiodoctor.mesh.log_meanings import Meaning
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.observations.events import event_targets
from istiodoctor.mesh.workloads.control_planes import ISTIO_NAMESPACE, control_planes
from istiodoctor.mesh.workloads.workloads import (
    DEFAULT_REVISION,
    PROXY_CONTAINER,
    Workload,
    routers,
)
from istiodoctor.model.kind import OF_ENVOY, Kind
from istiodoctor.model.snapshot import Unread
from istiodoctor.model.wanted import LogTarget, Wanted

ISTIOD_CONTAINER = "discovery"
MOST_LOG_TARGETS = 40
MOST_ENVOYS = 40
NOT_STARTED = "Pending"
MOST_EVENT_TARGETS = 60
"""How many objects are asked about: where so much is in trouble, one cause shows in a few."""
LEGACY_FALLBACK = "gateway-fallback"
"""The Secret that agents up to Istio 1.8 served in place of a missing one."""

T = TypeVar("T")


def wanted(mesh: Mesh, kinds: frozenset[Kind], log_patterns: tuple[str, ...] = ()) -> Wanted:
    """Return the targeted reads for these kinds; grows as Secrets turn out to be missing."""
    with_secrets = Kind.SECRET in kinds
    with_logs = Kind.POD_LOG in kinds and bool(log_patterns)
    missing = frozenset(_missing_names(mesh)) if with_secrets else frozenset()
    logs = list(_log_targets(mesh)) if with_logs else []
    envoys = list(_envoy_pods(mesh)) if kinds & OF_ENVOY else []
    asked = frozenset(envoys[:MOST_ENVOYS])
    return Wanted(
        secrets=frozenset(_secrets(mesh)) if with_secrets else frozenset(),
        secret_names=frozenset(_secret_names(mesh)) if with_secrets else frozenset(),
        secrets_anywhere=missing,
        fallback_namespaces=_fallback_namespaces(mesh) if missing else frozenset(),
        logs=frozenset(logs[:MOST_LOG_TARGETS]),
        log_patterns=log_patterns,
        envoys=asked if Kind.ENVOY in kinds else frozenset(),
        envoy_configurations=asked if Kind.ENVOY_CONFIGURATION in kinds else frozenset(),
        events=frozenset(islice(event_targets(mesh), MOST_EVENT_TARGETS))
        if Kind.EVENT in kinds
        else frozenset(),
        again=frozenset(_again(mesh, kinds)),
        unasked=frozenset((*_logs_beyond(logs), *_envoys_beyond(envoys, kinds & OF_ENVOY))),
    )


def _secrets(mesh: Mesh) -> Iterator[tuple[str, str]]:
    for use in credential_uses(mesh):
        if use.namespace and use.state is not CredentialState.OUTSIDE:
            yield use.key
    for client_ca in client_ca_uses(mesh):
        if client_ca.namespace and client_ca.state is not ClientCaState.OUTSIDE:
            for name in filter(None, (client_ca.dedicated_name, client_ca.compound_name)):
                yield client_ca.namespace, name
    yield from upstream_credentials(mesh)
    yield from _mounted_secrets(mesh)


def _secret_names(mesh: Mesh) -> Iterator[tuple[str, str]]:
    """Yield Secrets of which nothing but the existence matters."""
    for use in client_ca_uses(mesh):
        if use.namespace and use.state is ClientCaState.MISSING and use.dedicated_name:
            stem = use.dedicated_name.removesuffix(CA_SUFFIX)
            for suffix in MISSPELT_CA_SUFFIXES:
                yield use.namespace, stem + suffix
    for fact in log_facts(mesh, Meaning.LEGACY_SECRET_NOT_FOUND):
        yield fact.namespace or fact.line.pod.namespace, LEGACY_FALLBACK


def _mounted_secrets(mesh: Mesh) -> Iterator[tuple[str, str]]:
    """Yield what gateways mount whose servers name certificates by file."""
    for workload, servers in servers_by_workload(mesh).items():
        if any(server.tls and server.tls.server_certificate for server in servers):
            for volume in workload.spec.volumes:
                if volume.secret and volume.secret.secret_name:
                    yield workload.namespace, volume.secret.secret_name


def _missing_names(mesh: Mesh) -> Iterator[str]:
    for use in credential_uses(mesh):
        if use.is_missing and use.reference.form is Form.KUBERNETES:
            yield use.name
    for client_ca in client_ca_uses(mesh):
        if client_ca.state is ClientCaState.MISSING and client_ca.dedicated_name:
            yield client_ca.dedicated_name


def _fallback_namespaces(mesh: Mesh) -> frozenset[str]:
    """Return the other namespaces in which a Secret may be by mistake: those of Gateways.

    VirtualServices and Certificates.
    """
    return frozenset(
        each.namespace
        for each in (
            *istio_gateways(mesh),
            *virtual_services(mesh),
            *certificates(mesh),
        )
    )


def _log_targets(mesh: Mesh) -> Iterator[LogTarget]:
    """Yield the control planes, then a pod of each gateway before a second one of any."""
    gateways = dict.fromkeys((*servers_by_workload(mesh), *routers(mesh)))
    planes = (_targets(each.workload, ISTIOD_CONTAINER) for each in control_planes(mesh))
    yield from _in_turns(planes)
    yield from _in_turns(_targets(each, PROXY_CONTAINER) for each in gateways)


def _envoy_pods(mesh: Mesh) -> Iterator[tuple[str, str]]:
    """Yield the gateway pods, ready or not, but those that have not been started yet.

    A pod of each gateway comes before a second one of any.
    """
    yield from _in_turns(
        [(pod.namespace, pod.name) for pod in workload.pods if pod.status.phase != NOT_STARTED]
        for workload in servers_by_workload(mesh)
        if workload.proxy
    )


def _again(mesh: Mesh, kinds: frozenset[Kind]) -> Iterator[tuple[Kind, str, str]]:
    """Yield what is had by name alone: mesh configurations, and nodes that tell the cloud."""
    if Kind.CONFIG_MAP in kinds:
        yield from _config_maps(mesh)
    if Kind.NODE in kinds:
        yield from ((Kind.NODE, "", name) for name in telling_nodes(mesh))


def _config_maps(mesh: Mesh) -> Iterator[tuple[Kind, str, str]]:
    if not control_planes(mesh):  # istiod runs elsewhere, or its pods may not be read
        yield Kind.CONFIG_MAP, ISTIO_NAMESPACE, "istio"
    for plane in control_planes(mesh):
        yield Kind.CONFIG_MAP, plane.namespace, "istio"
        if plane.revision != DEFAULT_REVISION:
            yield Kind.CONFIG_MAP, plane.namespace, f"istio-{plane.revision}"
    for use in config_map_uses(mesh):
        yield Kind.CONFIG_MAP, use.reference.namespace, use.reference.name


def _targets(workload: Workload, container: str) -> Iterator[LogTarget]:
    for pod in workload.pods:
        if any(
            each.name == container for each in (*pod.spec.containers, *pod.spec.init_containers)
        ):
            yield LogTarget(namespace=pod.namespace, pod=pod.name, container=container)


def _in_turns(groups: Iterable[Iterable[T]]) -> Iterator[T]:
    """Yield the first of each group, then the second of each, each once."""
    rounds = zip_longest(*groups)
    yield from dict.fromkeys(each for found in rounds for each in found if each is not None)


def _logs_beyond(targets: list[LogTarget]) -> Iterator[Unread]:
    words = f"{len(targets)} logs are more than the {MOST_LOG_TARGETS} that are read"
    for each in targets[MOST_LOG_TARGETS:]:
        yield Unread(kind=Kind.POD_LOG, namespace=each.namespace, name=each.pod, message=words)


def _envoys_beyond(pods: list[tuple[str, str]], kinds: frozenset[Kind]) -> Iterator[Unread]:
    words = f"{len(pods)} gateway pods are more than the {MOST_ENVOYS} whose Envoy is asked"
    for namespace, name in pods[MOST_ENVOYS:]:
        for kind in kinds:
            yield Unread(kind=kind, namespace=namespace, name=name, message=words)
