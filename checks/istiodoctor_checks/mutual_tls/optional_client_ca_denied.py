"""MTLS006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.secret_lookup import servers_using
from istiodoctor.mesh.gateways.credential_references import CA_SUFFIX
from istiodoctor.mesh.gateways.servers import GatewayApi, Server
from istiodoctor.mesh.logs.delivery import DeliveryFailure, delivery_failures
from istiodoctor.mesh.logs.meaning import Meaning
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Place, Ref


@check(
    "MTLS006",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"MTLS015", "SDS011"},
)
def optional_client_ca_denied(mesh: Mesh) -> Iterator[Finding]:
    """A bug makes istiod refuse the client CA of an OPTIONAL_MUTUAL listener.

    A Gateway API listener with the option `gateway.istio.io/tls-terminate-mode: OPTIONAL_MUTUAL`
    needs the Secret `<name>-cacert`. Releases without the fix admit that Secret for MUTUAL only
    and log `cross namespace secret reference requires ReferenceGrant`, even where everything is
    in one namespace; a ReferenceGrant does not help. Envoy waits for the CA and resets every
    connection.

    Fix: upgrade Istio; until then use MUTUAL, or do without client certificates.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.28.0"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        port: 443
        protocol: HTTPS
        tls:
          certificateRefs: [{name: shop-cert}]
          options: {gateway.istio.io/tls-terminate-mode: OPTIONAL_MUTUAL}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-cacert, namespace: shop}
    stringData:
      cacert: authority Clients
    ```

    ```log bad istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	warn	ads	proxy gateway.shop attempted to access unauthorized certificates shop-cert-cacert: cross namespace secret reference requires ReferenceGrant
    ```

    ```finding
    critical, observed: Gateway API Gateway shop/web spec.listeners[0].tls.options
    hosts: *
    istiod refuses Secret shop/shop-cert-cacert to Gateway API Gateway shop/web listener 443
    (https), because the listener is OPTIONAL_MUTUAL: a bug of this release. Every connection to it
    is reset.
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata:
      name: gateway
      namespace: shop
      labels: {gateway.networking.k8s.io/gateway-name: web}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.28.0"}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      gatewayClassName: istio
      listeners:
      - name: https
        port: 443
        protocol: HTTPS
        tls:
          certificateRefs: [{name: shop-cert}]
          options: {gateway.istio.io/tls-terminate-mode: OPTIONAL_MUTUAL}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: shop}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-cacert, namespace: shop}
    stringData:
      cacert: authority Clients
    ```

    ```log good istio-system/istiod-0/discovery
    2026-03-01T11:40:00.000000Z	info	ads	ADS: new delta connection for node:gateway.shop-7
    ```

    Sources: istio/istio issues 60113, 60618 and pull request 60720.
    """  # noqa: E501 - lines of logs are shown whole
    for failure in delivery_failures(mesh):
        servers = _concerned(failure, servers_using(mesh, failure.namespace, failure.name))
        if servers:
            secret = Ref(CORE, "Secret", failure.namespace, failure.name)
            yield Finding(
                message=(
                    f"istiod refuses {secret} to {servers[0]}, because the listener is"
                    f" OPTIONAL_MUTUAL: a bug of this release. Every connection to it is reset."
                ),
                objects=(*(server.field("/tls/options") for server in servers), Place(secret)),
                identity=Identity.of(secret),
                hosts=frozenset(name for server in servers for name in server.names),
                evidence=(Evidence.of_line(failure.last.line),),
                fixes=(
                    Fix(
                        title="Upgrade Istio to a release with the fix",
                        why="Release note 60618 names it; MUTUAL is not concerned.",
                    ),
                ),
                confidence=Confidence.OBSERVED,
                credentials=frozenset({(failure.namespace, failure.name)}),
                servers=frozenset(server.id for server in servers),
            )


def _concerned(failure: DeliveryFailure, servers: tuple[Server, ...]) -> list[Server]:
    refused = failure.last.meaning is Meaning.CROSS_NAMESPACE_CREDENTIAL
    if not refused or not failure.name.endswith(CA_SUFFIX):
        return []
    return [
        server
        for server in servers
        if server.api is GatewayApi.GATEWAY_API and server.mode is TlsMode.OPTIONAL_MUTUAL
    ]
