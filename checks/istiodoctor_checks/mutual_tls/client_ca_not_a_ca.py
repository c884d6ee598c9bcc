"""MTLS003."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.client_cas import ClientCaUse, client_ca_uses
from istiodoctor.mesh.credentials.credentials import credential
from istiodoctor.model.credential import CertificateFacts, Credential
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing

CLIENT_AUTH, ANY_USAGE = "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"


@check("MTLS003", severity=Severity.HIGH)
def client_ca_not_a_ca(mesh: Mesh) -> Iterator[Finding]:
    """The client CA of a server is no CA certificate, so no client can be verified.

    The Secret's `cacert` or `ca.crt` must hold the CA that signed the clients' certificates.
    A server certificate put there by mistake, mostly the gateway's own, has signed nobody: every
    client is refused with `unknown ca` or `bad certificate`. At best Envoy lets in a client that
    presents this very certificate, which is how some people pin a single client.

    Fix: put the certificate of the CA that issues to your clients into the Secret.

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
        tls: {mode: MUTUAL, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
      ca.crt: certificate for shop.example.com; leaf only
    ```

    ```finding
    high, suspected: Secret istio-system/shop-cert data["ca.crt"]
    hosts: shop.example.com
    ca.crt of Secret istio-system/shop-cert holds no CA but the certificate of CN=shop.example.com:
    Gateway shop/web server 443 (https) refuses the clients of shop.example.com, whoever signed
    their certificates.
    ```

    A CA with intermediates or other certificates beside it is right, and an old self-signed
    root without the extensions of a CA may be one:

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
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
      ca.crt: authority Clients
    ```

    Sources: istio.io, Secure Gateways (mutual TLS); istio/istio issues 26790, 34317.
    """
    for use in client_ca_uses(mesh):
        source = use.source
        leaves = _leaves(source)
        if source and leaves:
            is_own = _is_own(mesh, use, leaves[0])
            optional = use.server.mode is TlsMode.OPTIONAL_MUTUAL
            yield Finding(
                message=(
                    f"{source.ca_key} of {source.ref} holds no CA but"
                    f" {'a server' if is_own else 'the'} certificate of"
                    f" {leaves[0].subject or 'nobody'}: {use.server} refuses the clients of"
                    f" {host_listing(use.server.names)}, whoever signed their certificates."
                ),
                objects=(
                    Place(source.ref, f"/data/{source.ca_key}"),
                    Place(use.server.gateway, use.reference.path),
                    Place(use.workload.owner),
                ),
                identity=Identity.of(source.ref),
                hosts=frozenset(use.server.names),
                evidence=tuple(
                    Evidence(
                        text=f"{each.subject}, issued by {each.issuer}, is marked as no CA",
                        ref=source.ref,
                    )
                    for each in leaves[:3]
                ),
                fixes=(_fix(source),),
                severity=Severity.MEDIUM if optional else Severity.HIGH,
                confidence=Confidence.SUSPECTED
                if not is_own and any(map(_may_be_client, leaves))
                else Confidence.CERTAIN,
                credentials=frozenset({use.key, (source.namespace, source.name)}),
                servers=frozenset({use.server.id}),
            )


def _leaves(source: Credential | None) -> tuple[CertificateFacts, ...]:
    """Return a bundle's certificates when none of them can be a CA."""
    found = source.ca_bundle.certificates if source else ()
    if any(each.is_ca or each.is_self_issued or each.version < 3 for each in found):
        return ()
    return found


def _is_own(mesh: Mesh, use: ClientCaUse, leaf: CertificateFacts) -> bool:
    return any(
        pair.chain.leaf and pair.chain.leaf.fingerprint_sha256 == leaf.fingerprint_sha256
        for name in (use.compound_name, use.dedicated_name)
        if (found := credential(mesh, use.namespace, name))
        for pair in found.pairs
    )


def _may_be_client(leaf: CertificateFacts) -> bool:
    usages = leaf.extended_key_usages
    return not usages or CLIENT_AUTH in usages or ANY_USAGE in usages


def _fix(source: Credential) -> Fix:
    return Fix(
        title=f"Put the CA of the clients into {source.ca_key} of {source.ref}",
        commands=(kubectl("edit", source.ref),),
        why="The value is base64 of the PEM text: the CA's certificate, not one that it signed.",
    )
