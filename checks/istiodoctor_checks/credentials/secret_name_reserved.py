"""CRED015."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import credential_uses
from istiodoctor.mesh.gateways.credential_references import Form
from istiodoctor.mesh.gateways.servers import GatewayApi
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor_checks._secret_fixes import create_and_name_secret

READ_BY_ISTIOD = (1, 8, 0)
RESERVED = ("istio", "prometheus")


@check(
    "CRED015",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"SDS011", "SDS014", "SNI011"},
)
def secret_name_reserved(mesh: Mesh) -> Iterator[Finding]:
    """A gateway of Istio 1.7 or older passes over a Secret because of its name.

    Up to Istio 1.7 an agent in the gateway pod read the Secrets itself, and took those whose
    names begin with `istio` or `prometheus` for Istio's own. A `credentialName` like that is
    never delivered, and every connection is reset.

    Fix: give the Secret another name, or upgrade Istio.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.7.8"}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: istio-shop}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: istio-shop, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    Pod istio-system/gateway runs Istio 1.7.8, whose agent leaves out Secrets with names like
    istio-shop: connections to Gateway shop/web server 443 (https) are reset.
    ```

    From 1.8 on istiod reads the Secrets, and the name does not matter:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec:
      containers: [{name: istio-proxy, image: "istio/proxyv2:1.8.0"}]
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: istio-shop}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: istio-shop, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: istio/istio issue 18061.
    """
    for use in credential_uses(mesh):
        plain = use.reference.form is Form.KUBERNETES and use.server.api is GatewayApi.ISTIO
        reserved = plain and use.name.startswith(RESERVED)
        version = use.workload.version if reserved else None
        if version and not version.has(READ_BY_ISTIOD):
            yield Finding(
                message=(
                    f"{use.workload} runs Istio {version}, whose agent leaves out Secrets with"
                    f" names like {use.name}: connections to {use.server} are reset."
                ),
                objects=(
                    Place(use.server.gateway, use.reference.path),
                    Place(use.secret),
                    Place(use.workload.owner),
                ),
                identity=Identity.of(use.secret),
                hosts=use.hosts,
                evidence=(Evidence(text=f"the gateway's version is {version}"),),
                fixes=(
                    create_and_name_secret(
                        Place(use.server.gateway, use.reference.path),
                        use.namespace,
                        f"gateway-{use.name}",
                        "Give the Secret another name",
                    ),
                ),
                credentials=frozenset({use.key}),
                servers=frozenset({use.server.id}),
            )
