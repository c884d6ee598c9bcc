"""CRED008."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import served_credentials
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._secret_fixes import replace_tls_secret


@check(
    "CRED008",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"GW022", "GWAPI002", "GWAPI017", "SDS011", "SDS014", "SNI011", "SNI012"},
)
def secret_empty_values(mesh: Mesh) -> Iterator[Finding]:
    """A gateway's Secret has the right keys, but no certificate or no private key in them.

    istiod finds the keys and nothing in them (`found keys "tls.crt" and "tls.key", but they were
    empty`), sends no certificate, and Envoy resets every connection.

    Somebody made the Secret in advance, a controller that fills Secrets failed, or a certificate
    was never issued and only its private key is there.

    Fix: let whoever fills the Secret finish; of cert-manager, see why its Certificate is not
    Ready.

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
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: empty
      tls.key: empty
    ```

    ```finding
    critical: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    There is nothing in tls.crt and tls.key of Secret istio-system/shop-cert: Pod
    istio-system/gateway gets no certificate for shop.example.com and resets every connection.
    ```

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
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: empty
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Secret istio-system/shop-cert data["tls.crt"]
    hosts: shop.example.com
    There is nothing in tls.crt of Secret istio-system/shop-cert: Pod istio-system/gateway gets no
    certificate for shop.example.com and resets every connection.
    ```

    An empty pair beside a full one does no harm, for istiod takes the full one:

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
      cert: empty
      key: empty
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: istio.io, Secure Gateways; istio/istio issues 14739, 17409, 9030, 18061.
    """
    for credential, uses in served_credentials(mesh):
        if credential.pairs and credential.pair is None:
            empty = listing(credential.empty_keys)
            yield Finding(
                message=(
                    f"There is nothing in {empty} of {credential.ref}: {uses[0].workload} gets no"
                    f" certificate for"
                    f" {host_listing(name for use in uses for name in use.server.names)} and"
                    f" resets every connection."
                ),
                objects=(
                    *(Place(credential.ref, f"/data/{key}") for key in credential.empty_keys),
                    *(Place(use.server.gateway, use.reference.path) for use in uses),
                ),
                identity=Identity.of(credential.ref),
                hosts=frozenset().union(*(use.hosts for use in uses)),
                evidence=(Evidence(text=f"{empty} is empty", ref=credential.ref),),
                fixes=(replace_tls_secret(credential, "Make the Secret again with both values"),),
                credentials=frozenset({uses[0].key}),
                servers=frozenset(use.server.id for use in uses),
            )
