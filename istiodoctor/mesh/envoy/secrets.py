"""Credentials in a gateway's Envoys: awaited, served or refused.

Envoy lists the last version that it was sent as active, be it one that it refused; its
list of loaded certificates tells which one clients get (measured with Envoy 1.40).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from istiodoctor.mesh.credentials.credentials import CredentialUse
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.grace_times import SETTLING_TIME
from istiodoctor.mesh.hosts import meet
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.credential import CertificateFacts, Credential
from istiodoctor.model.envoy import EnvoyCertificate, EnvoySecret, EnvoyState
from istiodoctor.model.ref import Ref
from istiodoctor.text import listing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PodSecret:
    """What the Envoy of one pod has under the name of a credential."""

    state: EnvoyState
    secret: EnvoySecret
    is_refused: bool = False
    """Envoy was sent this version and does not use it."""
    served: tuple[EnvoyCertificate, ...] = ()
    """What clients get; several where Envoy does not say which of them. Empty: nothing, or what
    cannot be told."""

    @property
    def pod(self) -> Ref:
        """The pod."""
        return self.state.pod

    @property
    def has_nothing(self) -> bool:
        """Whether Envoy has no certificate to serve, and resets connections."""
        return not self.secret.is_initialized or (self.is_refused and not self.served)

    @property
    def serials(self) -> frozenset[str]:
        """The serials of what clients get."""
        return frozenset(each.serial for each in self.served)

    @property
    def age(self) -> timedelta | None:
        """How long ago Envoy took it, or began to wait; None when it does not say."""
        since = self.secret.last_updated
        return self.state.taken_at - since if since else None

    @property
    def is_settling(self) -> bool:
        """Whether that has changed so lately that it may change again by itself."""
        return self.age is not None and self.age < SETTLING_TIME

    def __str__(self) -> str:
        """`Envoy in Pod istio-system/ingress-1: kubernetes://shop-cert has serial 12ab`."""
        return f"Envoy in {self.pod}: {self.secret.name} {self._content}"

    @property
    def _content(self) -> str:
        if not self.secret.is_initialized:
            return "was asked for and has not come"
        leaf = self.secret.leaf
        sent = f"has serial {leaf.serial}" if leaf else "is there"
        if not self.is_refused:
            return sent
        served = listing(f"serial {each.serial}" for each in self.served[:2])
        return f"{sent}, which is not in use; {served or 'nothing'} is used in its place"


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
class _AmongPods:
    """A credential with which something is wrong in some of the pods that were asked."""

    held: HeldSecret
    pods: tuple[PodSecret, ...]
    """Those in which it is wrong."""

    @property
    def is_everywhere(self) -> bool:
        """Whether it is wrong in every pod that was asked."""
        return len(self.pods) == len(self.held.pods)

    @property
    def is_refused(self) -> bool:
        """Whether the last version came and was refused, in one of them at least."""
        return any(each.is_refused for each in self.pods)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AwaitedSecret(_AmongPods):
    """A credential for which Envoys have no certificate: it has not come, or they refused it."""

    is_settling: bool
    """The Secret, or the question for it, is so new that the answer may be under way."""

    @property
    def age(self) -> timedelta | None:
        """How long the first of the pods has been without."""
        return max((each.age for each in self.pods if each.age is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StaleSecret(_AmongPods):
    """A credential of which Envoys serve another certificate than the Secret holds."""

    credential: Credential
    stored: CertificateFacts
    """What the Secret holds."""

    @property
    def served(self) -> tuple[EnvoyCertificate, ...]:
        """What they serve, each once."""
        return tuple(dict.fromkeys(found for each in self.pods for found in each.served))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnvoyHoldings:
    """The Secrets of one Envoy, beside the certificates that it has loaded."""

    state: EnvoyState
    secrets: Mapping[str, EnvoySecret]
    loaded: Mapping[str, EnvoyCertificate] | None
    """By serial; None when they were not read."""
    spare: tuple[EnvoyCertificate, ...]
    """Loaded, but of no Secret as it is listed now."""
    needed: frozenset[str]
    """The SDS names in the filter chains of open listeners: for these it must have loaded one."""
    blocked: frozenset[str]
    """Those beside which a filter chain needs another one that has not come, or cannot be loaded:
    Envoy loads all of a filter chain or nothing."""

    @classmethod
    def of(cls, state: EnvoyState) -> Self:
        """Index the state of an Envoy."""
        secrets = state.secrets_by_name
        listed = {each.leaf.serial for each in secrets.values() if each.leaf}
        own = [each for each in state.certificates or () if not each.is_ca]
        chains = [
            chain.secrets
            for listener in state.listeners
            if listener.is_open
            for chain in listener.filter_chains
        ]
        unusable = {name for name, each in secrets.items() if _is_unusable(each)}
        return cls(
            state=state,
            secrets=secrets,
            loaded=None if state.certificates is None else {each.serial: each for each in own},
            spare=tuple(each for each in own if each.serial not in listed),
            needed=frozenset(name for chain in chains for name in chain),
            blocked=frozenset(
                name for chain in chains for name in chain if unusable.intersection(chain) - {name}
            ),
        )

    def held(self, name: str, hosts: frozenset[str]) -> PodSecret | None:
        """Return what there is under a name that these hosts need; None for an unknown name."""
        secret = self.secrets.get(name)
        if secret is None:
            return None
        if not secret.is_initialized:
            return PodSecret(state=self.state, secret=secret)
        leaf = secret.leaf
        if leaf and (self.loaded is None or leaf.serial in self.loaded):
            return PodSecret(state=self.state, secret=secret, served=(_as_loaded(leaf),))
        is_judged = name in self.needed and name not in self.blocked
        if not is_judged or not (leaf or secret.bundle.is_malformed):
            return PodSecret(state=self.state, secret=secret)
        known = hosts.union(leaf.dns_names if leaf else ())
        return PodSecret(
            state=self.state,
            secret=secret,
            is_refused=self.loaded is not None,
            served=tuple(self._for(known)),
        )

    def _for(self, hosts: frozenset[str]) -> Iterator[EnvoyCertificate]:
        for each in self.spare:
            if any(meet(name, host) for name in each.subject_alternative_names for host in hosts):
                yield each


def _is_unusable(secret: EnvoySecret) -> bool:
    return not secret.is_initialized or secret.bundle.is_malformed


def _as_loaded(leaf: CertificateFacts) -> EnvoyCertificate:
    return EnvoyCertificate(
        serial=leaf.serial,
        subject_alternative_names=(*leaf.dns_names, *leaf.ip_addresses),
        not_before=leaf.not_before,
        not_after=leaf.not_after,
    )
