"""DR005."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Evidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.upstreamtls import is_plain_name
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Place, Ref
from istiodoctor_checks.destinations import severity_of
from istiodoctor_checks.fixes import create_tls_secret
from istiodoctor_checks.wording import listing


@check(
    "DR005",
    severity=Severity.CRITICAL,
    needs=Mesh.upstream_tls.kinds | Mesh.secret_exists.kinds | Mesh.secrets_named.kinds,
    explains={"SDS011"},
)
def dr_credential_missing(mesh: Mesh) -> Iterator[Finding]:
    """A DestinationRule names a Secret that is not in the namespace of the gateway pods.

    `credentialName` of a DestinationRule is looked up where the **client** runs, for a gateway in
    the namespace of its pods, not in that of the DestinationRule or of the backend. Envoy waits
    for the Secret and answers 503 (`TLS_error: Secret is not supplied by SDS`).

    Fix: create the Secret beside the gateway pods, with `ca.crt` for SIMPLE and certificate, key
    and CA for MUTUAL.

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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop.shop.svc.cluster.local}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: MUTUAL, credentialName: client-cert}}}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: client-cert, namespace: shop}
    stringData:
      tls.crt: certificate for gateway.example.com
      tls.key: key of gateway.example.com
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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: MUTUAL, credentialName: client-cert}}}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: client-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for gateway.example.com
      tls.key: key of gateway.example.com
    ```

    Sources: istio.io, DestinationRule (ClientTLSSettings), Egress TLS Origination; istio/istio
    issue 48764.
    """
    for upstream in mesh.upstream_tls():
        name = upstream.tls.credential_name if upstream.tls else ""
        secret = Ref(CORE, "Secret", upstream.workload.namespace, name)
        if (
            upstream.place
            and is_plain_name(name)
            and mesh.secret_exists(secret.namespace, name) is False
        ):
            elsewhere = mesh.secrets_named(name)
            hosts = upstream.use.virtual_service.spec.hosts
            found = f" It is in {listing(e.namespace for e in elsewhere)}." if elsewhere else ""
            yield Finding(
                message=(
                    f"{upstream.place.ref} names the Secret {name}, which {upstream.workload}"
                    f" reads from its own namespace: {secret} does not exist, and requests for"
                    f" {listing(hosts)} get 503.{found}"
                ),
                objects=(
                    Place(upstream.place.ref, f"{upstream.place.path}/credentialName"),
                    *map(Place, elsewhere),
                    upstream.use.place,
                ),
                identity=Identity.of(secret),
                hosts=frozenset(hosts),
                evidence=(Evidence(text=f"{secret} does not exist"),),
                fixes=(
                    create_tls_secret(
                        secret.namespace, name, f"Create the Secret in {secret.namespace}"
                    ),
                ),
                severity=severity_of(upstream.use),
                credentials=frozenset({(secret.namespace, name)}),
                absences=frozenset({(Kind.SECRET, secret.namespace, name)}),
            )
