"""What rules of VirtualServices lead to, and the Gateways that they name."""

from tests.conformance.scenarios.draft import Draft
from tests.conformance.truth import Json


def gateway_reference(draft: Draft, namespace: str) -> str:
    """Return one of the forms in which a VirtualService names a Gateway."""
    gateways = draft.gateways
    name, where = draft.random.choice(gateways) if gateways else ("main", "istio-system")
    if draft.chance(0.04):
        return draft.one("nothing", "istio-system/nothing", "mesh")
    forms = [f"{where}/{name}"] * 6
    if where == namespace:
        forms += [name] * 4 + [f"./{name}"]
    if draft.chance(0.2):
        forms.append(name)
    if draft.chance(0.15):
        forms.append(f"{name}.{where}.svc.cluster.local")
    return draft.random.choice(forms)


def _destination(draft: Draft) -> Json:
    name, namespace, ports = draft.random.choice(draft.services)
    form = draft.random.random()
    host = f"{name}.{namespace}.svc.cluster.local"
    if form < 0.25:
        host = name
    elif form < 0.29:
        host = f"{name}.{namespace}"
    elif form < 0.31:
        host = f"{name}.{namespace}.svc"
    elif form < 0.36:
        host = "nosuch"
    elif form < 0.41:
        host = draft.one("ext.partner.org", "foo.partner.org", "www.elsewhere.net")
    destination: Json = {"host": host}
    form = draft.random.random()
    if form < 0.7:
        destination["port"] = {"number": draft.random.choice(ports)}
    elif form < 0.78:
        destination["port"] = {"number": draft.one(80, 443, 9999, 8080)}
    if draft.chance(0.12):
        destination["subset"] = draft.one("v1", "v2", "v3", "v9")
    return destination


def destinations(draft: Draft) -> list[Json]:
    """Return the `route` of a rule: mostly one destination, else weighted ones."""
    count = draft.weighted([1, 2, 3], [80, 16, 4])
    routes: list[Json] = [{"destination": _destination(draft)} for _ in range(count)]
    if count > 1:
        # Both are drawn, whichever is used: seeds stay the scenarios they were.
        weights = {
            2: draft.one([50, 50], [100, 0], [0, 100], [1, 99], None),
            3: draft.one([0, 50, 50], [100, 0, 0], [1, 1, 98]),
        }[count]
        for route, weight in zip(routes, weights or [], strict=False):
            route["weight"] = weight
    elif draft.chance(0.2):
        routes[0]["weight"] = draft.one(100, 50, 1)
    return routes
