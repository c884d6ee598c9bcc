"""Rules of VirtualServices for connections that are passed on: tls and tcp."""

from tests.conformance.scenarios.destinations import destinations, gateway_reference
from tests.conformance.scenarios.draft import Draft, narrowed
from tests.conformance.truth import Json


def tls_rule(draft: Draft, namespace: str, hosts: list[str]) -> Json:
    """Return a tls rule: SNIs under the VirtualService's hosts, now and then another."""
    rule: Json = {"match": []}
    rule["route"] = destinations(draft)
    for _ in range(draft.one(1, 1, 2)):
        rule["match"].append(_tls_match(draft, namespace, hosts))
    return rule


def _tls_match(draft: Draft, namespace: str, hosts: list[str]) -> Json:
    names = [_server_name(draft, hosts) for _ in range(draft.one(1, 1, 2))]
    match: Json = {"sniHosts": list(dict.fromkeys(names))}
    draft.hosts |= set(names)
    if draft.chance(0.2):
        match["port"] = draft.one(443, 15443, 8443)
    if draft.chance(0.1):
        match["gateways"] = [gateway_reference(draft, namespace)]
    if draft.chance(0.04):
        match["sourceLabels"] = {"istio": draft.one("ingressgateway", "edge")}
    if draft.chance(0.05):
        match["destinationSubnets"] = [draft.one("10.0.0.0/8", "192.0.2.0/24")]
    return match


def _server_name(draft: Draft, hosts: list[str]) -> str:
    if draft.chance(0.04):
        return draft.host(0.3)
    return narrowed(draft, draft.random.choice(hosts))


def tcp_rule(draft: Draft, namespace: str) -> Json:
    """Return a tcp rule."""
    rule: Json = {"route": destinations(draft)}
    if draft.chance(0.6):
        if draft.chance(0.7):
            match: Json = {"port": draft.one(31400, 80, 443)}
        else:
            match = {"gateways": [gateway_reference(draft, namespace)]}
        if draft.chance(0.1):
            match["destinationSubnets"] = ["10.0.0.0/8"]
        rule["match"] = [match]
    return rule
