"""GWAPI002."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.credential_references import Form, Purpose
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Ref
from istiodoctor_checks.gateway_api._listeners import status_evidence
from istiodoctor_checks.gateway_api._refused_references import useless_references


@check(
    "GWAPI002",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"GWAPI011", "GW022", "GWAPI017", "SNI011", "SNI012"},
)
def cert_ref_invalid(mesh: Mesh) -> Iterator[Finding]:
    """A listener's certificate reference leads to nothing that istiod can use.

    `certificateRefs` takes Secrets of type kubernetes.io/tls whose key belongs to the
    certificate. istiod checks that when it reads the Gateway and sets `ResolvedRefs` to False
    with the reason `InvalidCertificateRef`; the listener then has no certificate, and every
    handshake is reset.

    Fix: refer to a Secret, and make it from a certificate and the key that belongs to it.

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
    metadata: {name: web, namespace: shop, generation: 2}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        hostname: shop.example.com
        port: 443
        protocol: HTTPS
        tls: {certificateRefs: [{name: shop-cert}]}
    status:
      listeners:
      - name: https
        conditions:
        - type: ResolvedRefs
          status: "False"
          reason: InvalidCertificateRef
          message: "invalid certificate reference"
          observedGeneration: 2
    ```

    ```finding
    critical: Gateway API Gateway shop/web spec.listeners[0].tls.certificateRefs[0]
    hosts: shop.example.com
    Gateway API Gateway shop/web listener 443 (https) takes its certificate from shop/shop-cert,
    which istiod cannot use (istiod says: invalid certificate reference): the listener gets no
    certificate, and handshakes are reset.
    ```

    A condition that speaks of an older generation is past:

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
        tls: {certificateRefs: [{name: shop-cert}]}
    status:
      listeners:
      - name: https
        conditions:
        - type: ResolvedRefs
          status: "False"
          reason: InvalidCertificateRef
          observedGeneration: 2
    ```

    Sources: gateway-api.sigs.k8s.io, API reference (ListenerConditionReason); istio.io,
    Kubernetes Gateway API.
    """
    for useless in useless_references(mesh):
        server, reference = useless.server, useless.reference
        said = useless.condition
        is_ca = reference.purpose is Purpose.CLIENT_CA
        if reference.form is Form.INVALID:
            reason = "it is no ConfigMap and no Secret" if is_ca else "it is no Secret"
        else:
            reason = f"istiod says: {said.message or said.reason}" if said else "it is refused"
        yield Finding(
            message=(
                f"{server} takes its {'client CA' if is_ca else 'certificate'} from"
                f" {reference.text}, which istiod cannot use ({reason}): the listener gets no"
                " certificate, and handshakes are reset."
            ),
            objects=(server.written_at(reference.path),),
            identity=Identity.of(server.gateway, reference.text),
            hosts=frozenset(useless.hosts),
            evidence=(
                Evidence(text=f"{server} refers to {reference.text}", ref=server.gateway),
                *status_evidence(said, server.gateway),
            ),
            fixes=(
                Fix(
                    title="Refer to a Secret with a certificate and the key that belongs to it",
                    commands=(get(Ref(CORE, "Secret", reference.namespace, reference.name)),),
                ),
            ),
            credentials=frozenset({(reference.namespace, reference.name)}),
            servers=frozenset({server.id}),
        )
