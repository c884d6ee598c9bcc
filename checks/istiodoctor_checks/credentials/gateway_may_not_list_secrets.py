"""CRED011."""

from collections.abc import Iterator
from typing import Any

from istiodoctor.check import check
from istiodoctor.command import acting_as, fault_of, kubectl, within
from istiodoctor.finding import Evidence, Finding, Fix, Identity, Patch, PatchType, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import CredentialState, credential_uses
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.kind import CORE, RBAC
from istiodoctor.model.ref import Place, Ref
from istiodoctor_checks.text import listing

JUDGED = frozenset({CredentialState.FOUND, CredentialState.MISSING, CredentialState.UNKNOWN})
"""States in which istiod asks for the right: it is the first thing it asks for."""
READ = ["get", "watch", "list"]


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

    Fix: a Role that allows to get, watch and list Secrets, bound to the ServiceAccount. istiod
    remembers a refusal for a minute.

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
    return Fix(
        title=f"Allow {account} to read the Secrets of {account.namespace}",
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
        why=f"{why} may read them too: an own account for {workload} is better."
        if shared
        else "istiod takes it up within a minute.",
        withheld=fault_of(account),
    )
