"""Facts that the user states in `istiodoctor.toml`, such as proxies before a gateway."""

from dataclasses import dataclass

from istiodoctor.mesh.hosts import covers
from istiodoctor.mesh.version import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontProxy:
    """A proxy or load balancer in front of the gateway."""

    hosts: tuple[str, ...]
    terminates_tls: bool = False
    sends_x_forwarded_proto: str = ""
    """`https` or `http`; empty when it sends none or nobody said."""
    http_version: str = ""
    sends_sni: bool | None = None

    def serves(self, host: str) -> bool:
        """Whether this proxy stands in front of the host."""
        return any(covers(pattern, host) for pattern in self.hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All facts the user gave."""

    front_proxies: tuple[FrontProxy, ...] = ()
    istio_version: Version | None = None
    """Of istiod, where nothing that was read shows it."""
    trust_anchors: frozenset[str] = frozenset()
    """SHA-256 fingerprints (lower-case hexadecimal) of certificates the user trusts beside the
    system's."""
    trusted_subjects: frozenset[str] = frozenset()
    """RFC 4514 subjects of the trust anchors, the system's included."""
