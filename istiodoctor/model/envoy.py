"""What an Envoy says of itself on its admin port: Secrets, listeners, certificates in use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from istiodoctor.model.credential import CertificateFacts, PemBundle
from istiodoctor.model.envoy_filters import HttpConnectionManager, TcpProxy
from istiodoctor.model.envoy_shapes import TlsContext
from istiodoctor.model.ref import Ref


class SecretStatus(StrEnum):
    """Under which heading Envoy lists a Secret that it asked SDS for."""

    ACTIVE = "active"
    WARMING = "warming"
    """Asked for and not received."""


class ListenerState(StrEnum):
    """Which versions of a listener Envoy has; there may be several at a time."""

    ACTIVE = "active"
    WARMING = "warming"
    DRAINING = "draining"
    FAILED = "failed"
    """The last version that was sent, and that Envoy refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoySecret:
    """A Secret as Envoy has it, without its private key."""

    name: str
    """The SDS name: `kubernetes://shop-cert`, `default`, `ROOTCA`."""
    status: SecretStatus
    version_info: str = ""
    last_updated: datetime | None = None
    """When Envoy took this version; of one not received, when Envoy began to ask for it."""
    is_initialized: bool
    """Whether anything was ever received."""
    is_ca: bool = False
    """It holds the CAs of clients, and no certificate to show them."""
    bundle: PemBundle = field(default_factory=PemBundle)
    """The chain or the CAs; empty where Envoy was told a file to read."""

    @property
    def leaf(self) -> CertificateFacts | None:
        """The certificate that clients are shown first; None when Envoy does not tell."""
        return None if self.is_ca else self.bundle.leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyFilterChain:
    """What becomes of connections with certain server names."""

    server_names: tuple[str, ...] = ()
    """The SNI it is for; empty for every one."""
    secrets: tuple[str, ...] = ()
    """The SDS names of its certificates and client CAs."""
    transport_protocol: str = ""
    """`tls` or `raw_buffer` where it asks for one."""
    application_protocols: tuple[str, ...] = ()
    """The ALPN that it asks for."""
    other_criteria: tuple[str, ...] = ()
    """What else it asks of a connection, by the names of Envoy's fields."""
    is_default: bool = False
    """It takes what no other one takes."""
    tls: TlsContext | None = None
    """How it ends TLS; None where it does not."""
    http: HttpConnectionManager | None = None
    tcp: TcpProxy | None = None
    other_filters: tuple[str, ...] = ()
    """The names of the filters before that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyListener:
    """A port on which Envoy listens, or would if it had taken what it was sent."""

    name: str
    address: str = ""
    port: int = 0
    """0 where Envoy does not say, or listens on something else than a port."""
    states: frozenset[ListenerState] = frozenset()
    filter_chains: tuple[EnvoyFilterChain, ...] = ()
    """Of the version in use; where there is none, of the newest one."""
    error: str = ""
    """Why Envoy refused the last version, in its own words; empty when it did not."""
    refused_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether Envoy takes connections there."""
        return ListenerState.ACTIVE in self.states


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyCertificate:
    """A certificate that Envoy has loaded; it does not say under which name."""

    serial: str
    """Lower-case hexadecimal, as in `CertificateFacts`."""
    subject_alternative_names: tuple[str, ...] = ()
    not_before: datetime | None = None
    not_after: datetime | None = None
    path: str = ""
    """The file it came from; `<inline>` for what SDS sent."""
    is_ca: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyState:
    """Everything that was read of the Envoy of one pod."""

    pod: Ref
    taken_at: datetime
    version: str = ""
    """Envoy's own version: `1.40.0`; empty when it does not say."""
    lifecycle: str = ""
    """`LIVE`, `DRAINING`, `PRE_INITIALIZING`, `INITIALIZING`."""
    uptime: timedelta | None = None
    knows_listeners: bool = False
    """Whether its listeners were read with their filter chains: then there are no others."""
    secrets: tuple[EnvoySecret, ...] = ()
    listeners: tuple[EnvoyListener, ...] = ()
    certificates: tuple[EnvoyCertificate, ...] | None = ()
    """Those that it has loaded, so that clients are shown them; None when they were not read."""

    @property
    def started(self) -> datetime | None:
        """When this Envoy was started, to the second."""
        return self.taken_at - self.uptime if self.uptime is not None else None

    @property
    def secrets_by_name(self) -> Mapping[str, EnvoySecret]:
        """What Envoy has under each SDS name; one it received before one it waits for."""
        ordered = sorted(self.secrets, key=lambda each: each.is_initialized)
        return {each.name: each for each in ordered}
