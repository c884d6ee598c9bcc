"""GW018."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.listeners import istio_gateways
from istiodoctor.text import host_listing, listing


@check("GW018", severity=Severity.LOW)
def capitals_in_redirected_host(mesh: Mesh) -> Iterator[Finding]:
    """A redirecting server's host is written with capital letters.

    DNS names do not distinguish case, but Istio versions before the fix compared such a host as
    it is written when they redirected, and the gateway kept stale routes for it.

    Fix: write hosts in lower case.

    ```yaml bad
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [Shop.example.com]
        tls: {httpsRedirect: true}
    ```

    ```finding
    low, suspected: Gateway shop/web spec.servers[0].hosts
    hosts: shop.example.com
    Gateway shop/web redirects Shop.example.com, written with capitals: some versions of Istio then
    keep stale routes for it.
    ```

    ```yaml good
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 80, name: http, protocol: HTTP}
        hosts: [shop.example.com]
        tls: {httpsRedirect: true}
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [Shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ```

    Sources: Istio release note 49638.
    """
    for gateway in istio_gateways(mesh):
        for index, server in enumerate(gateway.spec.servers):
            capitals = [host for host in server.hosts if host != host.lower() and "$" not in host]
            if capitals and server.tls and server.tls.https_redirect:
                yield Finding(
                    message=(
                        f"{gateway.ref} redirects {listing(capitals)}, written with capitals:"
                        " some versions of Istio then keep stale routes for it."
                    ),
                    objects=(gateway.at(f"/spec/servers/{index}/hosts"),),
                    identity=Identity.of(gateway.ref),
                    hosts=frozenset(host.lower() for host in capitals),
                    evidence=(
                        Evidence(text=f"hosts: {host_listing(server.hosts)}", ref=gateway.ref),
                    ),
                    fixes=(
                        set_field(
                            gateway.at(f"/spec/servers/{index}/hosts"),
                            [host.lower() for host in server.hosts],
                            "Write the hosts in lower case",
                        ),
                    ),
                    confidence=Confidence.SUSPECTED,
                )
