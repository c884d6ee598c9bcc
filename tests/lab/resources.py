"""The pieces that everything an Envoy is sent is made of."""

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Resource = Mapping[str, Any]
Address = tuple[str, int]

TYPES = "type.googleapis.com/envoy"


def loopback() -> str:
    """Return an address of this machine's loopback that nobody else uses."""
    return ".".join(map(str, (127, *(1 + secrets.randbelow(254) for _ in range(3)))))


def address(port: int, host: str = "127.0.0.1") -> Resource:
    """Return an address; port 0 is any that is free."""
    return {"socket_address": {"address": host, "port_value": port}}


def typed(name: str, type_: str, **fields: Any) -> Resource:
    """Return an extension with its configuration."""
    return {"name": f"envoy.{name}", "typed_config": {"@type": f"{TYPES}.{type_}", **fields}}


def cluster(name: str, *ports: int, http2: bool = False) -> Resource:
    """Return a cluster with endpoints on loopback."""
    endpoints = [{"endpoint": {"address": address(port)}} for port in ports]
    made: dict[str, Any] = {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }
    if http2:
        kind = "extensions.upstreams.http.v3.HttpProtocolOptions"
        options = {"@type": f"{TYPES}.{kind}", "explicit_http_config": {}}
        options["explicit_http_config"] = {"http2_protocol_options": {}}
        made["typed_extension_protocol_options"] = {f"envoy.{kind}": options}
    return made


def replace(path: Path, resources: Sequence[Resource]) -> None:
    """Write resources where Envoy watches: it takes them in anew only after a rename."""
    written = path.with_suffix(".new")
    written.write_text(json.dumps({"resources": list(resources)}))
    written.rename(path)
