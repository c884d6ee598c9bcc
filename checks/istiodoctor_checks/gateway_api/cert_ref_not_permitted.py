"""GWAPI001."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, create
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.credential_references import Form, Purpose
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Place, Ref
from istiodoctor_checks.gateway_api._listeners import status_evidence
from istiodoctor_checks.gateway_api._refused_references import RefusedReference, refused_references

GRANT_VERSION = "gateway.networking.k8s.io/v1beta1"
"""Served by every release that has ReferenceGrants."""


@check(
    "GWAPI001",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"GW022", "GWAPI002", "GWAPI011", "GWAPI017", "SDS001", "SDS011", "SDS014"},
)
def cert_ref_not_permitted(mesh: Mesh) -> Iterator[Finding]:
    """A Gateway refers to a Secret or ConfigMap in another namespace that does not permit it.

    A `certificateRefs` entry with another namespace needs a ReferenceGrant **in the namespace of
    the Secret**, from the Gateway's namespace. Without it istiod gives the listener no
    certificate (`ResolvedRefs` is False, reason `RefNotPermitted`) and every handshake is reset.

    Fix: create the ReferenceGrant beside the Secret, or keep the Secret beside the Gateway.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert, namespace: certs}]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: certs}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Gateway API Gateway shop/web spec.listeners[0].tls.certificateRefs[0]
    hosts: shop.example.com
    Gateway API Gateway shop/web listener 443 (https) takes its certificate from Secret
    certs/shop-cert, and no ReferenceGrant in certs permits that to Gateways of shop: the listener
    gets no certificate, handshakes are reset.
    ```

    The same holds for the CA that client certificates are checked with:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.30.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      tls:
        frontend:
          default: {}
          perPort:
          - port: 443
            tls:
              validation:
                caCertificateRefs:
                - {group: "", kind: ConfigMap, name: client-ca, namespace: certs}
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Gateway API Gateway shop/web
    spec.tls.frontend.perPort[0].tls.validation.caCertificateRefs[0]
    hosts: shop.example.com
    Gateway API Gateway shop/web listener 443 (https) takes its client CA from ConfigMap
    certs/client-ca, and no ReferenceGrant in certs permits that to Gateways of shop: the listener
    is left out, and nothing listens there.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: web-istio-0
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.24.1"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, generation: 3}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert, namespace: certs}]}
    status:
      listeners:
      - name: https
        conditions:
        - {type: ResolvedRefs, status: "False", reason: RefNotPermitted, observedGeneration: 2}
    ---
    apiVersion: gateway.networking.k8s.io/v1beta1
    kind: ReferenceGrant
    metadata: {name: shop-gateways, namespace: certs}
    spec:
      from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: shop}]
      to: [{group: "", kind: Secret}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: certs}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: gateway-api.sigs.k8s.io, ReferenceGrant; istio.io, Kubernetes Gateway API;
    istio/istio issue 36075.
    """
    for refused in refused_references(mesh):
        server, reference = refused.server, refused.reference
        is_ca = reference.purpose is Purpose.CLIENT_CA
        kind = "ConfigMap" if reference.form is Form.CONFIG_MAP else "Secret"
        secret = Ref(CORE, kind, reference.namespace, reference.name)
        effect = "gets no certificate, handshakes are reset"
        if is_ca:
            effect = "is left out, and nothing listens there"
        yield Finding(
            message=(
                f"{server} takes its {'client CA' if is_ca else 'certificate'} from {secret}, and"
                f" no ReferenceGrant in {reference.namespace} permits that to"
                f" {server.gateway.kind}s of {server.namespace}: the listener {effect}."
            ),
            objects=(server.written_at(reference.path), Place(secret)),
            identity=Identity.of(server.gateway, secret.path),
            hosts=frozenset(refused.hosts),
            evidence=(
                Evidence(text=f"no ReferenceGrant in {reference.namespace} fits"),
                *status_evidence(refused.condition, server.gateway),
            ),
            fixes=(_grant(refused, secret),),
            credentials=frozenset({(secret.namespace, secret.name)} if kind == "Secret" else ()),
            servers=frozenset({server.id}),
        )


def _grant(refused: RefusedReference, secret: Ref) -> Fix:
    gateway = refused.server.gateway
    origin = {"group": gateway.group, "kind": gateway.kind, "namespace": gateway.namespace}
    return create(
        {
            "apiVersion": GRANT_VERSION,
            "metadata": {
                "name": f"{gateway.namespace}-{gateway.name}",
                "namespace": secret.namespace,
            },
            "spec": {
                "from": [origin],
                "to": [{"group": "", "kind": secret.kind, "name": secret.name}],
            },
        },
        Kind.REFERENCE_GRANT,
        f"Permit it in {secret.namespace}",
        why=f"Every Gateway in {gateway.namespace} may then use {secret}.",
    )
