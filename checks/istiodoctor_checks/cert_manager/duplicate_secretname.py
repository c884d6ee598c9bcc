"""CM013."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Evidence, Finding, Fix, Identity, Risk, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.credentials.credentials import uses_by_secret
from istiodoctor.model.certmanager import Certificate
from istiodoctor.model.ref import Place
from istiodoctor_checks.fixes import get, set_field
from istiodoctor_checks.served import hosts_of, references, servers_of
from istiodoctor_checks.text import listing


@check("CM013", severity=Severity.HIGH, explains={"CERT003", "CERT005", "CM012", "CM015", "CM016"})
def duplicate_secretname(mesh: Mesh) -> Iterator[Finding]:
    """Two Certificates write the same Secret.

    Each finds the other's certificate in the Secret, calls it wrong (`IncorrectCertificate`) and
    issues its own over it. The gateway serves now one, now the other; host names fail by turns,
    and the issuer's rate limit is used up.

    Fix: one Certificate for each Secret. Put all names into one, or give the other a `secretName`
    and a server of its own.

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
      conditions: [{type: Ready, status: "True", reason: Ready}]
    ---
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: www, namespace: istio-system}
    spec:
      secretName: shop-cert
      dnsNames: [www.example.com]
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

    The same `secretName` in two namespaces makes two Secrets:

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
    apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: shop, namespace: shop}
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

    Sources: cert-manager.io, Certificate resource; cert-manager/cert-manager issues 2941, 5875,
    6992, 2099, 3990.
    """
    for (namespace, name), uses in uses_by_secret(mesh).items():
        writers = [
            each
            for each in certificates_for(mesh, namespace, name)
            if each.metadata.deletion_timestamp is None
        ]
        if len(writers) > 1:
            yield Finding(
                message=(
                    f"{listing(each.ref for each in writers)} all write {uses[0].secret}: they"
                    " overwrite each other's certificate, and the gateway serves now one, now the"
                    " other."
                ),
                objects=(
                    *(each.at("/spec/secretName") for each in writers),
                    Place(uses[0].secret),
                    *references(uses),
                ),
                identity=Identity.of(uses[0].secret),
                hosts=hosts_of(uses),
                evidence=tuple(
                    Evidence(
                        text=f"{each.ref} is for {listing(each.spec.dns_names)}", ref=each.ref
                    )
                    for each in writers
                ),
                fixes=(_one_for_all(writers),),
                credentials=frozenset({(namespace, name)}),
                servers=servers_of(uses),
            )


def _one_for_all(writers: list[Certificate]) -> Fix:
    """Put all names into the oldest Certificate; the others get Secrets that nobody else has."""
    kept, *others = sorted(writers, key=lambda each: each.age_order)
    names = list(dict.fromkeys(name for each in (kept, *others) for name in each.spec.dns_names))
    changes = (
        set_field(kept.at("/spec/dnsNames"), names, ""),
        *(
            set_field(each.at("/spec/secretName"), f"{each.spec.secret_name}-{each.name}", "")
            for each in others
        ),
    )
    return Fix(
        title=f"Put all names into {kept.ref}, and give the others Secrets of their own",
        risk=Risk.NEEDS_ISSUANCE,
        patches=tuple(patch for change in changes for patch in change.patches),
        verify=get(kept.ref),
        why="Those of the others that nothing needs any more can be deleted afterwards.",
    )
