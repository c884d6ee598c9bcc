"""Requests for a scenario: mostly what its servers and routes are there for."""

import json
from collections.abc import Callable

from tests.conformance.scenarios.draft import HOSTS, Draft, clash
from tests.conformance.truth import Json

DEFAULT_PORTS = {"http": 80, "https": 443}
MOST = 20
TRIES = 60
OTHER_PATHS = ["/", "/api/v1?q=1", "/login?v=2&q=1", "/x", "/api/?q", "/nope"]

Candidate = tuple[str, int, str]
"""Scheme, port and host that a server is there for."""


def istio_candidates(draft: Draft) -> list[Candidate]:
    """Return what the servers of Istio Gateways are there for; what has routes counts more."""
    service_ports = {8080: 80, 8443: 443}
    found = []
    for gateway in draft.of_kind("Gateway"):
        for server in gateway["spec"].get("servers", []):
            number = server["port"]["number"]
            port = service_ports.get(number, number)
            scheme = "https" if _is_tls(server) else "http"
            for host in server["hosts"]:
                name = host.split("/")[-1].lower()
                found.append((scheme, port, name))
                for other in _routed_hosts(draft):
                    if clash(other, name):
                        found += [(scheme, port, narrower(other, name))] * 2
    return found


def gateway_candidates(draft: Draft) -> list[Candidate]:
    """Return what listeners are there for; what has routes counts more."""
    found = []
    for _, _, listeners in (*draft.listeners, *draft.listener_sets):
        for listener in listeners:
            scheme = "https" if listener["protocol"] in ("HTTPS", "TLS") else "http"
            host, port = listener.get("hostname", "*"), listener["port"]
            found.append((scheme, port, host))
            for route in draft.of_kind("HTTPRoute", "TLSRoute", "GRPCRoute"):
                for other in route["spec"].get("hostnames", ["*"]):
                    if clash(other, host):
                        found += [(scheme, port, narrower(other, host))] * 2
    return found


def ingress_candidates(draft: Draft) -> list[Candidate]:
    """Return what Ingresses are there for: plain, and by TLS where one has certificates."""
    found = []
    for ingress in draft.of_kind("Ingress"):
        for rule in ingress["spec"].get("rules", [{}]):
            host = rule.get("host", "*")
            found += [("http", 80, host)] * 2
            if "tls" in ingress["spec"]:
                found += [("https", 443, host)] * 2
    return found


def _is_tls(server: Json) -> bool:
    is_secured = "tls" in server and "httpsRedirect" not in server["tls"]
    return is_secured or server["port"]["protocol"] in ("HTTPS", "TLS")


def _routed_hosts(draft: Draft) -> list[str]:
    return [
        host.lower()
        for each in draft.of_kind("VirtualService")
        for host in each["spec"].get("hosts", [])
    ]


def narrower(route: str, server: str) -> str:
    """Return the more specific of the hosts of a route and of its server."""
    if server.startswith("*") and (not route.startswith("*") or len(route) > len(server)):
        return route
    return server


def requests(draft: Draft, candidates: Callable[[Draft], list[Candidate]]) -> list[Json]:
    """Return requests, each once."""
    places = candidates(draft)
    names = _names(draft)
    paths = sorted(draft.paths | set(draft.random.sample(OTHER_PATHS, 3)))
    ports = sorted(draft.ports)
    found: dict[str, Json] = {}
    for _ in range(TRIES):
        if len(found) >= MOST:
            break
        request = _request(draft, places, names, paths, ports)
        found.setdefault(json.dumps(request), request)
    return list(found.values())


def _names(draft: Draft) -> list[str]:
    names = set()
    for host in sorted(draft.hosts):
        name = host.lower()
        if name == "*":
            names.add("anything.net")
        elif name.startswith("*."):
            names |= {"q" + name[1:], "q.r" + name[1:]}
            if draft.chance(0.3):
                names.add(name[2:])
        else:
            names.add(name)
    names |= set(draft.random.sample([each.lower() for each in HOSTS], 2))
    return sorted(names)


def _request(
    draft: Draft, places: list[Candidate], names: list[str], paths: list[str], ports: list[int]
) -> Json:
    scheme = "https" if draft.chance(0.5) else "http"
    port = DEFAULT_PORTS[scheme] if draft.chance(0.8) else draft.random.choice(ports)
    host = draft.random.choice(names)
    if places and draft.chance(0.8):
        scheme, port, host = draft.random.choice(places)
        host = draft.concrete(host)
    path = draft.random.choice(paths)
    if "%20" not in path:
        path = path.replace(" ", "")
    headers = _headers(draft)
    method = draft.weighted(["GET", "POST", "HEAD", "PUT"], [75, 15, 5, 5])
    authority = host if port == DEFAULT_PORTS[scheme] else f"{host}:{port}"
    return {"url": f"{scheme}://{authority}{path}", "method": method, "headers": headers}


def _headers(draft: Draft) -> dict[str, str]:
    headers = {}
    if draft.chance(0.3):
        name = draft.one("x-user", "x-env")
        headers[name] = draft.one("alice", "bob", "alicex", "")
    if draft.chance(0.05):
        headers["cookie"] = draft.one("canary=1", "a=b; canary=1")
    if draft.chance(0.03):
        headers["x-forwarded-proto"] = draft.one("https", "http")
    if draft.chance(0.02):
        headers["host"] = draft.one("b.example.com", "a.example.com:8080", "A.EXAMPLE.COM")
    return headers
