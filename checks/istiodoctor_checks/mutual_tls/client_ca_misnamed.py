"""MTLS004."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl, name_of
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.client_cas import ClientCaUse, client_ca_uses
from istiodoctor.mesh.credentials.secret_lookup import misnamed_client_cas
from istiodoctor.mesh.gateways.servers import GatewayApi
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.mesh.workloads.control_planes import istiod_version
from istiodoctor.mesh.workloads.releases import Change, is_in
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import host_listing, listing

"""The release that brought `caCertCredentialName`."""


@check(
    "MTLS004",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"MTLS015", "SDS011"},
)
def client_ca_misnamed(mesh: Mesh) -> Iterator[Finding]:
    """The client CA is in a Secret that istiod does not read.

    With `mode: MUTUAL` or `OPTIONAL_MUTUAL` istiod takes the clients' CA from the Secret
    `<credentialName>-cacert` in the namespace of the gateway pods, spelt exactly so. A Secret
    called `shop-cert-cacerts` or `shop-cert-ca`, or the right name in another namespace, is never
    found; Envoy waits for the CA and resets every connection.

    Fix: give the Secret its right name beside the gateway pods. From Istio 1.28 on
    `caCertCredentialName` can name another one.

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
    metadata: {name: shop-cert-cacerts, namespace: istio-system}
    stringData:
      cacert: authority Clients
    ```

    ```finding
    critical: Secret istio-system/shop-cert-cacerts metadata.name
    hosts: shop.example.com
    Gateway shop/web server 443 (https) asks clients for a certificate, and istiod looks for their
    CA in Secret istio-system/shop-cert-cacert, which does not exist; Secret
    istio-system/shop-cert-cacerts may be what is meant. Every connection to shop.example.com is
    reset.
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
    metadata: {name: shop-cert-cacert, namespace: shop}
    stringData:
      cacert: authority Clients
    ```

    ```finding
    critical: Secret shop/shop-cert-cacert metadata.name
    hosts: shop.example.com
    Gateway shop/web server 443 (https) asks clients for a certificate, and istiod looks for their
    CA in Secret istio-system/shop-cert-cacert, which does not exist; Secret shop/shop-cert-cacert
    may be what is meant. Every connection to shop.example.com is reset.
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
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-ca, namespace: istio-system}
    stringData:
      ca.crt: authority Issuer
    ```

    Sources: istio.io, Secure Gateways, Key formats; istio/istio issue 47315.
    """
    for use in client_ca_uses(mesh):
        if found := misnamed_client_cas(mesh, use):
            wanted = Ref(found[0].group, "Secret", use.namespace, use.dedicated_name)
            version = istiod_version(mesh, use.workload)
            has_field = version and is_in(version, Change.CLIENT_CA_NAMED)
            yield Finding(
                message=(
                    f"{use.server} asks clients for a certificate, and istiod looks for their CA"
                    f" in {wanted}, which does not exist; {listing(found)} may be what is meant."
                    f" Every connection to {host_listing(use.server.names)} is reset."
                ),
                objects=(
                    Place(found[0], "/metadata/name"),
                    Place(use.server.gateway, use.reference.path),
                    Place(use.workload.owner),
                ),
                identity=Identity.of(wanted),
                hosts=frozenset(use.server.names),
                evidence=(
                    Evidence(text=f"{use.server} has mode {use.server.mode}"),
                    *(Evidence(text=f"{each} exists", ref=each) for each in found),
                ),
                fixes=tuple(_fixes(use, wanted, found[0], has_field=bool(has_field))),
                credentials=frozenset(
                    {use.key, (use.namespace, use.compound_name)}
                    | {(each.namespace, each.name) for each in found}
                ),
                servers=frozenset({use.server.id}),
                absences=frozenset({(Kind.SECRET, use.namespace, use.dedicated_name)}),
            )


def _fixes(use: ClientCaUse, wanted: Ref, found: Ref, *, has_field: bool) -> Iterator[Fix]:
    beside = found.namespace == wanted.namespace
    if has_field and beside and use.server.api is GatewayApi.ISTIO:
        yield set_field(
            use.server.field("/tls/caCertCredentialName"),
            found.name,
            f"Name {found} as the CA of the clients",
        )
    yield Fix(
        title=f"Create {wanted} with the CA of {found}",
        commands=(
            kubectl(
                "create", "secret", "generic", name_of(wanted), "--from-file=cacert=client-ca.pem"
            ),
        ),
        verify=kubectl("get", wanted),
        undo=kubectl("delete", wanted),
        why="client-ca.pem is the CA certificate that the misnamed Secret holds.",
    )
