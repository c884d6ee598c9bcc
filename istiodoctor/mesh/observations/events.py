"""Kubernetes Events about objects that are failing."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from istiodoctor.mesh.cert_manager.issuance import Issuance, issuer_of
from istiodoctor.mesh.cert_manager.stuck_issuance import gateway_certificates, stuck_certificates
from istiodoctor.mesh.exposure.load_balancers import pending_load_balancers, unready_gateways
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.model.events import Event
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref

CLUSTER_EVENTS = "default"
"""The namespace of Events about objects that have none."""
WARNING = "Warning"
MOST_PODS = 3
"""Of a workload of which no pod is ready: the others say the same."""
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@question(Kind.EVENT)
def _events_by_object(mesh: Mesh) -> Mapping[tuple[str, str, str], tuple[Event, ...]]:
    """Return the Events by kind, namespace and name of what they are about."""
    found: dict[tuple[str, str, str], list[Event]] = defaultdict(list)
    for event in mesh.all(Event):
        about = event.involved_object
        found[about.kind, about.namespace, about.name].append(event)
    return {key: tuple(sorted(events, key=_age)) for key, events in found.items()}


@question
def events_of(mesh: Mesh, ref: Ref) -> tuple[Event, ...]:
    """Return the Events about an object, the newest last.

    They are kept for an hour or so, and read of objects in trouble only: that there is none
    means nothing.
    """
    events = _events_by_object(mesh).get((ref.kind, ref.namespace, ref.name), ())
    return tuple(each for each in events if _group(each) in (None, ref.group))


@question
def in_trouble(mesh: Mesh) -> tuple[Ref, ...]:
    """Return the objects whose Events may say why a gateway's certificate or address is missing.

    Certificates that are stuck, with every layer below, issuers that are not ready, load
    balancers without an address and pods of gateways that are not ready.
    """
    return tuple(dict.fromkeys(_in_trouble(mesh)))


def _in_trouble(mesh: Mesh) -> Iterator[Ref]:
    for _, issuance in stuck_certificates(mesh):
        yield from layer_refs(issuance)
    for owner in gateway_certificates(mesh):
        resolution = issuer_of(mesh, owner.certificate)
        if resolution.ready and resolution.ready.status == "False":
            yield resolution.ref
    for pending in pending_load_balancers(mesh):
        yield pending.service.ref
    for unready in unready_gateways(mesh):
        yield from (pod.ref for pod in unready.workload.pods[:MOST_PODS])


def event_targets(mesh: Mesh) -> Iterator[tuple[str, str, str]]:
    """Yield where the Events of those objects are: namespace, kind and name."""
    for ref in in_trouble(mesh):
        yield ref.namespace or CLUSTER_EVENTS, ref.kind, ref.name


def layer_refs(issuance: Issuance) -> Iterator[Ref]:
    """Yield the layers of an issuance that exist and are not done, the deepest first.

    What was recorded of an issuer that is ready by now is over.
    """
    for challenge in issuance.challenges:
        if challenge.status.state != "valid":
            yield challenge.ref
    ready = issuance.issuer.ready
    if issuance.issuer.issuer and not (ready and ready.status == "True"):
        yield issuance.issuer.ref
    for layer in (issuance.order, issuance.request, issuance.certificate):
        if layer:
            yield layer.ref


def telling(events: tuple[Event, ...], most: int = 2) -> tuple[Event, ...]:
    """Return the last few Events that tell of a failure, the newest last."""
    return tuple(each for each in events if each.type == WARNING or each.reason in FAILURES)[
        -most:
    ]


FAILURES = frozenset(
    {
        "BadConfig",
        "ErrRegisterACMEAccount",
        "ErrVerifyACMEAccount",
        "Failed",
        "IssuerNotFound",
        "IssuerNotReady",
        "IssuerTypeMissing",
        "OrderFailed",
        "PresentError",
        "SecretMissing",
    }
)
"""Reasons that cert-manager records, some of them as normal Events, when it cannot go on."""


def _age(event: Event) -> tuple[datetime, str]:
    return (event.seen or LONG_AGO, event.name)


def _group(event: Event) -> str | None:
    """Return the API group of what an Event is about; None when it does not say."""
    version = event.involved_object.api_version
    return version.rpartition("/")[0] if version else None
