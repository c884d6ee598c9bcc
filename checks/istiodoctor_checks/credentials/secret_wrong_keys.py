"""CRED007."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import served_credentials
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor.text import listing
from istiodoctor_checks._secret_fixes import replace_tls_secret


@check(
    "CRED007",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"GW022", "GWAPI002", "GWAPI017", "SDS011", "SDS014", "SNI011", "SNI012"},
)
def secret_wrong_keys(mesh: Mesh) -> Iterator[Finding]:
    """A gateway's Secret does not have the keys that istiod reads.

    istiod reads a certificate from `tls.crt` with `tls.key`, or from `cert` with `key`. A Secret
    made from files keeps the names of the files (`server.crt`, `fullchain.pem`, `keystore.p12`)
    and is passed over: `found secret, but didn't have expected keys (cert and key) or (tls.crt
    and tls.key)`. Envoy gets no certificate and resets every connection. The Secret's type does
    not matter.

    Fix: make the Secret with `kubectl create secret tls`.

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
      fullchain.pem: certificate for shop.example.com
      privkey.pem: key of shop.example.com
    ```

    ```finding
    critical: Secret istio-system/shop-cert data
    hosts: shop.example.com
    Secret istio-system/shop-cert has the keys fullchain.pem and privkey.pem, but istiod wants
    tls.crt with tls.key, or cert with key: Pod istio-system/gateway gets no certificate from it
    and resets every connection.
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
      tls.crt: certificate for shop.example.com
      key: key of shop.example.com
    ```

    ```finding
    critical: Secret istio-system/shop-cert data
    hosts: shop.example.com
    Secret istio-system/shop-cert has the keys key and tls.crt, but istiod wants tls.crt with
    tls.key, or cert with key: Pod istio-system/gateway gets no certificate from it and resets
    every connection.
    ```

    The Secret that holds only a client CA is asked for under another name, and is right as it is:

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
        tls: {mode: MUTUAL, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      cert: certificate for shop.example.com
      key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData:
      cacert: authority Clients
    ```

    Sources: istio.io, Secure Gateways, Key formats; istio/istio issues 18061, 9030.
    """
    for credential, uses in served_credentials(mesh):
        if not credential.pairs:
            found = listing(credential.keys) or "none at all"
            yield Finding(
                message=(
                    f"{credential.ref} has the keys {found}, but istiod wants tls.crt with"
                    f" tls.key, or cert with key: {uses[0].workload} gets no certificate from it"
                    f" and resets every connection."
                ),
                objects=(
                    Place(credential.ref, "/data"),
                    *(Place(use.server.gateway, use.reference.path) for use in uses),
                ),
                identity=Identity.of(credential.ref),
                hosts=frozenset().union(*(use.hosts for use in uses)),
                evidence=(
                    Evidence(text=f"its keys are: {found}", ref=credential.ref),
                    *(Evidence(text=f"{use.server} asks for {use.name}") for use in uses),
                ),
                fixes=(
                    replace_tls_secret(credential, "Make the Secret again with the right keys"),
                ),
                credentials=frozenset({uses[0].key}),
                servers=frozenset(use.server.id for use in uses),
            )
