"""Gateways of the Gateway API as istiod deploys them, and ListenerSets that add to them."""

from tests.conformance import certificates
from tests.conformance.scenarios.cluster import add_slice, gateway_pod, port
from tests.conformance.scenarios.draft import Draft
from tests.conformance.scenarios.gateways import API, CLASS, gateway
from tests.conformance.truth import Json

NAMES = ("gw", "main", "public")
PORTS = {"HTTP": (80, 80, 8080), "HTTPS": (443, 443, 8443), "TLS": (443, 15443), "TCP": (31400,)}
NAME_LABEL = f"{API}/gateway-name"


def add_deployed_gateways(draft: Draft) -> None:
    """Add Gateways with Service and pod, or on the pods that are there; then ListenerSets."""
    draft.add(CLASS)
    for number in range(draft.weighted([1, 2, 3], [55, 35, 10])):
        name = NAMES[number]
        namespace = draft.weighted(["istio-system", "app1", "edge"], [45, 40, 15])
        listeners = _listeners(draft, namespace, draft.one(1, 2, 2, 3))
        made = gateway(draft.metadata(name, namespace), listeners)
        if draft.chance(0.75):
            deploy(draft, made, listeners, number)
        if draft.chance(0.5):
            allowed = draft.one("All", "All", "Same", "None")
            made["spec"]["allowedListeners"] = {"namespaces": {"from": allowed}}
        draft.add(made)
        draft.listeners.append((name, namespace, listeners))
    for _ in range(draft.weighted([0, 1, 2], [35, 45, 20])):
        _add_listener_set(draft)


def deploy(draft: Draft, made: Json, listeners: list[Json], number: int) -> None:
    """Add what istiod's template makes for a Gateway without addresses."""
    del made["spec"]["addresses"]
    metadata = made["metadata"]
    name, namespace = f"{metadata['name']}-istio", metadata["namespace"]
    labels = {
        NAME_LABEL: metadata["name"],
        f"{API}/gateway-class-name": "istio",
        "service.istio.io/canonical-name": name,
    }
    address = f"10.1.1.{number + 1}"
    pod = f"{name}-5d9c7f6b8-x{number}xyz"
    draft.pods[address] = pod
    draft.objects += gateway_pod(pod, namespace, labels, address)
    ports = {
        each["port"]: port(f"p{each['port']}", each["port"], each["port"]) for each in listeners
    }
    draft.add(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "creationTimestamp": metadata["creationTimestamp"],
                "labels": {NAME_LABEL: metadata["name"]},
            },
            "spec": {
                "type": "LoadBalancer",
                "clusterIP": f"10.96.2.{number + 1}",
                "selector": {NAME_LABEL: metadata["name"]},
                "ports": [port("status-port", 15021, 15021), *ports.values()],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": f"203.0.113.{number + 10}"}]}},
        }
    )
    targets = [("status-port", 15021), *((each["name"], each["port"]) for each in ports.values())]
    add_slice(draft, name, namespace, targets, [address])


def _listeners(draft: Draft, namespace: str, count: int, taken: str = "") -> list[Json]:
    found: list[Json] = []
    for number in range(count):
        protocol = draft.weighted(["HTTP", "HTTPS", "TLS", "TCP"], [38, 27, 22, 13])
        listener = _listener(draft, f"{taken}l{number}", protocol, namespace)
        if not any(_place(each) == _place(listener) for each in found):
            found.append(listener)
            draft.ports.add(listener["port"])
    return found


def _place(listener: Json) -> tuple[int, str, str | None]:
    return listener["port"], listener["protocol"], listener.get("hostname")


def _listener(draft: Draft, name: str, protocol: str, namespace: str) -> Json:
    listener: Json = {"name": name, "port": draft.one(*PORTS[protocol]), "protocol": protocol}
    if protocol != "TCP" and draft.chance(0.7):
        host = draft.host()
        if host != "*":
            listener["hostname"] = host
    if protocol == "HTTPS" or (protocol == "TLS" and draft.chance(0.35)):
        reference = {"name": draft.one("cert-a", "cert-b", "cert-c", "missing-cert")}
        if draft.chance(0.15):
            reference["namespace"] = draft.one("istio-system", namespace)
        listener["tls"] = {"mode": "Terminate", "certificateRefs": [reference]}
    elif protocol == "TLS":
        listener["tls"] = {"mode": "Passthrough"}
    form = draft.random.random()
    if form < 0.7:
        listener["allowedRoutes"] = {"namespaces": {"from": "All"}}
    elif form < 0.8:
        kinds = [{"kind": draft.one("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute")}]
        listener["allowedRoutes"] = {"namespaces": {"from": "All"}, "kinds": kinds}
    return listener


def _add_listener_set(draft: Draft) -> None:
    name, namespace, _ = draft.random.choice(draft.listeners)
    where = draft.weighted([namespace, "app1", "app2"], [50, 25, 25])
    reference: Json = {"group": API, "kind": "Gateway", "name": name}
    if where != namespace:
        reference["namespace"] = namespace
    own = draft.one("more", "extra")
    if draft.has("ListenerSet", where, own):
        return
    listeners = _listeners(draft, where, draft.one(1, 1, 2), taken="s")
    draft.add(
        {
            "apiVersion": f"{API}/v1",
            "kind": "ListenerSet",
            "metadata": draft.metadata(own, where),
            "spec": {"parentRef": reference, "listeners": listeners},
        }
    )
    draft.listener_sets.append((own, where, listeners))


def add_more_secrets(draft: Draft) -> None:
    """Add certificates to the namespaces that only such Gateways and ListenerSets are in."""
    for namespace in ("app1", "app2"):
        for name in ("cert-a", "cert-b", "cert-c"):
            if draft.chance(0.85):
                draft.add(certificates.secret(namespace, name))
