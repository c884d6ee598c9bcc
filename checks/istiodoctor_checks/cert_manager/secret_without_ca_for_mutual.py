"""CM018."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl, name_of
from istiodoctor.finding import Evidence, Finding, Fix, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for, issuer_of
from istiodoctor.mesh.credentials.credentials import ClientCaState, ClientCaUse, client_ca_uses
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.kind import CORE, Kind
from istiodoctor.model.ref import Place, Ref


@check(
    "CM018",
    severity=Severity.CRITICAL,
    claims=Claim.NO_HANDSHAKE,
    explains={"MTLS002", "MTLS015", "SDS011"},
)
def secret_without_ca_for_mutual(mesh: Mesh) -> Iterator[Finding]:
    """A server wants client certificates, and the ACME Secret it takes its CA from has none.

    MUTUAL needs the CA of the **clients**: the Secret `<credentialName>-cacert`, else `ca.crt` in
    the server's own Secret. Certificates from ACME issuers come without `ca.crt` (or with an
    empty one): without a CA Envoy never gets the whole of what it needs, and every handshake is
    reset, with a client certificate or without.

    Fix: create the Secret `<credentialName>-cacert` with the clients' CA in `cacert`, beside the
    gateway's pods.

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
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData: {cacert: authority Clients}
    ```

    Sources: istio.io, Secure Gateways (mutual TLS); istio/istio issue 12132, pull request 11496.
    """
    for use in client_ca_uses(mesh):
        writers = certificates_for(mesh, use.namespace, use.compound_name)
        issuers = [issuer_of(mesh, each).issuer for each in writers if use.dedicated_name]
        by_acme = any(each and each.spec.acme for each in issuers)
        if by_acme and use.state is ClientCaState.MISSING:
            dedicated = Ref(CORE, "Secret", use.namespace, use.dedicated_name)
            yield Finding(
                message=(
                    f"{use.server} asks for client certificates, but there is no {dedicated}, and"
                    f" the Secret {use.namespace}/{use.compound_name} that {writers[0].ref} writes"
                    " holds no CA: ACME issuers give none. Every handshake is reset."
                ),
                objects=(
                    Place(dedicated),
                    Place(use.server.gateway, use.reference.path),
                    Place(writers[0].ref),
                ),
                identity=Identity.of(dedicated),
                hosts=frozenset(use.server.names),
                evidence=(Evidence(text=f"{use.server} has mode {use.server.mode}"),),
                fixes=(_create(use),),
                credentials=frozenset({use.key, (use.namespace, use.compound_name)}),
                servers=frozenset({use.server.id}),
                absences=frozenset({(Kind.SECRET, use.namespace, use.dedicated_name)}),
            )


def _create(use: ClientCaUse) -> Fix:
    secret = Ref(CORE, "Secret", use.namespace, use.dedicated_name)
    return Fix(
        title="Create the Secret with the clients' CA",
        commands=(
            kubectl(
                "create", "secret", "generic", name_of(secret), "--from-file=cacert=clients-ca.pem"
            ),
        ),
        verify=kubectl("get", secret),
        undo=kubectl("delete", secret),
        why="clients-ca.pem holds the CA that signs the clients' certificates.",
    )
