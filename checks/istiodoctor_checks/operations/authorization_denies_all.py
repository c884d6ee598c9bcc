"""OPS003."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.model.ref import Place
from istiodoctor_checks.operations._mesh_policies import denied_gateways


@check("OPS003", severity=Severity.CRITICAL, explains={"OPS010", "HTTP015"})
def authorization_denies_all(mesh: Mesh) -> Iterator[Finding]:
    """An AuthorizationPolicy without rules denies every request at the gateway.

    An ALLOW policy (the default action) permits what its rules list. One without rules permits
    nothing; in the root namespace (istio-system) or in that of the gateway it applies to the
    gateway too, unless a selector takes other pods. As long as no other ALLOW policy applies
    there, every request gets 403 (`RBAC: access denied`).

    Fix: add an ALLOW policy for the gateway, or narrow the one that denies all.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: deny-all, namespace: istio-system}
    spec: {}
    ```

    ```finding
    critical: AuthorizationPolicy istio-system/deny-all spec.rules
    hosts: shop.example.com
    AuthorizationPolicy istio-system/deny-all has no rules, so it allows nothing, and it applies to
    Pod istio-system/gateway; no other ALLOW policy does. Every request there gets 403 (RBAC:
    access denied).
    ```

    Denying all by default is good practice, with a policy for the gateway beside it:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: deny-all, namespace: istio-system}
    spec: {}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: gateway, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      action: ALLOW
      rules: [{to: [{operation: {ports: ["8443"]}}]}]
    ```

    Sources: istio.io, Authorization Policy, Security Problems; istio/istio issues 35626, 14885.
    """
    for denied in denied_gateways(mesh):
        policy, workload = denied.policy, denied.workload
        yield Finding(
            message=(
                f"{policy.ref} has no rules, so it allows nothing, and it applies to {workload};"
                f" no other ALLOW policy does. Every request there gets 403 (RBAC: access denied)."
            ),
            objects=(policy.at("/spec/rules"), Place(workload.owner)),
            identity=Identity.of(policy.ref, str(workload.owner.path)),
            hosts=frozenset(name for each in denied.servers for name in each.names),
            evidence=(Evidence(text=f"{policy.ref} has action ALLOW and no rules"),),
            fixes=(
                Fix(
                    title="Allow requests to the gateway by a policy of its own",
                    why=(
                        "An ALLOW policy with a selector for the gateway pods and rules for what"
                        " clients may do; a rule without fields ({}) allows everything."
                    ),
                ),
            ),
            servers=frozenset(each.id for each in denied.servers if each.routes_http),
        )
