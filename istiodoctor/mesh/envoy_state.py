"""What the Envoys of the gateways hold, beside what the objects say they should."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from istiodoctor.mesh.credentials import CredentialState, CredentialUse
from istiodoctor.mesh.delivery import SETTLING_TIME, DeliveryQuestions
from istiodoctor.mesh.question import question
from istiodoctor.mesh.references import CredentialReference, Form
from istiodoctor.mesh.servers import Server
from istiodoctor.mesh.workloads import Workload
from istiodoctor.model.credential import CertificateFacts, Credential
from istiodoctor.model.envoy import EnvoyListener, EnvoySecret, EnvoyState
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Ref

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSecret:
    """What the Envoy of one pod has under the name of a credential."""

    state: EnvoyState
    secret: EnvoySecret

    @property
    def pod(self) -> Ref:
        """The pod."""
        return self.state.pod

    @property
    def age(self) -> timedelta | None:
        """How long it has been so; None when Envoy does not say since when."""
        since = self.secret.last_updated
        return self.state.taken_at - since if since else None

    @property
    def is_settling(self) -> bool:
        """Whether that has changed so lately that it may change again by itself."""
        return self.age is not None and self.age < SETTLING_TIME


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldSecret:
    """One credential of a gateway workload, as the Envoys of its pods have it."""

    workload: Workload
    name: str
    """Its SDS name."""
    uses: tuple[CredentialUse, ...]
    """What asks for it; all name the same Secret."""
    pods: tuple[PodSecret, ...]
    """The pods that were asked and know the name."""

    @property
    def secret(self) -> Ref:
        """The Secret that it is made from."""
        return self.uses[0].secret

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name of that Secret: what findings meet on."""
        return self.uses[0].key

    @property
    def credential(self) -> Credential | None:
        """That Secret, as far as it was read."""
        return self.uses[0].credential

    @property
    def servers(self) -> tuple[Server, ...]:
        """The servers that ask for it."""
        return tuple(dict.fromkeys(use.server for use in self.uses))

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that depend on it."""
        return frozenset(name for server in self.servers for name in server.names)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AwaitedSecret:
    """A credential that Envoys have asked for and not received."""

    held: HeldSecret
    pods: tuple[PodSecret, ...]
    """Those that wait."""
    is_settling: bool
    """The Secret, or the question for it, is so new that the answer may be under way."""

    @property
    def is_everywhere(self) -> bool:
        """Whether no pod that was asked has it."""
        return len(self.pods) == len(self.held.pods)

    @property
    def age(self) -> timedelta | None:
        """How long the first of the pods has waited."""
        return max((each.age for each in self.pods if each.age is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StaleSecret:
    """A credential of which Envoys serve another certificate than the Secret holds."""

    held: HeldSecret
    credential: Credential
    stored: CertificateFacts
    """What the Secret holds."""
    pods: tuple[PodSecret, ...]
    """Those that serve another."""

    @property
    def leaves(self) -> tuple[CertificateFacts, ...]:
        """What they serve, each once."""
        found = (each.secret.leaf for each in self.pods)
        return tuple(dict.fromkeys(leaf for leaf in found if leaf))

    @property
    def is_everywhere(self) -> bool:
        """Whether no pod that was asked serves what is stored."""
        return len(self.pods) == len(self.held.pods)


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
            workload: [(state, state.secrets_by_name) for state in states]
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
                    PodSecret(state=state, secret=secrets[name])
                    for state, secrets in envoys[workload]
                    if name in secrets
                ),
            )
            for (workload, name), each in uses.items()
        )
        return tuple(each for each in held if each.pods)

    @question(rests_on=[held_secrets])
    def awaited_secrets(self) -> tuple[AwaitedSecret, ...]:
        """Return the credentials that Envoys wait for."""
        found = (
            (held, tuple(each for each in held.pods if not each.secret.is_initialized))
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
            leaf, since = each.secret.leaf, each.secret.last_updated
            # What Envoy took in after the Secret was read may be newer than what was read.
            is_newer = since is not None and since >= self._snapshot.taken_at
            if leaf and leaf.fingerprint_sha256 != stored.fingerprint_sha256 and not is_newer:
                yield each

    @question(rests_on=[held_secrets])
    def divergent_secrets(self) -> tuple[HeldSecret, ...]:
        """Return the credentials of which pods serve different certificates, lastingly."""
        found = (
            replace(held, pods=tuple(each for each in held.pods if each.secret.leaf))
            for held in self.held_secrets()
        )
        return tuple(
            held
            for held in found
            if len({each.secret.leaf for each in held.pods}) > 1
            and not any(each.is_settling for each in held.pods)
        )

    @question(rests_on=[held_secrets])
    def orphaned_secrets(self) -> tuple[HeldSecret, ...]:
        """Return the credentials that Envoys serve although their Secret does not exist."""
        found = (
            replace(held, pods=tuple(each for each in held.pods if each.secret.is_initialized))
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


def _stored(held: HeldSecret) -> CertificateFacts | None:
    found = held.credential
    return found.leaf if found and held.uses[0].state is CredentialState.FOUND else None
