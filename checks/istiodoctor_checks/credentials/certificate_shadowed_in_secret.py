"""CRED009."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import served_credentials
from istiodoctor.model.credential import CertificateFacts, Credential, KeyPair
from istiodoctor.model.ref import Place


@check("CRED009", severity=Severity.MEDIUM)
def certificate_shadowed_in_secret(mesh: Mesh) -> Iterator[Finding]:
    """A Secret holds two different certificates, and only the first of them is served.

    A Secret may have a certificate under `cert` with `key` and another one under `tls.crt` with
    `tls.key`. istiod takes the first pair and never looks at the second. Whoever renews `tls.crt`
    sees no change at the gateway.

    It happens when a Secret that was made from files is later written by cert-manager or `kubectl
    create secret tls`.

    Fix: remove the pair that is out of date.

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
      cert: certificate for shop.example.com; expires in 20 days
      key: key of shop.example.com
      tls.crt: certificate for shop.example.com; expires in 80 days
      tls.key: key of shop.example.com
    ```

    ```finding
    medium: Secret istio-system/shop-cert data.cert
    hosts: shop.example.com
    Secret istio-system/shop-cert has a certificate until 2026-03-21 under cert and another until
    2026-05-20 under tls.crt: Pod istio-system/gateway serves the first and never the second.
    ```

    The same certificate twice, or an empty first pair, changes nothing:

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
      tls.crt: certificate for shop.example.com; expires in 80 days
      tls.key: key of shop.example.com
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
      cert: certificate for shop.example.com
      key: key of shop.example.com
    ```

    Sources: istio.io, Secure Gateways, Key formats; pilot/pkg/credentials/kube/secrets.go of
    Istio.
    """
    for credential, uses in served_credentials(mesh):
        for served, shadowed in _two(credential):
            yield Finding(
                message=(
                    f"{credential.ref} has a certificate until {_end(served)} under"
                    f" {credential.pairs[0].certificate_key} and another until {_end(shadowed)}"
                    f" under {credential.pairs[1].certificate_key}: {uses[0].workload} serves the"
                    f" first and never the second."
                ),
                objects=(
                    *(
                        Place(credential.ref, f"/data/{p.certificate_key}")
                        for p in credential.pairs
                    ),
                    *(Place(use.server.gateway, use.reference.path) for use in uses),
                ),
                identity=Identity.of(credential.ref),
                hosts=frozenset().union(*(use.hosts for use in uses)),
                evidence=(Evidence(text=f"{served.serial} is served", ref=credential.ref),),
                fixes=(_fix(credential, served, shadowed),),
                credentials=frozenset({uses[0].key}),
                servers=frozenset(use.server.id for use in uses),
            )


def _two(credential: Credential) -> Iterator[tuple[CertificateFacts, CertificateFacts]]:
    leaves = [pair.chain.leaf for pair in credential.pairs if not pair.private_key_empty]
    match leaves:
        case [CertificateFacts() as one, CertificateFacts() as other]:
            if one.fingerprint_sha256 != other.fingerprint_sha256:
                yield one, other


def _end(certificate: CertificateFacts) -> str:
    return f"{certificate.not_after:%Y-%m-%d}"


def _fix(credential: Credential, served: CertificateFacts, shadowed: CertificateFacts) -> Fix:
    """Keep the certificate that lasts longer."""
    stale: KeyPair = credential.pairs[0 if shadowed.not_after > served.not_after else 1]
    names = (stale.certificate_key, stale.private_key_key)
    return json_patch(
        credential.ref,
        [{"op": "remove", "path": f"/data/{name}"} for name in names],
        f"Remove {names[0]} and {names[1]}, which end sooner",
        why="Look at both before: the one that is left is served at once.",
    )
