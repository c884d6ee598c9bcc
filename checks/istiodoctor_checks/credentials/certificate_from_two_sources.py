"""CRED014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.model.istio import ServerTls
from istiodoctor.text import listing


@check("CRED014", severity=Severity.HIGH, explains={"SDS010", "SDS012"})
def certificate_from_two_sources(mesh: Mesh) -> Iterator[Finding]:
    """A server takes its certificate from a Secret and from somewhere else too.

    A server has one source of certificates: `credentialName`, `credentialNames`,
    `serverCertificate` with `privateKey`, or `tlsCertificates`. Manifests from the time of Istio
    1.1 have `credentialName` beside `serverCertificate: sds` and `privateKey: sds`. Today's
    istiod refuses to take such an object: `only one of credential_name, credential_names,
    server_certificate/private_key, tls_certificates should be specified`. One that is in the
    cluster already goes on working and cannot be changed any more; an older istiod that takes the
    file sends Envoy a name that is no file, and Envoy refuses the whole listener (`Invalid path`).

    Fix: remove the files, keep `credentialName`.

    ```yaml bad
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert, serverCertificate: sds, privateKey: sds}
    ```

    ```finding
    high: Gateway shop/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    Gateway shop/web server 443 (https) takes its certificate from credentialName,
    serverCertificate and privateKey at once: istiod refuses Gateway shop/web when it is applied
    again.
    ```

    ```yaml bad
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert, credentialNames: [shop-rsa, shop-ecdsa]}
    ```

    ```finding
    high: Gateway shop/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    Gateway shop/web server 443 (https) takes its certificate from credentialName and
    credentialNames at once: istiod refuses Gateway shop/web when it is applied again.
    ```

    A file with the CA of the clients is no second source:

    ```yaml good
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
          serverCertificate: /etc/tls/tls.crt
          privateKey: /etc/tls/tls.key
          caCertificates: /etc/tls/ca.crt
    ```

    ```yaml good
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialNames: [shop-rsa, shop-ecdsa]}
    ```

    Sources: istio.io, Gateway; istio/istio issues 27164, 6486, 5829.
    """
    for server in servers(mesh):
        sources = _sources(server.tls or ServerTls())
        if len(sources) > 1:
            fields = [field for group in sources for field in group]
            yield Finding(
                message=(
                    f"{server} takes its certificate from {listing(fields)} at once: istiod"
                    f" refuses {server.gateway} when it is applied again."
                ),
                objects=tuple(server.field(f"/tls/{field}") for field in fields),
                identity=Identity.of(server.gateway),
                hosts=frozenset(server.names),
                evidence=(Evidence(text=f"tls has {listing(fields)}", ref=server.gateway),),
                fixes=(_fix(server, sources),),
                servers=frozenset({server.id}),
            )


def _sources(tls: ServerTls) -> list[tuple[str, ...]]:
    """Return the fields of each source that is there, the best source first."""
    files = {"serverCertificate": tls.server_certificate, "privateKey": tls.private_key}
    groups: tuple[tuple[str, ...], ...] = (
        ("credentialName",) if tls.credential_name else (),
        ("credentialNames",) if tls.credential_names else (),
        tuple(field for field, path in files.items() if path),
        ("tlsCertificates",) if tls.tls_certificates else (),
    )
    return [group for group in groups if group]


def _fix(server: Server, sources: list[tuple[str, ...]]) -> Fix:
    kept, *others = sources
    fields = [field for group in others for field in group]
    return json_patch(
        server.gateway,
        [{"op": "remove", "path": f"{server.path}/tls/{field}"} for field in fields],
        f"Keep {listing(kept)} and remove {listing(fields)}",
    )
