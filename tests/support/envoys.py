"""A real Envoy, configured as Istio configures a gateway: Secrets by SDS, listeners by LDS.

Both come from files, which Envoy takes in anew only when they are replaced by a rename.
"""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.support.certificates import Issued

ENVOY = Path(sys.executable).with_name("envoy")
TYPES = "type.googleapis.com/envoy"
PATIENCE = 30.0
"""Seconds that Envoy may take for what it does within one."""

Resource = Mapping[str, Any]


class Envoy:
    """A running Envoy, as a context manager; `admin` is where its admin port listens.

    Secrets and listeners are given as they are sent: see `sds_secret` and `listener`.
    """

    def __init__(self, folder: Path, clusters: Sequence[Resource] = ()) -> None:
        """Take a folder of its own, and the backends beside the one that has no endpoint."""
        self.folder = folder
        self.clusters = clusters
        self.admin = ("127.0.0.1", free_port())
        folder.mkdir(parents=True, exist_ok=True)
        self.listen()

    def secret_file(self, name: str) -> Path:
        """The file in which a Secret of this SDS name is sent."""
        return self.folder / f"{name.rpartition('/')[2]}.json"

    def send(self, name: str, *secrets: Resource) -> None:
        """Send what SDS has under a name; nothing means that it never answers."""
        _replace(self.secret_file(name), secrets)

    def listen(self, *listeners: Resource) -> None:
        """Send listeners."""
        _replace(self.folder / "listeners.json", listeners)

    def listener(self, name: str, hosts: Mapping[str, str], port: int | None = None) -> Resource:
        """Return a listener that serves hosts with the Secrets of these SDS names."""
        chains = [self._chain(host, secret) for host, secret in hosts.items()]
        return {
            "@type": f"{TYPES}.config.listener.v3.Listener",
            "name": name,
            "address": _address(port or free_port()),
            "listener_filters": [
                _typed("listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector")
            ],
            "filter_chains": chains,
        }

    def _chain(self, host: str, secret: str) -> Resource:
        path = self.secret_file(secret)
        if not path.exists():
            self.send(secret)
        config = {
            "path_config_source": {"path": str(path)},
            "resource_api_version": "V3",
            "initial_fetch_timeout": "0.2s",
        }
        requests = [{"name": secret, "sds_config": config}]
        proxy = {"stat_prefix": "none", "cluster": "none"}
        return {
            "filter_chain_match": {"server_names": [host]},
            "filters": [
                _typed("network.tcp_proxy", "filters.network.tcp_proxy.v3.TcpProxy", **proxy)
            ],
            "transport_socket": {
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": (f"{TYPES}.extensions.transport_sockets.tls.v3.DownstreamTlsContext"),
                    "common_tls_context": {"tls_certificate_sds_secret_configs": requests},
                },
            },
        }

    def __enter__(self) -> Self:
        listeners = {"path": str(self.folder / "listeners.json")}
        cluster = {"name": "none", "type": "STATIC", "load_assignment": {"cluster_name": "none"}}
        bootstrap = {
            "node": {"id": "gateway", "cluster": "gateway"},
            "admin": {"address": _address(self.admin[1])},
            "dynamic_resources": {
                "lds_config": {"path_config_source": listeners, "resource_api_version": "V3"}
            },
            "static_resources": {"clusters": [cluster, *self.clusters]},
        }
        configured = self.folder / "bootstrap.json"
        configured.write_text(json.dumps(bootstrap))
        with (self.folder / "log").open("wb") as log:
            command = [str(ENVOY), "--disable-hot-restart", "-c", str(configured)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self.wait(lambda: self.ask("/server_info")["state"] == "LIVE")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)

    def ask(self, path: str) -> Any:
        """Return what the admin port answers."""
        return json.loads(self.fetch(path))

    def fetch(self, path: str) -> bytes:
        """Return the same as bytes."""
        host, port = self.admin
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=PATIENCE) as answer:
            content: bytes = answer.read()
        return content

    def count(self, statistic: str) -> int:
        """Return a counter, 0 while there is none of that name."""
        counters = self.ask(f"/stats?format=json&filter={statistic}")["stats"]
        return sum(each.get("value", 0) for each in counters)

    def serials(self) -> set[str]:
        """Return the serials of the certificates that are in use."""
        groups = self.ask("/certs")["certificates"]
        return {each["serial_number"] for group in groups for each in group["cert_chain"]}

    def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until Envoy has taken in what it was sent."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                if ready():
                    return
            except OSError:
                pass  # it is only just starting
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self.folder / "log").read_text()[-4000:])
            time.sleep(0.05)


def sds_secret(name: str, issued: Issued, *, key: str | None = None) -> Resource:
    """Return a server certificate as SDS sends it, with another key if one is given."""
    certificate = {
        "certificate_chain": {"inline_string": issued.chain_pem},
        "private_key": {"inline_string": key or issued.key_pem},
    }
    return {
        "@type": f"{TYPES}.extensions.transport_sockets.tls.v3.Secret",
        "name": name,
        "tls_certificate": certificate,
    }


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def _address(port: int) -> Resource:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _typed(name: str, type_: str, **fields: Any) -> Resource:
    return {
        "name": f"envoy.filters.{name}",
        "typed_config": {"@type": f"{TYPES}.extensions.{type_}", **fields},
    }


def _replace(path: Path, resources: Sequence[Resource]) -> None:
    written = path.with_suffix(".new")
    written.write_text(json.dumps({"resources": list(resources)}))
    written.rename(path)
