"""MTLS012."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl, name_of
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.client_cas import client_ca_uses
from istiodoctor.model.credential import Credential
from istiodoctor.model.istio import TlsMode
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing


@check("MTLS012", severity=Severity.CRITICAL, explains={"MTLS015"})
def client_ca_expired(mesh: Mesh) -> Iterator[Finding]:
    """Every client CA of a server has expired.

    Envoy trusts no certificate whose CA has expired, however long the client's own certificate is
    valid: every client is refused.

    Fix: put the renewed CA certificate into the Secret; the expired one may stay beside it.

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
      cacert: authority Clients; expired
    ```

    ```finding
    critical: Secret istio-system/shop-cert-cacert data.cacert
    hosts: shop.example.com
    Secret istio-system/shop-cert-cacert holds no CA that is still valid (the last one ended on
    2026-02-27): Gateway shop/web server 443 (https) refuses every client certificate for
    shop.example.com.
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
    ```

    The old CA in a Secret that nobody asks for harms nobody:

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
      cacert: authority Clients; expired
    ```

    Sources: istio.io, Secure Gateways; RFC 5280, section 6.1.
    """
    for use in client_ca_uses(mesh):
        source = use.source
        ends = [each.not_after for each in source.ca_bundle.certificates] if source else []
        if source and ends and max(ends) < mesh.taken_at:
            optional = use.server.mode is TlsMode.OPTIONAL_MUTUAL
            yield Finding(
                message=(
                    f"{source.ref} holds no CA that is still valid (the last one ended on"
                    f" {max(ends):%Y-%m-%d}): {use.server} refuses every client certificate for"
                    f" {host_listing(use.server.names)}."
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
                        text=f"{each.subject} until {each.not_after.isoformat()}", ref=source.ref
                    )
                    for each in source.ca_bundle.certificates[:3]
                ),
                fixes=(_fix(source),),
                severity=Severity.MEDIUM if optional else Severity.CRITICAL,
                credentials=frozenset({use.key, (source.namespace, source.name)}),
                servers=frozenset({use.server.id}),
            )


def _fix(source: Credential) -> Fix:
    if source.pairs:
        return Fix(
            title=f"Put the renewed CA into {source.ca_key} of {source.ref}",
            commands=(kubectl("edit", source.ref),),
            why="The value is base64; whoever writes the Secret must have the new CA too.",
        )
    return Fix(
        title=f"Make {source.ref} again with the renewed CA",
        commands=(
            kubectl("delete", source.ref),
            kubectl(
                "create", "secret", "generic", name_of(source.ref),
                "--from-file=cacert=client-ca.pem",
            ),
        ),
        verify=kubectl("get", source.ref),
        why="client-ca.pem holds the CA certificates in force, one after the other.",
    )  # fmt: skip
