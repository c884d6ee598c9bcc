"""The Secrets and listeners in the gateways' Envoys, compared with what the objects ask for."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from istiodoctor.mesh.credentials.credentials import (
    CredentialState,
    CredentialUse,
    credential_uses,
)
from istiodoctor.mesh.envoy.secrets import (
    AwaitedSecret,
    EnvoyHoldings,
    HeldSecret,
    PodSecret,
    StaleSecret,
)
from istiodoctor.mesh.gateways.credential_references import CredentialReference, Form
from istiodoctor.mesh.gateways.listeners import listeners, servers_by_workload
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.grace_times import SETTLING_TIME
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.credential import CertificateFacts
from istiodoctor.model.envoy import EnvoyListener, EnvoyState
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusedListener:
    """A listener whose last version Envoys refuse now."""

    workload: Workload
    refused: EnvoyListener
    """As the pod has it that refused last."""
    pods: tuple[Ref, ...]
    is_open: bool
    """Whether all those pods have an older version of it to go on with."""
    servers: tuple[Server, ...]
    """The servers on that port."""


@question(Kind.ENVOY)
def envoy_states(mesh: Mesh) -> tuple[EnvoyState, ...]:
    """Return the state of every Envoy that was asked."""
    return mesh.snapshot.envoys


@question
def envoys_by_workload(mesh: Mesh) -> Mapping[Workload, tuple[EnvoyState, ...]]:
    """Return the Envoys of each gateway workload, of the pods that are still there."""
    by_pod = {state.pod: state for state in envoy_states(mesh)}
    found = {
        workload: tuple(by_pod[pod.ref] for pod in workload.pods if pod.ref in by_pod)
        for workload in (servers_by_workload(mesh) if by_pod else ())
    }
    return {workload: states for workload, states in found.items() if states}


@question
def held_secrets(mesh: Mesh) -> tuple[HeldSecret, ...]:
    """Return every server certificate that Envoys have asked SDS for, by workload.

    A credential that no Envoy knows of is left out: its server has not reached them.
    """
    envoys = {
        workload: [EnvoyHoldings.of(state) for state in states]
        for workload, states in envoys_by_workload(mesh).items()
    }
    uses: dict[tuple[Workload, str], list[CredentialUse]] = defaultdict(list)
    for use in credential_uses(mesh) if envoys else ():
        if use.workload in envoys and (name := sds_name(use.reference)):
            uses[use.workload, name].append(use)
    held = (
        HeldSecret(
            workload=workload,
            name=name,
            uses=tuple(each),
            pods=tuple(
                found
                for holdings in envoys[workload]
                if (found := holdings.held(name, _hosts(each)))
            ),
        )
        for (workload, name), each in uses.items()
    )
    return tuple(each for each in held if each.pods)


@question
def awaited_secrets(mesh: Mesh) -> tuple[AwaitedSecret, ...]:
    """Return the credentials for which Envoys have no certificate."""
    found = (
        (held, tuple(each for each in held.pods if each.has_nothing))
        for held in held_secrets(mesh)
    )
    return tuple(
        AwaitedSecret(
            held=held,
            pods=waiting,
            is_settling=_was_written_lately(mesh, held)
            or all(each.is_settling for each in waiting),
        )
        for held, waiting in found
        if waiting
    )


@question
def stale_secrets(mesh: Mesh) -> tuple[StaleSecret, ...]:
    """Return the credentials of which Envoys serve another certificate than is stored.

    Only where the Secret was written longer than SETTLING_TIME ago.
    """
    return tuple(
        StaleSecret(held=held, credential=credential, stored=stored, pods=stale)
        for held in held_secrets(mesh)
        if (credential := held.credential) and (stored := _stored(held))
        if not _was_written_lately(mesh, held)
        if (stale := tuple(_others_than(mesh, stored, held)))
    )


def _others_than(mesh: Mesh, stored: CertificateFacts, held: HeldSecret) -> Iterator[PodSecret]:
    for each in held.pods:
        since = each.secret.last_updated
        # What Envoy took in after the Secret was read may be newer than what was read.
        is_newer = since is not None and since >= mesh.snapshot.taken_at
        if each.served and stored.serial not in each.serials and not is_newer:
            yield each


@question
def divergent_secrets(mesh: Mesh) -> tuple[HeldSecret, ...]:
    """Return the credentials of which pods serve different certificates, lastingly."""
    found = (
        replace(held, pods=tuple(each for each in held.pods if each.served))
        for held in held_secrets(mesh)
    )
    return tuple(
        held
        for held in found
        if len({each.serials for each in held.pods}) > 1
        and not any(each.is_settling for each in held.pods)
    )


@question
def orphaned_secrets(mesh: Mesh) -> tuple[HeldSecret, ...]:
    """Return the credentials that Envoys serve although their Secret does not exist."""
    found = (
        replace(held, pods=tuple(each for each in held.pods if each.served))
        for held in held_secrets(mesh)
        if held.uses[0].is_missing
    )
    return tuple(held for held in found if held.pods)


@question
def refused_listeners(mesh: Mesh) -> tuple[RefusedListener, ...]:
    """Return the listeners of gateways whose last version Envoys refuse now."""
    found: dict[tuple[Workload, str], list[tuple[EnvoyState, EnvoyListener]]]
    found = defaultdict(list)
    for workload, states in envoys_by_workload(mesh).items():
        for state in states:
            for listener in state.listeners:
                if listener.error:
                    found[workload, listener.name].append((state, listener))
    return tuple(_refusal(mesh, workload, each) for (workload, _), each in found.items())


def _refusal(
    mesh: Mesh, workload: Workload, found: list[tuple[EnvoyState, EnvoyListener]]
) -> RefusedListener:
    last = max(
        (listener for _, listener in found),
        key=lambda each: each.refused_at or NEVER,
    )
    servers = (
        server
        for listener in listeners(mesh)
        if listener.workload is workload and listener.port == last.port
        for server in listener.servers
    )
    return RefusedListener(
        workload=workload,
        refused=last,
        pods=tuple(state.pod for state, _ in found),
        is_open=all(listener.is_open for _, listener in found),
        servers=tuple(dict.fromkeys(servers)),
    )


def _was_written_lately(mesh: Mesh, held: HeldSecret) -> bool:
    found = held.credential
    written: datetime | None = None
    if found:
        written = max(filter(None, (found.creation_timestamp, found.updated_at)), default=None)
    return written is not None and mesh.snapshot.taken_at - written < SETTLING_TIME


def sds_name(reference: CredentialReference) -> str:
    """Return the name under which Envoy asks SDS for a credential that istiod has in a Secret.

    Empty for one that comes from elsewhere.
    """
    match reference.form:
        case Form.KUBERNETES if not reference.namespace:
            return f"kubernetes://{reference.name}"
        case Form.KUBERNETES | Form.KUBERNETES_GATEWAY:
            return f"{reference.form}://{reference.namespace}/{reference.name}"
        case _:
            return ""


def _hosts(uses: Iterable[CredentialUse]) -> frozenset[str]:
    return frozenset(host for use in uses for host in use.hosts)


def _stored(held: HeldSecret) -> CertificateFacts | None:
    found = held.credential
    return found.leaf if found and held.uses[0].state is CredentialState.FOUND else None
