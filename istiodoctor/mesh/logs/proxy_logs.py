"""What the logs say of gateway pods: what Envoy refused, and whether it hears from istiod."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from istiodoctor.mesh.credentials.credentials import uses_by_secret
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.grace_times import RECONNECTING, SETTLING_TIME
from istiodoctor.mesh.logs.delivery import log_facts
from istiodoctor.mesh.logs.meaning import LogFact, Meaning
from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.workloads import Workload, workloads
from istiodoctor.model.credential import Credential, KeyState
from istiodoctor.model.pods import Pod

ORDINARY_CLOSE = 13
"""gRPC status of streams that istiod ends by itself after half an hour."""
SMALLEST_RSA_KEY = 2048

CONNECTED = frozenset({Meaning.CONTROL_PLANE_CONNECTED, Meaning.PROXY_CONNECTED})
LOST = frozenset({Meaning.STREAM_CLOSED, Meaning.UPSTREAM_CONNECTION_FAILED})

PodKey = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """What Envoy in the pods of one workload refused of one kind of configuration."""

    workload: Workload
    facts: tuple[LogFact, ...]
    """Oldest first."""
    refused: tuple[tuple[Credential, str], ...] = ()
    """The workload's Secrets that Envoy cannot take, each with the reason as a clause."""
    at_start: bool = False
    """Whether a pod that had just started refused it: such a pod has nothing older to serve."""

    @property
    def last(self) -> LogFact:
        """The newest line."""
        return self.facts[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnection:
    """A gateway pod that lost istiod and is not known to have found it again."""

    workload: Workload
    pod: Pod
    since: datetime
    facts: tuple[LogFact, ...]
    """The lines since then, oldest first."""


@question
def _pods(mesh: Mesh) -> Mapping[PodKey, tuple[Workload, Pod]]:
    return {
        (pod.namespace, pod.name): (workload, pod)
        for workload in workloads(mesh)
        for pod in workload.pods
    }


@question
def workload_of(mesh: Mesh, fact: LogFact) -> Workload | None:
    """Return the workload of the proxy that a line is about; None when its pod is gone."""
    found = _pods(mesh).get(_pod_of(fact))
    return found[0] if found else None


@question
def _credentials_by_workload(mesh: Mesh) -> Mapping[Workload, tuple[Credential, ...]]:
    found: dict[Workload, list[Credential]] = defaultdict(list)
    for uses in uses_by_secret(mesh).values():
        credential = uses[0].credential
        for workload in dict.fromkeys(use.workload for use in uses) if credential else ():
            found[workload] += [credential] if credential else []
    return {workload: tuple(each) for workload, each in found.items()}


@question
def credentials_of(mesh: Mesh, workload: Workload) -> tuple[Credential, ...]:
    """Return the server certificates of a gateway that were read."""
    return _credentials_by_workload(mesh).get(workload, ())


@question
def refused_credentials(mesh: Mesh, workload: Workload) -> tuple[tuple[Credential, str], ...]:
    """Return the Secrets of a gateway that Envoy cannot take, each with the reason."""
    return tuple(
        (credential, reason)
        for credential in credentials_of(mesh, workload)
        if (reason := why_refused(credential))
    )


@question(logs={Meaning.SECRET_REJECTED, Meaning.SECRET_CHANGED})
def secret_rejections(mesh: Mesh) -> tuple[Rejection, ...]:
    """Return the Secrets that Envoy refused, by gateway workload.

    Without those that have been changed since and are all well now.
    """
    rejections = (
        Rejection(
            workload=workload,
            facts=tuple(fact for fact, _ in found),
            refused=refused_credentials(mesh, workload),
            at_start=any(is_at_start(fact, pod) for fact, pod in found),
        )
        for workload, found in facts_by_workload(mesh, Meaning.SECRET_REJECTED).items()
    )
    return tuple(each for each in rejections if not _is_repaired(mesh, each))


def _is_repaired(mesh: Mesh, rejection: Rejection) -> bool:
    last = rejection.last.line.at
    if rejection.refused or last is None:
        return False
    mine = credentials_of(mesh, rejection.workload)
    keys = {(each.namespace, each.name) for each in mine}
    made = (each.creation_timestamp for each in mine)
    changed = (
        fact.line.at
        for fact in log_facts(mesh, Meaning.SECRET_CHANGED)
        if any((fact.namespace, name) in keys for name in fact.credentials)
    )
    return any(each is not None and each > last for each in (*made, *changed))


@question(logs={Meaning.LISTENER_REJECTED})
def listener_rejections(mesh: Mesh) -> tuple[Rejection, ...]:
    """Return the listeners that Envoy refused, by gateway workload."""
    return tuple(
        Rejection(
            workload=workload,
            facts=tuple(fact for fact, _ in found),
            at_start=any(is_at_start(fact, pod) for fact, pod in found),
        )
        for workload, found in facts_by_workload(mesh, Meaning.LISTENER_REJECTED).items()
    )


def facts_by_workload(
    mesh: Mesh, meaning: Meaning
) -> Mapping[Workload, list[tuple[LogFact, Pod]]]:
    """Return what lines of a kind say of gateways, each with the pod that it is about."""
    gateways = servers_by_workload(mesh)
    found: dict[Workload, list[tuple[LogFact, Pod]]] = defaultdict(list)
    for fact in log_facts(mesh, meaning):
        known = _pods(mesh).get(_pod_of(fact))
        if known and known[0] in gateways:
            found[known[0]].append((fact, known[1]))
    return found


@question(logs=CONNECTED | LOST)
def disconnections(mesh: Mesh) -> tuple[Disconnection, ...]:
    """Return the gateway pods that have lost istiod for longer than RECONNECTING."""
    connected: dict[PodKey, datetime] = {}
    for fact in log_facts(mesh, *sorted(CONNECTED)):
        if fact.line.at:
            key = _pod_of(fact)
            connected[key] = max(fact.line.at, connected.get(key, fact.line.at))
    lost: dict[PodKey, list[LogFact]] = defaultdict(list)
    for fact in _lost_connections(mesh):
        key, at = _pod_of(fact), fact.line.at
        if at and (key not in connected or at > connected[key]):
            lost[key].append(fact)
    return tuple(_disconnected(mesh, lost))


def _lost_connections(mesh: Mesh) -> Iterator[LogFact]:
    for fact in log_facts(mesh, *sorted(LOST)):
        if fact.code != ORDINARY_CLOSE and fact.xds != "StreamSecrets":
            yield fact


def _disconnected(mesh: Mesh, lost: Mapping[PodKey, list[LogFact]]) -> Iterator[Disconnection]:
    gateways = servers_by_workload(mesh)
    for key, facts in lost.items():
        ordered = sorted(facts, key=lambda each: each.line.at or mesh.snapshot.taken_at)
        since = ordered[0].line.at
        found = _pods(mesh).get(key)
        if not found or found[0] not in gateways or not since:
            continue
        if mesh.snapshot.taken_at - since >= RECONNECTING:
            yield Disconnection(workload=found[0], pod=found[1], since=since, facts=tuple(ordered))


def why_refused(credential: Credential) -> str:
    """Return why Envoy cannot take a server certificate, as a clause; empty when it can.

    What no version of Envoy takes (`Failed to load certificate chain`, `Failed to load private
    key`).
    """
    pair = credential.pair
    if pair is None:
        return ""
    leaf = pair.chain.leaf
    if pair.chain.is_malformed:
        return f"{pair.certificate_key} is not well-formed PEM"
    if leaf and leaf.key_algorithm == "RSA" and leaf.key_bits < SMALLEST_RSA_KEY:
        return f"its RSA key has {leaf.key_bits} bits"
    if pair.key_matches_leaf is False:
        return f"{pair.private_key_key} does not belong to the certificate"
    match pair.private_key.state:
        case KeyState.ENCRYPTED:
            return f"{pair.private_key_key} is encrypted"
        case KeyState.NOT_PEM | KeyState.UNPARSABLE:
            return f"{pair.private_key_key} is no readable private key"
        case _:
            return ""


def _pod_of(fact: LogFact) -> PodKey:
    """Return namespace and name of the proxy's pod: istiod names it, a gateway writes itself."""
    name, _, namespace = fact.proxy.rpartition(".")
    return (namespace, name) if name else (fact.line.pod.namespace, fact.line.pod.name)


def is_at_start(fact: LogFact, pod: Pod) -> bool:
    """Whether a pod had just started when a line was written."""
    made, at = pod.metadata.creation_timestamp, fact.line.at
    return made is not None and at is not None and at - made < SETTLING_TIME
