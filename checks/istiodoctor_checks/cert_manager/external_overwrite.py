"""CM014."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Fix, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.credentials.credentials import served_credentials
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.credential import Credential
from istiodoctor.model.metadata import condition
from istiodoctor_checks.served import OTHER_WRITERS, chain_of, hosts_of, servers_of
from istiodoctor_checks.text import listing

OVERWRITTEN = frozenset({"SecretMismatch", "IncorrectIssuer", "InvalidKeyPair"})
"""Reasons by which cert-manager says that somebody else wrote its Secret."""
OTHER_MANAGERS = ("external-secrets", "kubernetes-reflector", "kubed")
"""Field managers of controllers that write Secrets again and again."""


@check(
    "CM014", severity=Severity.HIGH, explains={"CERT003", "CERT005", "CERT008", "CM011", "CM016"}
)
def external_overwrite(mesh: Mesh) -> Iterator[Finding]:
    """Something else writes the Secret that a Certificate owns.

    External Secrets, a replicating controller or a deployment pipeline puts its own certificate
    into the Secret, and cert-manager takes it back: the two overwrite each other
    (`SecretMismatch`), and the gateway serves now one certificate, now the other.

    Fix: one writer for each Secret. Leave this one out of the other tool, or delete the
    Certificate.

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
      secretName: shop-cert
      dnsNames: [shop.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions:
      - type: Issuing
        status: "True"
        reason: SecretMismatch
        lastTransitionTime: 2026-03-01T11:00:00Z
      - type: Ready
        status: "False"
        reason: SecretMismatch
        message: Existing issued Secret is not up to date
    ---
    apiVersion: v1
    kind: Secret
    metadata:
      name: shop-cert
      namespace: istio-system
      ownerReferences: [{kind: ExternalSecret, name: shop, controller: true}]
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
      secretName: shop-cert
      dnsNames: [shop.example.com]
      issuerRef: {name: letsencrypt, kind: ClusterIssuer}
    status:
      conditions: [{type: Ready, status: "True", reason: Ready}]
    ---
    apiVersion: v1
    kind: Secret
    metadata:
      name: shop-cert
      namespace: istio-system
      ownerReferences: [{kind: Certificate, name: shop, controller: true}]
    stringData:
      tls.crt: certificate for shop.example.com
      tls.key: key of shop.example.com
    ```

    Sources: cert-manager.io, Certificate resource.
    """
    for secret, uses in served_credentials(mesh):
        for certificate in certificates_for(mesh, secret.namespace, secret.name):
            others, said = _other_writers(secret), _says_overwritten(certificate)
            if others:
                yield Finding(
                    message=(
                        f"{secret.ref} is written by {certificate.ref} and by {listing(others)}:"
                        " they overwrite each other, and the gateway serves now one certificate,"
                        " now the other."
                    ),
                    objects=(chain_of(secret), certificate.at("/spec/secretName")),
                    identity=Identity.of(secret.ref),
                    hosts=hosts_of(uses),
                    evidence=(
                        Evidence(text=f"written by {listing(others)}", ref=secret.ref),
                        *(Evidence(text=f"reason {each}", ref=certificate.ref) for each in said),
                    ),
                    fixes=(
                        Fix(title=f"Leave {secret.ref} out of {listing(others)}, or let it be"),
                    ),
                    severity=None if said else Severity.MEDIUM,
                    confidence=Confidence.CERTAIN if said else Confidence.SUSPECTED,
                    credentials=frozenset({(secret.namespace, secret.name)}),
                    servers=servers_of(uses),
                )


def _other_writers(secret: Credential) -> tuple[str, ...]:
    """Return who else makes the Secret: owners and field managers that are no cert-manager."""
    owners = (each.replace("/", " ") for each in secret.owners)
    copying = (each for each in owners if each.partition(" ")[0] in OTHER_WRITERS)
    managers = (each for each in secret.managers if each.startswith(OTHER_MANAGERS))
    return tuple(dict.fromkeys((*copying, *managers)))


def _says_overwritten(certificate: Certificate) -> tuple[str, ...]:
    found = (condition(certificate.status.conditions, kind) for kind in ("Ready", "Issuing"))
    reasons = (each.reason for each in found if each)
    return tuple(each for each in dict.fromkeys(reasons) if each in OVERWRITTEN)
