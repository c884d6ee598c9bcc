"""Secrets as istiod sends them, and the two ways on which Envoy gets them: files and gRPC."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from istiodoctor.testing.certificates import Authority, Issued
from tests.lab.resources import TYPES, Resource, replace

AUTHORITY = "-cacert"
"""What the name of a Secret with client authorities ends with."""
FETCH_TIMEOUT = "0.2s"
"""After this a listener goes without its Secret; in Istio it is 15 s."""


class Secrets(Protocol):
    """Where an Envoy gets its Secrets from."""

    clusters: Sequence[Resource]
    """What Envoy must know to ask there."""

    def send(self, name: str, *secrets: Resource) -> None:
        """Send what SDS has under a name; nothing means that there is none."""

    def config(self, name: str) -> Resource:
        """Return how a listener asks for a Secret."""


class FileSecrets:
    """Secrets in files: Envoy's own wording for what it refuses there is not Istio's."""

    clusters: Sequence[Resource] = ()

    def __init__(self, folder: Path) -> None:
        """Keep them in this folder."""
        self._folder = folder

    def send(self, name: str, *secrets: Resource) -> None:
        """Send what SDS has under a name; nothing means that it never answers."""
        replace(self._file(name), secrets)

    def config(self, name: str) -> Resource:
        """Return how a listener asks for a Secret."""
        if not self._file(name).exists():
            self.send(name)
        source = {"path_config_source": {"path": str(self._file(name))}}
        return _request(name, source)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name.rpartition('/')[2]}.json"


def grpc_config(name: str, cluster: str) -> Resource:
    """Return how a listener asks for a Secret over gRPC."""
    service = {"envoy_grpc": {"cluster_name": cluster}}
    source = {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [service]}
    return _request(name, {"api_config_source": source})


def sds_secret(name: str, issued: Issued, *, key: str | None = None) -> Resource:
    """Return a server certificate as SDS sends it, with another key if one is given."""
    certificate = {
        "certificate_chain": {"inline_string": issued.chain_pem},
        "private_key": {"inline_string": key or issued.key_pem},
    }
    return _secret(name, tls_certificate=certificate)


def sds_authority(name: str, authority: Authority) -> Resource:
    """Return the root of client certificates as SDS sends it."""
    return _secret(name, validation_context={"trusted_ca": {"inline_string": authority.root_pem}})


def _secret(name: str, **content: Resource) -> Resource:
    return {
        "@type": f"{TYPES}.extensions.transport_sockets.tls.v3.Secret",
        "name": name,
        **content,
    }


def _request(name: str, source: Resource) -> Resource:
    config = {**source, "resource_api_version": "V3", "initial_fetch_timeout": FETCH_TIMEOUT}
    return {"name": name, "sds_config": config}
