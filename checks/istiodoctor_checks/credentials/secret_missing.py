"""CRED002."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import CredentialUse, credential_uses, secrets_named
from istiodoctor.mesh.credentials.secret_lookup import (
    SecretLookup,
    secret_lookup,
    similar_secrets,
    was_looked_for_everywhere,
)
from istiodoctor.mesh.gateways.servers import GatewayApi
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._secret_fixes import create_tls_secret


@check(
    "CRED002",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={
        "GW022",
        "GWAPI002",
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
def secret_missing(mesh: Mesh) -> Iterator[Finding]:
    """A gateway asks for a Secret that does not exist.

    istiod has no certificate to send, so Envoy opens the port without one: it accepts connections
    and resets them right after the ClientHello. Other hosts on the same port go on working.

    The name is misspelt in the Gateway or in the Secret, or nobody has made the Secret yet.

    Fix: correct the name, or create the Secret in the namespace of the gateway pods.

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
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    Secret istio-system/shop-cert does not exist, so Pod istio-system/gateway has no certificate
    for shop.example.com and resets every connection.
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
        tls: {mode: SIMPLE, credentialName: shop-crt}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    Secret istio-system/shop-crt does not exist, so Pod istio-system/gateway has no certificate for
    shop.example.com and resets every connection. A similar name there: shop-cert.
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
    type: Opaque
    stringData:
      cert: certificate for shop.example.com
      key: key of shop.example.com
    ```

    A gateway whose certificate comes from somewhere else needs no Secret:

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
        tls: {mode: SIMPLE, serverCertificate: /etc/tls/tls.crt, privateKey: /etc/tls/tls.key}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: external, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: "sds://shop-cert"}
    ```

    Sources: istio.io, Secure Gateways; istio/istio issues 19097, 20070.
    """
    for use in credential_uses(mesh):
        if secret_lookup(mesh, use) is SecretLookup.NOT_FOUND:
            elsewhere = secrets_named(mesh, use.name)
            similar = similar_secrets(mesh, use)
            searched = was_looked_for_everywhere(mesh, use.name)
            yield Finding(
                message=_message(use, elsewhere, similar, searched=searched),
                objects=(
                    Place(use.server.gateway, use.reference.path),
                    *map(Place, similar),
                    Place(use.workload.owner),
                ),
                identity=Identity.of(use.secret),
                hosts=use.hosts,
                evidence=(
                    Evidence(text=f"{use.server} asks for {use.reference.text}"),
                    *(Evidence(text=f"{each} exists", ref=each) for each in elsewhere + similar),
                ),
                fixes=tuple(_fixes(use, similar)),
                credentials=frozenset({use.key}),
                servers=frozenset({use.server.id}),
                absences=frozenset({use.absence}),
            )


def _message(
    use: CredentialUse, elsewhere: tuple[Ref, ...], similar: tuple[Ref, ...], *, searched: bool
) -> str:
    text = (
        f"{use.secret} does not exist, so {use.workload} has no certificate for"
        f" {host_listing(use.server.names)} and resets every connection."
    )
    if elsewhere:
        text += f" There is one of that name in {listing(each.namespace for each in elsewhere)}."
    elif not searched:
        text += " Not every other namespace could be searched for one of that name."
    if similar:
        text += f" A similar name there: {listing(each.name for each in similar)}."
    return text


def _fixes(use: CredentialUse, similar: tuple[Ref, ...]) -> Iterator[Fix]:
    for each in similar[:1]:
        is_listener = use.server.api is GatewayApi.GATEWAY_API
        path = use.reference.path + ("/name" if is_listener else "")
        written = use.name if is_listener else use.reference.text
        yield set_field(
            Place(use.server.gateway, path),
            written.removesuffix(use.name) + each.name,
            f"Name {each} in {use.server.gateway}",
            why="Only if that Secret is the one that was meant.",
        )
    yield create_tls_secret(use.namespace, use.name, f"Create {use.secret}")
