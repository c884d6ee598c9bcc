"""A real Envoy, the proxy of one gateway pod: listeners by LDS, Secrets by SDS, Istio's log."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from tests.lab.resources import TYPES, Address, Resource, address, cluster, loopback, replace
from tests.lab.sds import FileSecrets, Secrets

ENVOY = Path(sys.executable).with_name("envoy")
PATIENCE = 30.0
"""Seconds that Envoy may take for what it does within one."""
RUNTIME = {
    "re2.max_program_size.error_level": "32768",
    "envoy.reloadable_features.http_reject_path_with_fragment": False,
}
"""What Istio sets in the bootstrap and answers depend on (pkg/bootstrap/config.go:396-404)."""
LOG_FORMAT = "%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t"
"""How pilot-agent makes Envoy write its lines."""


class Envoy:
    """A running Envoy, as a context manager; `admin` is where its admin port listens.

    It has an address of its own, as a pod has, so that its ports are those of the pod.
    Listeners and Secrets are given as they are sent: see `listeners` and `sds`.
    """

    def __init__(
        self, folder: Path, clusters: Sequence[Resource] = (), *, secrets: Secrets | None = None
    ) -> None:
        """Take a folder of its own, and the backends beside the one that has no endpoint."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.address = loopback()
        self.secrets: Secrets = secrets or FileSecrets(folder)
        self._clusters = (cluster("none"), *self.secrets.clusters)
        self._backends = clusters
        self.listen()
        self.send_clusters()

    def listen(self, *listeners: Resource) -> None:
        """Send listeners."""
        self._listeners = listeners
        replace(self._file("listeners"), listeners)

    def send_clusters(self, *clusters: Resource) -> None:
        """Send clusters, beside the backends that it was given."""
        kind = f"{TYPES}.config.cluster.v3.Cluster"
        sent = (*self._backends, *clusters)
        replace(self._file("clusters"), [{"@type": kind, **each} for each in sent])

    def send_routes(self, configuration: Resource) -> Resource:
        """Send a route configuration, and return by what a listener asks for it."""
        kind = f"{TYPES}.config.route.v3.RouteConfiguration"
        name = configuration["name"]
        path = self._file(f"routes-{name}")
        replace(path, [{"@type": kind, **configuration}])
        return {"route_config_name": name, "config_source": _watched(path)}

    def _file(self, what: str) -> Path:
        return self.folder / f"{what}.json"

    def __enter__(self) -> Self:
        bootstrap = {
            "node": {"id": "gateway", "cluster": "gateway"},
            "admin": {"address": address(0)},
            "dynamic_resources": {
                "lds_config": _watched(self._file("listeners")),
                "cds_config": _watched(self._file("clusters")),
            },
            "static_resources": {"clusters": self._clusters},
            "layered_runtime": {"layers": [{"name": "global config", "static_layer": RUNTIME}]},
        }
        configured, admin = self.folder / "bootstrap.json", self.folder / "admin"
        configured.write_text(json.dumps(bootstrap))
        command = [
            str(ENVOY), "--disable-hot-restart", "--concurrency", "1", "-c", str(configured),
            "--log-format", LOG_FORMAT, "--file-flush-interval-msec", "10",
            "--admin-address-path", str(admin),
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "TZ": "UTC"}
            )
        try:
            self.wait(admin.exists)
            self.wait(lambda: ":" in admin.read_text())
            host, _, port = admin.read_text().rpartition(":")
            self.admin: Address = (host, int(port))
            self.wait(lambda: self.ask("/server_info")["state"] == "LIVE")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)

    def log(self) -> list[str]:
        """Return what it has written so far, line by line."""
        return (self.folder / "log").read_text(encoding="utf-8").splitlines()

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
            time.sleep(0.02)

    def listening(self) -> dict[str, Address]:
        """Wait until every listener it was sent is there, and return where, by their names."""
        names = {each["name"] for each in self._listeners}
        self.wait(lambda: names <= self._addresses().keys())
        return self._addresses()

    def _addresses(self) -> dict[str, Address]:
        found = self.ask("/listeners?format=json").get("listener_statuses", ())
        places = {each["name"]: each["local_address"]["socket_address"] for each in found}
        return {name: (each["address"], each["port_value"]) for name, each in places.items()}


def _watched(path: Path) -> Resource:
    """Return where Envoy finds what it is sent in a file."""
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}
