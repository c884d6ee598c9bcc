"""MTLS007."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.client_cas import client_ca_uses
from istiodoctor.model.credential import Credential
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing


@check("MTLS007", severity=Severity.HIGH)
def revocation_list_expired(mesh: Mesh) -> Iterator[Finding]:
    """The revocation list (CRL) for client certificates has expired, so clients are refused.

    The key `crl` (or `ca.crl`) of the clients' CA Secret holds a list of revoked certificates.
    Such a list has an end, `nextUpdate`; after it Envoy trusts no certificate that the list is
    about, and refuses every client.

    Fix: publish the CA's current list in the Secret, and renew it before it ends; or remove the
    key, and with it the protection against revoked certificates.

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
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData:
      cacert: authority Clients
      crl: revocation list of Clients; expired
    ```

    ```finding
    high: Secret istio-system/shop-cert-cacert data.crl
    hosts: shop.example.com
    The revocation list in Secret istio-system/shop-cert-cacert has expired on 2026-02-27 12:00
    UTC: Gateway shop/web server 443 (https) refuses every client certificate for shop.example.com.
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
        tls: {mode: MUTUAL, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData:
      cacert: authority Clients
      crl: revocation list of Clients
    ```

    A server that asks for no client certificate does not look at the list:

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
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData:
      cacert: authority Clients
      crl: revocation list of Clients; expired
    ```

    Sources: istio.io, Secure Gateways, Key formats; RFC 5280, section 5.1.2.5.
    """
    for use in client_ca_uses(mesh):
        source = use.source
        end = source.revocation_list_next_update if source else None
        if source and end and end < mesh.taken_at:
            optional = use.server.mode is TlsMode.OPTIONAL_MUTUAL
            yield Finding(
                message=(
                    f"The revocation list in {source.ref} has expired on {end:%Y-%m-%d %H:%M} UTC:"
                    f" {use.server} refuses every client certificate for"
                    f" {host_listing(use.server.names)}."
                ),
                objects=(
                    Place(source.ref, f"/data/{source.revocation_list_key}"),
                    Place(use.server.gateway, use.reference.path),
                    Place(use.workload.owner),
                ),
                identity=Identity.of(source.ref),
                hosts=frozenset(use.server.names),
                evidence=(Evidence(text=f"nextUpdate is {end.isoformat()}", ref=source.ref),),
                fixes=(_fix(source),),
                severity=Severity.MEDIUM if optional else Severity.HIGH,
                credentials=frozenset({use.key, (source.namespace, source.name)}),
                servers=frozenset({use.server.id}),
            )


def _fix(source: Credential) -> Fix:
    return Fix(
        title="Publish the CA's current revocation list",
        commands=(
            kubectl("get", source.ref, "-o", "jsonpath={.metadata.managedFields[*].manager}"),
        ),
        verify=kubectl("get", source.ref, "-o", "yaml"),
        why=(
            f"Whoever writes the Secret must put the new list under {source.revocation_list_key},"
            f" as PEM, before each nextUpdate."
        ),
    )
