"""CRED011."""

from collections.abc import Iterator
from typing import Any

from istiodoctor.check import check
from istiodoctor.command import acting_as, fault_of, kubectl, within
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, Patch, PatchType, restart
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import CredentialState, credential_uses
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import CORE, RBAC
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import listing

JUDGED = frozenset({CredentialState.FOUND, CredentialState.MISSING, CredentialState.UNKNOWN})
"""States in which istiod asks for the right: it is the first thing it asks for."""
READ = ["get", "watch", "list"]

NOT_SENT_AGAIN = (
    "The right alone is not enough: istiod sends nothing again, and connections are reset until"
    " the pods are new. It remembers a refusal for a minute: restart after that."
)


@check(
    "CRED011",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"SDS011", "SDS014", "SNI011"},
)
def gateway_may_not_list_secrets(mesh: Mesh) -> Iterator[Finding]:
    """A gateway's ServiceAccount may not list Secrets, so istiod gives it no certificate.

    Before istiod sends a Secret it asks the API server whether the ServiceAccount of the gateway
    pods may `list` Secrets in their namespace. If not, it leaves the Secret out and says so in
    its own log only: the gateway's log and `istioctl analyze` are silent, and every connection is
    reset.

    It happens to gateways that were not installed by Istio's chart: a Deployment with `image:
    auto` that runs as `default`, or a chart with `rbac.enabled=false`. Gateways that Istio makes
    for the Gateway API need no such right.

    Fix: a Role that allows to get, watch and list Secrets, bound to the ServiceAccount; then
    `kubectl rollout restart` of the gateway, a minute later, for istiod remembers a refusal so
    long. Nothing is sent again when the right is there: the gateway goes on resetting until it is
    restarted or the Secret is touched. The other way round, a right that is taken away hurts at
    the next restart: istiod remembers a permission for five minutes, and Envoy keeps what it has.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: shop, labels: {istio: ingressgateway}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]
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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: ServiceAccount shop/default
    hosts: shop.example.com
    ServiceAccount shop/default, which the pods of Pod shop/gateway run as, may not list Secrets in
    shop: istiod keeps Secret shop/shop-cert from them, and every connection is reset.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: shop, labels: {istio: ingressgateway}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]
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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: Role
    metadata: {name: gateway-sds, namespace: shop}
    rules: [{apiGroups: [""], resources: [secrets], verbs: [get, watch, list]}]
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: RoleBinding
    metadata: {name: gateway-sds, namespace: shop}
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: gateway-sds}
    subjects: [{kind: ServiceAccount, name: default, namespace: shop}]
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: shop, labels: {istio: ingressgateway}}
    spec:
      serviceAccountName: edge
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]
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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata: {name: secret-readers}
    rules: [{apiGroups: [""], resources: [secrets], verbs: ["*"]}]
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: RoleBinding
    metadata: {name: secret-readers, namespace: shop}
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: secret-readers}
    subjects:
    - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts:shop"}
    ```

    Sources: istio.io, Installing Gateways; istio/istio issues 43891, 50070.
    """
    for use in credential_uses(mesh):
        if use.permission.allowed is False and use.state in JUDGED:
            account = Ref(CORE, "ServiceAccount", use.namespace, use.workload.service_account)
            yield Finding(
                message=(
                    f"{account}, which the pods of {use.workload} run as, may not list Secrets in"
                    f" {use.namespace}: istiod keeps {use.secret} from them, and every connection"
                    f" is reset."
                ),
                objects=(
                    Place(account),
                    Place(use.workload.owner),
                    *map(Place, use.permission.bindings),
                    Place(use.server.gateway, use.reference.path),
                ),
                identity=Identity.of(account),
                hosts=use.hosts,
                evidence=(Evidence(text=_bindings(use.permission.bindings), ref=account),),
                fixes=(_grant(use.workload, account),),
                credentials=frozenset({use.key}),
                servers=frozenset({use.server.id}),
            )


def _bindings(bindings: tuple[Ref, ...]) -> str:
    if not bindings:
        return "no RoleBinding or ClusterRoleBinding names it"
    return f"{listing(bindings)} names it, and does not allow it to list Secrets there"


def _grant(workload: Workload, account: Ref) -> Fix:
    name = f"{account.name}-reads-secrets"
    metadata = {"name": name, "namespace": account.namespace}
    role: dict[str, Any] = {
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": READ}]
    }
    binding: dict[str, Any] = {
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
        "subjects": [
            {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
        ],
    }
    made = tuple(Ref(RBAC, kind, account.namespace, name) for kind in ("Role", "RoleBinding"))
    shared = account.name == "default"
    why = f"Every pod in {account.namespace} that names no ServiceAccount runs as default, and"
    again = restart(workload, why="")
    return Fix(
        title=f"Allow {account} to read the Secrets there, then restart {workload}",
        risk=again.risk,
        commands=again.commands,
        patches=tuple(
            Patch(
                ref=ref,
                type=PatchType.CREATE,
                body={
                    "apiVersion": f"{RBAC}/v1",
                    "kind": ref.kind,
                    "metadata": metadata,
                    **body,
                },
            )
            for ref, body in zip(made, (role, binding), strict=True)
        ),
        verify=kubectl(
            "auth", "can-i", "list", "secrets", within(account.namespace), acting_as(account)
        ),
        undo=kubectl("delete", *made),
        why=f"{NOT_SENT_AGAIN} {why} may read them too: an own account for {workload} is better."
        if shared
        else NOT_SENT_AGAIN,
        withheld=fault_of(account),
    )
