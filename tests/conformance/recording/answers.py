"""From what the client saw to answers of the recorded truth."""

from collections.abc import Iterator

from tests.conformance.recording import client
from tests.conformance.recording.envoy import Running
from tests.conformance.scenarios.cluster import GATEWAY_MARK
from tests.conformance.truth import Json

NOTHING: Json = {
    "kind": "no-port",
    "status": None,
    "location": None,
    "clusters": [],
    "dead": {},
    "layer": None,
    "certificate": None,
}


def unusable(objects: list[Json]) -> str | None:
    """Say why no cluster could hold these objects; None where one could."""
    for each in objects:
        if each["kind"] in ("Gateway", "ListenerSet") and "listeners" in each["spec"]:
            listeners = each["spec"]["listeners"]
            names = {listener["name"] for listener in listeners}
            places = {
                (listener["port"], listener["protocol"], listener.get("hostname"))
                for listener in listeners
            }
            if len(names) < len(listeners) or len(places) < len(listeners):
                return f"a {each['kind']} with two equal listeners: its CRD refuses it"
    return None


def gateway_pods(objects: list[Json]) -> dict[str, Json]:
    """Return the pods of gateways by `NS/NAME`."""
    return {
        f"{each['metadata']['namespace']}/{each['metadata']['name']}": each
        for each in objects
        if each["kind"] == "Pod" and GATEWAY_MARK in (each["metadata"].get("annotations") or {})
    }


def services_by_target(objects: list[Json], pod: Json, port: int) -> dict[int, list[str]]:
    """Return the Services (`NS/NAME`) whose port leads to the pod, by the pod's port."""
    containers = pod["spec"]["containers"]
    named = {each["name"]: each["containerPort"] for each in containers[0].get("ports", [])}
    found: dict[int, list[str]] = {}
    for service in objects:
        if service["kind"] != "Service" or not _selects(service, pod):
            continue
        metadata = service["metadata"]
        for each in service["spec"]["ports"]:
            if each["port"] == port:
                target = each.get("targetPort", port)
                number = named[target] if isinstance(target, str) else target
                name = f"{metadata['namespace']}/{metadata['name']}"
                found.setdefault(number, []).append(name)
    return dict(sorted(found.items()))


def _selects(service: Json, pod: Json) -> bool:
    selector = service["spec"].get("selector")
    is_near = service["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return bool(is_near and selector and selector.items() <= pod["metadata"]["labels"].items())


def answered(
    requests: list[Json], objects: list[Json], gateways: list[Json], envoy: Running, scenario: int
) -> Iterator[Json]:
    """Send every request on each of its ways; yield the entries of the truth."""
    pods = gateway_pods(objects)
    for number, asked in enumerate(requests):
        port = client.port_of(asked["url"])
        found: list[tuple[Json, int | None, list[str]]] = []
        for gateway in gateways:
            by_port = services_by_target(objects, pods[gateway["name"]], port)
            found += [(gateway, each, services) for each, services in by_port.items()]
            if not by_port:
                found.append((gateway, None, []))
        for position, (gateway, pod_port, services) in enumerate(found):
            answer = NOTHING
            if pod_port is not None:
                address = envoy.address(scenario, gateways.index(gateway))
                answer = _answer(client.request(address, pod_port, asked), gateway)
            suffix = "" if len(found) == 1 else "abcdefgh"[position]
            yield {
                "id": f"{number:02d}{suffix}",
                **asked,
                "gateway": gateway["name"],
                "port": pod_port,
                "services": services,
                "answer": answer,
            }


def _answer(seen: Json, gateway: Json) -> Json:
    """Return an answer from what the client saw and what istiod told this gateway of clusters."""
    kind = seen["kind"]
    answer = NOTHING | {
        "kind": kind,
        "status": seen.get("status"),
        "location": seen.get("location"),
        "certificate": seen.get("certificate"),
    }
    if kind in ("cluster", "tcp"):
        answer |= {
            "kind": "backend",
            "status": None,
            "clusters": seen["clusters"],
            "dead": _dead(seen["clusters"], gateway),
            "layer": "tcp" if kind == "tcp" else "http",
        }
        states = set(answer["dead"].values())
        if states:
            answer["kind"] = "no-cluster" if "no-cluster" in states else "no-endpoint"
    elif kind == "http":
        answer["kind"] = "denied" if seen["status"] == 403 else "error"
    return answer


def _dead(clusters: list[tuple[str, int]], gateway: Json) -> dict[str, str]:
    """Return the clusters that get requests and cannot serve them, and why."""
    total = sum(weight for _, weight in clusters)
    dead = {}
    for name, weight in clusters:
        if not weight and total:
            continue
        kind = gateway["clusters"].get(name)
        if kind is None or name == "BlackHoleCluster":
            dead[name] = "no-cluster"
        elif kind == "EDS" and not gateway["endpoints"].get(name):
            dead[name] = "no-endpoint"
    return dead
