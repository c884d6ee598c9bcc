"""MTLS008."""

import re
from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import remove_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import WITH_CLIENT_CA, Server
from istiodoctor.model.istio import ServerTls
from istiodoctor.text import host_listing

HASH = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}")
SPKI = re.compile(r"[A-Za-z0-9+/]{43}=")
SHOWN = 80
WITHOUT = (
    "Without a pin, every client with a certificate of the CA is let in: where that is too many,"
    " write the right value instead."
)


@check("MTLS008", severity=Severity.CRITICAL, explains={"SDS010"})
def client_pin_unusable(mesh: Mesh) -> Iterator[Finding]:
    """A server pins client certificates to a value that no certificate can have.

    `verifyCertificateHash` takes SHA-256 fingerprints (64 hexadecimal digits, or pairs with
    colons), `verifyCertificateSpki` the base64 of a SHA-256 (44 characters). Envoy refuses a
    listener with anything else (`Invalid hex-encoded SHA-256`), and goes on with an older one if
    it has one. An empty entry among `subjectAltNames` matches no certificate; where it is the
    only one, every client is refused.

    Whether a well-formed pin fits the certificates of your clients, no object tells.

    Fix: write `openssl x509 -in client.pem -noout -fingerprint -sha256` there, without its label.

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
        tls:
          mode: MUTUAL
          credentialName: shop-cert
          verifyCertificateHash: ["DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09"]
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.verifyCertificateHash[0]
    hosts: shop.example.com
    Gateway shop/web server 443 (https) checks client certificates against
    “DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09” in verifyCertificateHash, which
    is no SHA-256 of a certificate: Envoy refuses the whole listener, and every host on that port
    stays as it was before or goes down.
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
        tls:
          mode: MUTUAL
          credentialName: shop-cert
          verifyCertificateSpki: [47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]
          verifyCertificateHash:
          - e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
          subjectAltNames: [client.example.com, ""]
    ```

    A server that asks for no client certificate looks at no pin:

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
        tls: {mode: SIMPLE, credentialName: shop-cert, verifyCertificateHash: [later]}
    ```

    Sources: istio.io, Gateway (ServerTLSSettings); envoyproxy.io, CertificateValidationContext;
    istio/istio issue 26790.
    """
    for server in servers(mesh):
        pins = server.tls if server.mode in WITH_CLIENT_CA else None
        for field, value in _unusable(pins):
            place = server.field(f"/tls/{field}")
            yield Finding(
                message=(
                    f"{server} checks client certificates against “{value[:SHOWN]}” in"
                    f" {field.partition('/')[0]}, which is {_fault(field)}:"
                    f" {_consequence(field, server)}."
                ),
                objects=(place,),
                identity=Identity.of(server.gateway, field.partition("/")[0]),
                hosts=frozenset(server.names),
                evidence=(Evidence(text=f"{place.field}: {value[:SHOWN]}", ref=server.gateway),),
                fixes=(remove_field(place, "Take the value out", why=WITHOUT),),
                servers=frozenset({server.id}),
            )


def _unusable(pins: ServerTls | None) -> Iterator[tuple[str, str]]:
    if pins is None:
        return
    for index, value in enumerate(pins.verify_certificate_hash):
        if not HASH.fullmatch(value):
            yield f"verifyCertificateHash/{index}", value
    for index, value in enumerate(pins.verify_certificate_spki):
        if not SPKI.fullmatch(value):
            yield f"verifyCertificateSpki/{index}", value
    if pins.subject_alt_names and not any(pins.subject_alt_names):
        yield "subjectAltNames/0", ""


def _fault(field: str) -> str:
    if field.startswith("subjectAltNames"):
        return "no name"
    return "no SHA-256 of a certificate" if "Hash" in field else "no base64 of a SHA-256"


def _consequence(field: str, server: Server) -> str:
    if field.startswith("subjectAltNames"):
        return f"every client of {host_listing(server.names)} is refused"
    return (
        "Envoy refuses the whole listener, and every host on that port stays as it was before or"
        " goes down"
    )
