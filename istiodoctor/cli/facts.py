"""Facts that the user or this machine knows: front proxies, and which roots clients trust."""

import ssl
from collections.abc import Iterable
from pathlib import Path

from istiodoctor.cli.exits import UsageError
from istiodoctor.config import Config
from istiodoctor.mesh.facts import Facts
from istiodoctor.mesh.version import Version
from istiodoctor.model.credential import CertificateFacts
from istiodoctor.model.x509_facts import facts_of


def facts(config: Config, trust_anchors: Path | None, istio_version: str = "") -> Facts:
    """Return the configuration's facts and the certificates that clients are taken to trust."""
    version = Version.of_image(f"istiod:{istio_version}") if istio_version else None
    if istio_version and version is None:
        raise UsageError(f"--istio-version takes a release such as 1.27.1, not {istio_version!r}")
    own = _known(_anchors(trust_anchors)) if trust_anchors else ()
    trusted = (*own, *_known(_system_roots()))
    return Facts(
        front_proxies=config.front_proxies,
        istio_version=version,
        trust_anchors=frozenset(each.fingerprint_sha256 for each in own),
        trusted_subjects=frozenset(each.subject for each in trusted),
    )


def roots(trust_anchors: Path | None) -> tuple[bytes, ...]:
    """Return those certificates themselves, in DER: what chains on the wire are held against."""
    return (*(_anchors(trust_anchors) if trust_anchors else ()), *_system_roots())


def _anchors(path: Path) -> tuple[bytes, ...]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise UsageError(f"--trust-anchors {path} holds no PEM certificate") from None
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"--trust-anchors {path} cannot be read: {reason}") from None
    return tuple(context.get_ca_certs(binary_form=True))


def _system_roots() -> tuple[bytes, ...]:
    """Return the roots of this system's store; none where it has no store."""
    return tuple(ssl.create_default_context().get_ca_certs(binary_form=True))


def _known(roots: Iterable[bytes]) -> tuple[CertificateFacts, ...]:
    return tuple(each for each in map(facts_of, roots) if each)
