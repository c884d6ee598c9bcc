"""One real Envoy that runs the listeners of many scenarios."""

import contextlib
import dataclasses
import json
import os
import re
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.recording.listeners import NOWHERE, TYPE, Gateway, runnable
from tests.conformance.recording.responders import responding
from tests.conformance.truth import Json

BATCH = 100
"""Scenarios in one Envoy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An Envoy that has taken its listeners, or said why not."""

    network: int
    refused: dict[str, str]
    """Why Envoy refuses a listener, by its name."""

    def address(self, scenario: int, gateway: int) -> str:
        """Return the address of a gateway, by its place among the scenarios and in its own."""
        return f"127.{self.network}.{1 + scenario}.{1 + gateway}"


def version(binary: str) -> str:
    """Return Envoy's version as it says it: 1.40.0."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"/(\d+\.\d+\.\d+[^/]*)/", said.stdout)
    if not found:
        raise SystemExit(f"{binary} does not say its version: {said.stdout}")
    return found[1]


@contextlib.contextmanager
def running(binary: str, scenarios: Sequence[Sequence[Gateway]]) -> Iterator[Running]:
    """Lend an Envoy that runs the gateways of each scenario."""
    with contextlib.ExitStack() as stack:
        envoy = stack.enter_context(_started(binary, scenarios))
        odd = {
            name.rpartition("|")[0]
            for name, why in envoy.refused.items()
            if "filter chain" not in why
        }
        if odd:  # a route was refused: once more, with the routes apart
            stack.close()
            again = [
                [dataclasses.replace(each, has_routes_apart=each.name in odd) for each in gateways]
                for gateways in scenarios
            ]
            envoy = stack.enter_context(_started(binary, again))
        yield envoy


@contextlib.contextmanager
def _started(binary: str, scenarios: Sequence[Sequence[Gateway]]) -> Iterator[Running]:
    network = 10 + os.getpid() % 200  # two runs at a time do not meet
    envoy = Running(network=network, refused={})
    with tempfile.TemporaryDirectory(prefix="conformance-envoy-") as name:
        folder = Path(name)
        said = _write_listeners(folder, envoy, scenarios)
        sockets = {name: folder / f"socket-{index}" for index, name in enumerate(said)}
        admin = _free_port()
        config = _bootstrap(folder, admin, sockets)
        command = [binary, "-c", str(config), "--concurrency", "1"]
        log = folder / "envoy.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [*command, "--disable-hot-restart", "-l", "warning"], stdout=output, stderr=output
            )
        try:
            with responding({sockets[name]: answer for name, answer in said.items()}):
                _wait(process, admin, log)
                yield dataclasses.replace(envoy, refused=_refused(admin))
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _write_listeners(
    folder: Path, envoy: Running, scenarios: Sequence[Sequence[Gateway]]
) -> dict[str, Json]:
    """Write what Envoy reads; return what is to be said at the clusters of `responders`."""
    listeners: list[Json] = []
    said: dict[str, Json] = {}
    tables = 0
    for index, gateways in enumerate(scenarios):
        for position, gateway in enumerate(gateways):
            for made in runnable(gateway, envoy.address(index, position)):
                listeners.append(made.listener)
                said |= made.responders
                sources = {}
                for table in made.routes:
                    tables += 1
                    path = folder / f"routes-{tables}.json"
                    kind = TYPE + "config.route.v3.RouteConfiguration"
                    _write_resources(path, [{"@type": kind, **table}])
                    sources[table["name"]] = path
                _point_to_files(made.listener, sources)
    _write_resources(folder / "listeners.json", listeners)
    return said


def _write_resources(path: Path, resources: list[Json]) -> None:
    path.write_text(json.dumps({"version_info": "1", "resources": resources}), encoding="utf-8")


def _point_to_files(listener: Json, sources: dict[str, Path]) -> None:
    """Say where the routes of a listener come from, if they come apart."""
    chains = [*listener["filter_chains"], listener.get("default_filter_chain") or {}]
    for chain in chains:
        for each in chain.get("filters", []):
            rds = each.get("typed_config", {}).get("rds")
            if rds:
                rds["config_source"] = _from_file(sources[rds["route_config_name"]])


def _from_file(path: Path) -> Json:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _bootstrap(folder: Path, admin: int, sockets: dict[str, Path]) -> Path:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    http2 = {
        "@type": f"type.googleapis.com/{options}",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    nowhere = _cluster(NOWHERE, _address(1))
    nowhere["typed_extension_protocol_options"] = {options: http2}
    clusters = [nowhere]
    clusters += [_cluster(name, {"pipe": {"path": str(path)}}) for name, path in sockets.items()]
    config = {
        "node": {"id": "conformance", "cluster": "conformance"},
        "static_resources": {"clusters": clusters},
        "admin": {"address": _address(admin)},
        "dynamic_resources": {"lds_config": _from_file(folder / "listeners.json")},
    }
    path = folder / "bootstrap.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def _cluster(name: str, address: Json) -> Json:
    endpoint = {"endpoint": {"address": address}}
    return {
        "name": name,
        "connect_timeout": "1s",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _admin(port: int, path: str) -> Json:
    url = f"http://127.0.0.1:{port}/{path}"
    with urllib.request.urlopen(url, timeout=120) as answer:
        found: Json = json.loads(answer.read())
    return found


def _refused(admin: int) -> dict[str, str]:
    found = {}
    for config in _admin(admin, "config_dump")["configs"]:
        for listener in config.get("dynamic_listeners", []):
            error = listener.get("error_state")
            if error:
                failed = error.get("failed_configuration", {}).get("name", "?")
                found[listener.get("name") or failed] = error.get("details", "?")
    return found


def _wait(process: subprocess.Popen[bytes], admin: int, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            if _is_up(_admin(admin, r"stats?filter=^listener_manager\.&format=json")):
                time.sleep(0.3)
                return
        time.sleep(0.1)
    raise SystemExit("Envoy does not come up:\n" + log.read_text()[-2000:])


def _is_up(answer: Json) -> bool:
    stats = {
        each["name"].removeprefix("listener_manager."): each["value"]
        for each in answer["stats"]
        if "name" in each
    }
    updates = stats.get("lds.update_success", 0) + stats.get("lds.update_rejected", 0)
    active = stats.get("total_listeners_active", 0)
    return bool(
        updates
        and stats.get("workers_started") == 1
        and stats.get("total_listeners_warming", 1) == 0
        and stats.get("listener_create_success", 0) >= active
    )
