"""Ingresses of Kubernetes, of Istio's class and of others."""

import yaml

from tests.conformance.scenarios.draft import Draft
from tests.conformance.truth import Json

CLASSES = {"istio": "istio.io/ingress-controller", "nginx": "k8s.io/ingress-nginx"}
ANNOTATION = "kubernetes.io/ingress.class"
PATHS = ("/", "/api", "/api/", "/api/v1", "/login", "/x/y", "/API", "/api/*", "/api/.*", "/a.b")
NAMES = ("shop", "web", "api", "a", "zz")


def ingress_mesh_config(draft: Draft) -> str:
    """Return MeshConfig: mostly the default, now and then another mode, class or Service."""
    config: Json = {"defaultConfig": {"discoveryAddress": "istiod.istio-system.svc:15012"}}
    if draft.chance(0.2):
        config["ingressControllerMode"] = draft.one("DEFAULT", "DEFAULT", "OFF", "STRICT")
    if draft.chance(0.08):
        config["ingressClass"] = draft.one("public", "istio")
    if draft.chance(0.08):
        config["ingressSelector"] = draft.one("edge", "ingressgateway")
    return str(yaml.safe_dump(config, sort_keys=False))


def add_ingresses(draft: Draft) -> None:
    """Add classes and up to four Ingresses that may share hosts."""
    for name, controller in CLASSES.items():
        draft.add(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "IngressClass",
                "metadata": {"name": name},
                "spec": {"controller": controller},
            }
        )
    for _ in range(draft.one(1, 2, 2, 3, 4)):
        namespace = draft.weighted(["app1", "app2", "istio-system"], [50, 40, 10])
        name = draft.one(*NAMES)
        if not draft.has("Ingress", namespace, name):
            _add_ingress(draft, name, namespace)


def _add_ingress(draft: Draft, name: str, namespace: str) -> None:
    metadata = draft.metadata(name, namespace)
    spec: Json = {}
    form = draft.random.random()
    if form < 0.6:
        spec["ingressClassName"] = "istio" if draft.chance(0.9) else draft.one("nginx", "nosuch")
    elif form < 0.9:
        metadata["annotations"] = {ANNOTATION: draft.one("istio", "istio", "istio", "nginx")}
    if draft.chance(0.2):
        spec["defaultBackend"] = _backend(draft, namespace)
    if draft.chance(0.95) or "defaultBackend" not in spec:
        spec["rules"] = [_rule(draft, namespace) for _ in range(draft.one(1, 1, 2))]
    if draft.chance(0.45):
        spec["tls"] = [_tls(draft, spec) for _ in range(draft.one(1, 1, 2))]
    draft.add(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": metadata,
            "spec": spec,
        }
    )


def _rule(draft: Draft, namespace: str) -> Json:
    rule: Json = {}
    if draft.chance(0.85):
        host = draft.host(0.25)
        if host != "*":
            rule["host"] = host
    if draft.chance(0.95):
        count = draft.weighted([1, 2, 3], [45, 35, 20])
        rule["http"] = {"paths": [_path(draft, namespace) for _ in range(count)]}
    return rule


def _path(draft: Draft, namespace: str) -> Json:
    kind = draft.weighted(["Prefix", "Exact", "ImplementationSpecific"], [55, 25, 20])
    value = draft.one(*PATHS)
    found: Json = {"pathType": kind, "backend": _backend(draft, namespace)}
    if kind != "ImplementationSpecific" or draft.chance(0.85):
        found["path"] = value
    clean = value.rstrip("*.").rstrip("/") or "/"
    draft.paths |= {clean, clean + "x", clean.rstrip("/") + "/sub", clean.rstrip("/") + "/"}
    return found


def _backend(draft: Draft, namespace: str) -> Json:
    near = [each for each in draft.services if each[1] == namespace and each[0] != "ext"]
    name, _, ports = draft.random.choice(near or draft.services)
    port: Json = {"number": draft.random.choice(ports)}
    if draft.chance(0.25):
        port = {"name": draft.one("http", "http", "http-alt", "nosuch")}
    elif draft.chance(0.06):
        port = {"number": 9999}
    if draft.chance(0.05):
        name = "nosuch"
    return {"service": {"name": name, "port": port}}


def _tls(draft: Draft, spec: Json) -> Json:
    found: Json = {}
    hosts = [rule["host"] for rule in spec.get("rules", []) if "host" in rule]
    if hosts and draft.chance(0.85):
        found["hosts"] = [draft.random.choice(hosts)]
        if draft.chance(0.25):
            found["hosts"].append(draft.concrete(draft.host()))
    if draft.chance(0.9):
        found["secretName"] = draft.one("cert-a", "cert-b", "cert-c", "missing-cert")
    return found
