"""GW014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Fix, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.cipher_suites import is_passed_on
from istiodoctor.mesh.gateways.listeners import servers
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.workloads.releases import Change, is_in
from istiodoctor_checks.fixes import remove_field, set_field
from istiodoctor_checks.gateways._conflicts import versions_of
from istiodoctor_checks.text import listing


@check("GW014", severity=Severity.LOW, explains={"GW023", "SNI011"})
def cipher_suites_unknown(mesh: Mesh) -> Iterator[Finding]:
    """A server lists cipher suites that Envoy does not know.

    Names of TLS 1.3 suites, of suites that BoringSSL dropped, or misspelt ones. istiod leaves
    them out with a warning ("ignoring invalid cipher suites") and offers the rest; when none is
    left, the defaults. Old versions passed them on, and Envoy refused the settings: the server
    broke at the next restart.

    What begins with an operator (`-AES128-SHA`, `!ALL`) is passed on; where Envoy refuses that,
    see GW025.

    Fix: remove `cipherSuites`, whose defaults are good, or list known names only. TLS 1.3 suites
    cannot be chosen.

    ```yaml bad
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls:
          mode: SIMPLE
          credentialName: shop-cert
          cipherSuites: [ECDHE-RSA-AES256-SHA384, ECDHE-RSA-AES128-GCM-SHA256]
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
        tls:
          mode: SIMPLE
          credentialName: shop-cert
          cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256]
    ```

    Sources: istio.io, Gateway reference (cipherSuites); pkg/config/security; istio/istio issues
    27164, 32773.
    """
    for server in servers(mesh):
        suites = server.tls.cipher_suites if server.tls else ()
        unknown = tuple(name for name in suites if not is_passed_on(name))
        if unknown and server.is_tls:
            versions = versions_of(mesh, server)
            is_old = any(
                each and not is_in(each, Change.CIPHER_SUITES_FILTERED) for each in versions
            )
            yield Finding(
                message=(
                    f"{server} lists {listing(unknown)}, which Envoy does not know:"
                    f" {'it refuses the TLS settings' if is_old else 'the names are left out'}."
                ),
                objects=(server.field("/tls/cipherSuites"),),
                identity=Identity.of(server.gateway, server.names[0] if server.names else ""),
                hosts=frozenset(server.names),
                evidence=(Evidence(text=f"cipherSuites: {listing(suites, shown=8)}"),),
                fixes=(_keep_known(server, suites),),
                severity=Severity.HIGH if is_old else Severity.LOW,
                confidence=(
                    Confidence.SUSPECTED if is_old or None in versions else Confidence.CERTAIN
                ),
                servers=frozenset({server.id}),
            )


def _keep_known(server: Server, suites: tuple[str, ...]) -> Fix:
    place = server.field("/tls/cipherSuites")
    known = [name for name in suites if is_passed_on(name)]
    if known:
        return set_field(place, known, "Keep the known cipher suites only")
    return remove_field(place, "Remove cipherSuites", why="The defaults then apply.")
