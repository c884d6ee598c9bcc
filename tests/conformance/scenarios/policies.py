"""AuthorizationPolicies at gateways, by what an operation is."""

from tests.conformance.scenarios.draft import Draft
from tests.conformance.scenarios.gateways import API
from tests.conformance.truth import Json

PATHS = ("/api", "/api*", "/admin*", "*.png", "*", "/", "/x/*", "/API", "/api/{*}", "/{**}/v1")
SELECTORS: tuple[Json, ...] = (
    {"istio": "ingressgateway"},
    {"istio": "ingressgateway"},
    {"app": "istio-ingressgateway"},
    {"istio": "edge"},
    {"istio": "nobody"},
)


def add_policies(draft: Draft) -> None:
    """Add one to three policies."""
    for number in range(draft.one(1, 2, 2, 3)):
        namespace = draft.weighted(["istio-system", "app1", "edge"], [80, 12, 8])
        spec: Json = {}
        _add_target(draft, spec)
        action = draft.weighted(["ALLOW", "DENY", "AUDIT", None], [35, 45, 5, 15])
        if action:
            spec["action"] = action
        if action == "DENY" or draft.chance(0.9):
            spec["rules"] = [_rule(draft) for _ in range(draft.one(1, 1, 2))]
        draft.add(
            {
                "apiVersion": "security.istio.io/v1",
                "kind": "AuthorizationPolicy",
                "metadata": draft.metadata(f"policy-{number}", namespace),
                "spec": spec,
            }
        )


def _add_target(draft: Draft, spec: Json) -> None:
    form = draft.random.random()
    if draft.listeners and form < 0.55:
        name = draft.random.choice(draft.listeners)[0] if draft.chance(0.9) else "nosuch"
        spec["targetRefs"] = [{"group": API, "kind": "Gateway", "name": name}]
        if draft.chance(0.1):
            spec["targetRefs"] = [{"group": API, "kind": "GatewayClass", "name": "istio"}]
    elif form < 0.8:
        spec["selector"] = {"matchLabels": draft.one(*SELECTORS)}


def _rule(draft: Draft) -> Json:
    rule: Json = {}
    if draft.chance(0.9):
        count = draft.one(1, 1, 2)
        rule["to"] = [{"operation": _operation(draft)} for _ in range(count)]
    if draft.chance(0.15):
        values = draft.one(["alice"], ["alice", "bob"], ["al*"], ["*"])
        field = draft.one("values", "values", "notValues")
        rule["when"] = [{"key": "request.headers[x-user]", field: values}]
    return rule


def _operation(draft: Draft) -> Json:
    operation: Json = {}
    if draft.chance(0.55):
        operation[_negated(draft, "paths")] = _some(draft, PATHS)
    if draft.chance(0.35):
        operation[_negated(draft, "hosts")] = _some(draft, _hosts(draft))
    if draft.chance(0.25):
        operation[_negated(draft, "methods")] = _some(draft, ("GET", "POST", "HEAD", "P*"))
    if draft.chance(0.25):
        operation[_negated(draft, "ports")] = _some(draft, ("8080", "8443", "80", "443"))
    return operation or {"paths": ["/api*"]}


def _negated(draft: Draft, field: str) -> str:
    return f"not{field.title()}" if draft.chance(0.2) else field


def _some(draft: Draft, values: tuple[str, ...]) -> list[str]:
    return draft.random.sample(values, draft.one(1, 1, 2))


def _hosts(draft: Draft) -> tuple[str, ...]:
    host = draft.concrete(draft.host())
    other = draft.concrete(draft.host())
    return (host, other, f"{host}:*", "*.example.com", "*", host.upper())
