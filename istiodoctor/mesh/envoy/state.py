"""What the Envoys of the gateways hold, beside what the objects say they should."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from istiodoctor.mesh.credentials import CredentialState, CredentialUse
from istiodoctor.mesh.delivery import SETTLING_TIME, DeliveryQuestions
from istiodoctor.mesh.envoy.secrets import (
    AwaitedSecret,
    EnvoyHoldings,
    HeldSecret,
    PodSecret,
    StaleSecret,
)
from istiodoctor.mesh.methods import question
from istiodoctor.mesh.references import CredentialReference, Form
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.workloads import Workload
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


class EnvoyQuestions(DeliveryQuestions):
    """Envoy's own word."""

    @question(Kind.ENVOY)
    def envoy_states(self) -> tuple[EnvoyState, ...]:
        """Return the state of every Envoy that was asked."""
        return self._snapshot.envoys

    @question(rests_on=[envoy_states, DeliveryQuestions.servers_by_workload])
    def envoys_by_workload(self) -> Mapping[Workload, tuple[EnvoyState, ...]]:
        """Return the Envoys of each gateway workload, of the pods that are still there."""
        by_pod = {state.pod: state for state in self.envoy_states()}
        found = {
            workload: tuple(by_pod[pod.ref] for pod in workload.pods if pod.ref in by_pod)
            for workload in (self.servers_by_workload() if by_pod else ())
        }
        return {workload: states for workload, states in found.items() if states}

    @question(rests_on=[envoys_by_workload, DeliveryQuestions.credential_uses])
    def held_secrets(self) -> tuple[HeldSecret, ...]:
        """Return every server certificate that Envoys have asked SDS for, by workload.

        A credential that no Envoy knows of is left out: its server has not reached them.
        """
        envoys = {
            workload: [EnvoyHoldings.of(state) for state in states]
            for workload, states in self.envoys_by_workload().items()
        }
        uses: dict[tuple[Workload, str], list[CredentialUse]] = defaultdict(list)
        for use in self.credential_uses() if envoys else ():
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

    @question(rests_on=[held_secrets])
    def awaited_secrets(self) -> tuple[AwaitedSecret, ...]:
        """Return the credentials for which Envoys have no certificate."""
        found = (
            (held, tuple(each for each in held.pods if each.has_nothing))
            for held in self.held_secrets()
        )
        return tuple(
            AwaitedSecret(
                held=held,
                pods=waiting,
                is_settling=self._was_written_lately(held)
                or all(each.is_settling for each in waiting),
            )
            for held, waiting in found
            if waiting
        )

    @question(rests_on=[held_secrets])
    def stale_secrets(self) -> tuple[StaleSecret, ...]:
        """Return the credentials of which Envoys serve another certificate than is stored.

        Only where the Secret was written longer than SETTLING_TIME ago.
        """
        return tuple(
            StaleSecret(held=held, credential=credential, stored=stored, pods=stale)
            for held in self.held_secrets()
            if (credential := held.credential) and (stored := _stored(held))
            if not self._was_written_lately(held)
            if (stale := tuple(self._others_than(stored, held)))
        )

    def _others_than(self, stored: CertificateFacts, held: HeldSecret) -> Iterator[PodSecret]:
        for each in held.pods:
            since = each.secret.last_updated
            # What Envoy took in after the Secret was read may be newer than what was read.
            is_newer = since is not None and since >= self._snapshot.taken_at
            if each.served and stored.serial not in each.serials and not is_newer:
                yield each

    @question(rests_on=[held_secrets])
    def divergent_secrets(self) -> tuple[HeldSecret, ...]:
        """Return the credentials of which pods serve different certificates, lastingly."""
        found = (
            replace(held, pods=tuple(each for each in held.pods if each.served))
            for held in self.held_secrets()
        )
        return tuple(
            held
            for held in found
            if len({each.serials for each in held.pods}) > 1
            and not any(each.is_settling for each in held.pods)
        )

    @question(rests_on=[held_secrets])
    def orphaned_secrets(self) -> tuple[HeldSecret, ...]:
        """Return the credentials that Envoys serve although their Secret does not exist."""
        found = (
            replace(held, pods=tuple(each for each in held.pods if each.served))
            for held in self.held_secrets()
            if held.uses[0].is_missing
        )
        return tuple(held for held in found if held.pods)

    @question(rests_on=[envoys_by_workload, DeliveryQuestions.listeners])
    def refused_listeners(self) -> tuple[RefusedListener, ...]:
        """Return the listeners of gateways whose last version Envoys refuse now."""
        found: dict[tuple[Workload, str], list[tuple[EnvoyState, EnvoyListener]]]
        found = defaultdict(list)
        for workload, states in self.envoys_by_workload().items():
            for state in states:
                for listener in state.listeners:
                    if listener.error:
                        found[workload, listener.name].append((state, listener))
        return tuple(self._refusal(workload, each) for (workload, _), each in found.items())

    def _refusal(
        self, workload: Workload, found: list[tuple[EnvoyState, EnvoyListener]]
    ) -> RefusedListener:
        last = max(
            (listener for _, listener in found),
            key=lambda each: each.refused_at or NEVER,
        )
        servers = (
            server
            for listener in self.listeners()
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

    def _was_written_lately(self, held: HeldSecret) -> bool:
        found = held.credential
        written: datetime | None = None
        if found:
            written = max(filter(None, (found.creation_timestamp, found.updated_at)), default=None)
        return written is not None and self._snapshot.taken_at - written < SETTLING_TIME


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
