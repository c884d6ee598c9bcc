"""CM002."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, Risk, set_field
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.secrets_elsewhere import misnamed_certificates
from istiodoctor.mesh.credentials.credentials import CredentialUse
from istiodoctor.mesh.gateways.servers import GatewayApi
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.ref import Place


@check(
    "CM002",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={
        "CRED001",
        "CRED002",
        "GW022",
        "SDS001",
        "SDS011",
        "SDS014",
        "SNI011",
        "SNI012",
    },
)
def secretname_mismatch(mesh: Mesh) -> Iterator[Finding]:
    """A Certificate for the host writes its Secret under another name than the gateway asks for.

    The Certificate is in the right namespace and names the host, but its `secretName` is not the
    Gateway's `credentialName`: often the two differ by a `-tls` at the end, or the name of the
    Certificate was taken for that of the Secret.

    Fix: let the Gateway name the Secret that exists; it works within seconds. Changing
    `secretName` works too, after cert-manager has issued again.

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
    apiVersion: cert-manager.io/v1
    kind: ClusterIssuer
    metadata: {name: letsencrypt}
    spec:
      acme:
        server: https://acme-v02.api.letsencrypt.org/directory
        solvers: [{http01: {ingress: {ingressClassName: istio}}}]
    status: {conditions: [{type: Ready, status: "True"}]}
    ---
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: shop, namespace: istio-system}
    spec:
      secretName: shop-cert-tls
      dnsNames: [shop.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions: [{type: Ready, status: "True", reason: Ready}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-tls, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    ```finding
    critical: Gateway shop/web spec.servers[0].tls.credentialName
    hosts: shop.example.com
    Gateway shop/web server 443 (https) asks for Secret istio-system/shop-cert, which does not
    exist; Certificate istio-system/shop is ready and names its hosts, but writes its Secret as
    shop-cert-tls. HTTPS fails for these hosts.
    ```

    The Certificate's own name does not matter:

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
    apiVersion: cert-manager.io/v1
    kind: ClusterIssuer
    metadata: {name: letsencrypt}
    spec:
      acme:
        server: https://acme-v02.api.letsencrypt.org/directory
        solvers: [{http01: {ingress: {ingressClassName: istio}}}]
    status: {conditions: [{type: Ready, status: "True"}]}
    ---
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: something-else, namespace: istio-system}
    spec:
      secretName: shop-cert
      dnsNames: [shop.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions: [{type: Ready, status: "True", reason: Ready}]
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: istio.io, cert-manager integration; cert-manager.io, Certificate resource;
    istio/istio issue 18061.
    """
    for use, certificate in misnamed_certificates(mesh):
        written = certificate.spec.secret_name
        yield Finding(
            message=(
                f"{use.server} asks for {use.secret}, which does not exist; {certificate.ref} is"
                f" ready and names its hosts, but writes its Secret as {written}. HTTPS fails for"
                " these hosts."
            ),
            objects=(
                Place(use.server.gateway, use.reference.path),
                certificate.at("/spec/secretName"),
                Place(use.secret),
            ),
            identity=Identity.of(use.secret),
            hosts=use.hosts,
            evidence=(
                Evidence(text=f"{use.server} asks for {use.reference.text}"),
                Evidence(text=f"{certificate.ref} has secretName {written}", ref=certificate.ref),
            ),
            fixes=_fixes(use, certificate),
            credentials=frozenset({use.key, (certificate.namespace, written)}),
            servers=frozenset({use.server.id}),
            absences=frozenset({use.absence}),
        )


def _fixes(use: CredentialUse, certificate: Certificate) -> tuple[Fix, ...]:
    written = certificate.spec.secret_name
    in_listener = use.server.api is GatewayApi.GATEWAY_API
    field = Place(use.server.gateway, use.reference.path + ("/name" if in_listener else ""))
    text, _, _ = use.reference.text.rpartition(use.name)
    return (
        set_field(
            field,
            written if in_listener else f"{text}{written}",
            f"Let the gateway ask for {written}",
        ),
        set_field(
            certificate.at("/spec/secretName"),
            use.name,
            f"Let {certificate.ref} write {use.name}",
            risk=Risk.NEEDS_ISSUANCE,
            why="cert-manager issues a new certificate; what else uses the old Secret keeps it.",
        ),
    )
