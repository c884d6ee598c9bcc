"""CRED001."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import credential_uses, secrets_named
from istiodoctor.mesh.credentials.secret_lookup import SecretLookup, secret_lookup
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor.text import listing
from istiodoctor_checks._secret_fixes import create_tls_secret


@check(
    "CRED001",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={
        "GW022",
        "GWAPI017",
        "MTLS002",
        "MTLS015",
        "SDS001",
        "SDS009",
        "SDS011",
        "SDS014",
        "SNI011",
        "SNI012",
    },
)
def secret_wrong_namespace(mesh: Mesh) -> Iterator[Finding]:
    """A gateway's Secret exists, but not in the namespace its pods read from.

    istiod looks up a plain `credentialName` in the namespace of the gateway **pods**, never in
    that of the Gateway object or of the VirtualService. A Secret created beside the application
    is therefore never delivered: Envoy accepts the connection and resets it right after the
    ClientHello.

    Fix: create the Secret (or the Certificate that makes it) in the namespace of the gateway
    pods. Replicating it with a controller works too; copying it by hand works until the
    certificate is renewed.

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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    Secret istio-system/shop-cert does not exist. The pods of Pod istio-system/gateway read
    shop-cert from their own namespace, istio-system; the Secret of that name in shop is out of
    their reach.
    ```

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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: istio.io, Secure Gateways; istio/istio issues 27740, 33020, 14598.
    """
    for use in credential_uses(mesh):
        if secret_lookup(mesh, use) is SecretLookup.OUT_OF_REACH:
            elsewhere = secrets_named(mesh, use.name)
            others = listing(each.namespace for each in elsewhere)
            yield Finding(
                message=(
                    f"{use.secret} does not exist. The pods of {use.workload} read"
                    f" {use.reference.text} from their own namespace, {use.namespace}; the Secret"
                    f" of that name in {others} is out of their reach."
                ),
                objects=(Place(use.server.gateway, use.reference.path), *map(Place, elsewhere)),
                identity=Identity.of(use.secret),
                hosts=use.hosts,
                evidence=(
                    Evidence(text=f"{use.server} asks for {use.reference.text}"),
                    *(Evidence(text=f"{each} exists", ref=each) for each in elsewhere),
                ),
                fixes=(
                    create_tls_secret(
                        use.namespace, use.name, f"Create the Secret in {use.namespace}"
                    ),
                ),
                credentials=frozenset({use.key, *((e.namespace, e.name) for e in elsewhere)}),
                servers=frozenset({use.server.id}),
                absences=frozenset({use.absence}),
            )
