"""Istio Gateways: servers of every protocol and TLS mode, on ports that they share."""

from tests.conformance.scenarios.draft import NAMESPACES, Draft
from tests.conformance.truth import Json

GATEWAY_NAMES = ["main", "main-2", "gw", "gw-a", "public", "edge"]
SELECTORS: list[Json] = [
    {"istio": "ingressgateway"},
    {"app": "istio-ingressgateway"},
    {"istio": "edge"},
    {},
    {"istio": "nobody"},
    {"istio": "ingressgateway", "app": "istio-ingressgateway"},
]


def add_gateways(draft: Draft) -> None:
    """Add up to four Gateways."""
    used = set()
    for _ in range(draft.weighted([1, 2, 3, 4], [30, 40, 20, 10])):
        name = draft.random.choice(GATEWAY_NAMES)
        namespace = draft.weighted(NAMESPACES, [50, 25, 20, 5])
        if (name, namespace) in used:
            continue
        used.add((name, namespace))
        selector = draft.weighted(SELECTORS, [80, 7, 5, 3, 2, 3])
        count = draft.weighted([1, 2, 3, 4], [25, 45, 20, 10])
        spec: Json = {"servers": [_server(draft, index) for index in range(count)]}
        if selector:
            spec["selector"] = selector
        draft.add(
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "Gateway",
                "metadata": draft.metadata(name, namespace),
                "spec": spec,
            }
        )
        draft.gateways.append((name, namespace))


def _server(draft: Draft, index: int) -> Json:
    kind = draft.weighted(["HTTP", "HTTPS", "TLS", "TCP", "ODD"], [38, 36, 15, 5, 6])
    count = draft.weighted([1, 2, 3], [60, 28, 12])
    hosts = [_server_host(draft) for _ in range(count)]
    port = {"number": 80, "name": f"p{index}", "protocol": kind}
    server: Json = {"port": port, "hosts": hosts}
    _PROTOCOLS[kind](draft, server)
    if draft.chance(0.06):
        port["name"] = "same"
    if draft.chance(0.006):
        server["bind"] = draft.one("0.0.0.0", "10.1.0.1", "127.0.0.1")
    if draft.chance(0.08):
        server["name"] = draft.one("s1", "s2")
    draft.ports.add(server["port"]["number"])
    return server


def _server_host(draft: Draft) -> str:
    host = draft.host()
    if draft.chance(0.75):
        return host
    return draft.one(".", "*", "*", "app1", "app2", "app1") + "/" + host


def _plain(draft: Draft, server: Json) -> None:
    port = server["port"]
    port["number"] = draft.weighted([80, 8080, 443, 31400], [86, 6, 4, 4])
    port["protocol"] = draft.one("HTTP", "HTTP", "HTTP", "HTTP2", "http", "GRPC")
    if draft.chance(0.25):
        server["tls"] = {"httpsRedirect": True}
    elif draft.chance(0.03):
        server["tls"] = {"httpsRedirect": False}


def _terminating(draft: Draft, server: Json) -> None:
    numbers = [443, 8443, 80, 31400, 15443]
    server["port"]["number"] = draft.weighted(numbers, [84, 6, 3, 4, 3])
    server["tls"] = _tls(draft, terminate=0.93)


def _passing(draft: Draft, server: Json) -> None:
    numbers = [443, 15443, 31400, 80]
    server["port"]["number"] = draft.weighted(numbers, [70, 20, 7, 3])
    server["tls"] = _tls(draft, terminate=0.25)


def _tcp(draft: Draft, server: Json) -> None:
    server["port"]["number"] = draft.weighted([31400, 80, 443], [70, 15, 15])
    if draft.chance(0.1):
        server["tls"] = _tls(draft, terminate=0.9)


def _odd(draft: Draft, server: Json) -> None:
    port = server["port"]
    port["number"] = draft.one(80, 443, 31400)
    protocols = ("HTTPS", "HTTP", "TLS", "GRPC-Web", "HTTP2", "MONGO", "GRPC")
    port["protocol"] = draft.one(*protocols)
    if draft.chance(0.6):
        server["tls"] = _tls(draft, terminate=0.6)
    if draft.chance(0.2):
        server.get("tls", {})["httpsRedirect"] = True


_PROTOCOLS = {
    "HTTP": _plain,
    "HTTPS": _terminating,
    "TLS": _passing,
    "TCP": _tcp,
    "ODD": _odd,
}


def _tls(draft: Draft, terminate: float) -> Json:
    if draft.chance(terminate):
        tls = _terminated(draft)
    else:
        modes = ["PASSTHROUGH", "AUTO_PASSTHROUGH", None]
        mode = draft.weighted(modes, [85, 5, 10])
        tls = {"mode": mode}
        if mode is None:
            tls = {"credentialName": "cert-a"} if draft.chance(0.4) else {}
    if draft.chance(0.03):
        tls["httpsRedirect"] = True
    return tls


def _terminated(draft: Draft) -> Json:
    modes = ["SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "ISTIO_MUTUAL"]
    tls: Json = {"mode": draft.weighted(modes, [80, 9, 5, 6])}
    if tls["mode"] != "ISTIO_MUTUAL":
        if draft.chance(0.07):
            tls["credentialNames"] = [_secret(draft)]
        else:
            tls["credentialName"] = _secret(draft)
        if draft.chance(0.04):
            tls.pop("mode")
    return tls


def _secret(draft: Draft) -> str:
    if draft.chance(0.5):
        names = ("cert-a", "cert-b", "cert-c", "cert-d", "cert-a", "missing-cert")
        return draft.one(*names, "istio-system/cert-a")
    return draft.one("cert-a", "cert-b", "cert-c")
