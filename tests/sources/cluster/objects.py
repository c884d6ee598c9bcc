"""Objects for tests of reading a cluster."""

from typing import Any

from istiodoctor.model.snapshot import Reading
from tests.apiserver import ApiServer

Object = dict[str, Any]


def manifest(api_version: str, kind: str, path: str, **rest: Any) -> Object:
    """Return an object; `path` is `namespace/name`, or a name."""
    namespace, _, name = path.rpartition("/")
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def gateway(path: str, **rest: Any) -> Object:
    return manifest("networking.istio.io/v1", "Gateway", path, spec={"servers": []}, **rest)


def service(path: str) -> Object:
    return manifest("v1", "Service", path, spec={"ports": [{"port": 80}]})


def pod(path: str, *containers: str) -> Object:
    listed = [{"name": name} for name in containers or ("istio-proxy",)]
    return manifest("v1", "Pod", path, spec={"containers": listed})


def names(reading: Reading) -> list[str]:
    """Return `Kind namespace/name` of every object read, sorted."""
    return sorted(f"{each.ref.kind} {each.ref.path}" for each in reading.resources)


def unread(reading: Reading) -> list[str]:
    """Return what was not read, as a report words it."""
    return sorted(str(each) for each in reading.unread)


def paths(server: ApiServer) -> list[str]:
    """Return the paths that were asked for, in order."""
    return [request.path for request in server.requests()]
