"""CERT006."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.finding import Confidence, Evidence, Finding, Identity, Severity
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.cert_manager.issuance import certificates_for
from istiodoctor.mesh.certificates.trust import Knowledge, missing_intermediates
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor_checks.served import chain_of, hosts_of, mend, references, servers_of


@check("CERT006", severity=Severity.HIGH, claims=Claim.STORED_CERTIFICATE, explains={"CERT020"})
def missing_intermediate(mesh: Mesh) -> Iterator[Finding]:
    """The gateway presents a certificate without the intermediate that signed it.

    Browsers often find the intermediate by themselves, from a cache or by downloading it; curl,
    Java and mobile clients do not: `unable to get local issuer certificate`. Envoy sends what
    stands in `tls.crt` (or `cert`), and nothing else: intermediates in `ca.crt` are for checking
    client certificates and never sent.

    A private root that signs server certificates directly needs no intermediate; where it cannot
    be told apart, the finding says that it is suspected.

    Fix: put the full chain into `tls.crt`: the certificate first, then its intermediates, without
    the root.

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
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com; leaf only
      tls.key: key of shop.example.com
      ca.crt: intermediate
    ```

    A private root that signs directly, and is there to check client certificates:

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
    stringData:
      tls.crt: certificate for shop.example.com; issued by Shop Root
      tls.key: key of shop.example.com
      ca.crt: authority Shop Root
    ```

    Sources: istio.io, Secure Gateways; RFC 8446 section 4.4.2; istio/istio issues 38152, 10001,
    46995.
    """
    for served, knowledge in missing_intermediates(mesh):
        leaf, secret = served.leaf, served.credential
        writers = certificates_for(mesh, secret.namespace, secret.name)
        sure = knowledge is not Knowledge.LIKELY
        yield Finding(
            message=(
                f"{chain_of(secret)} holds the certificate but not its issuer {leaf.issuer}"
                f"{KNOWN[knowledge]}. Clients that do not have it by chance, like curl and Java,"
                f" {'refuse' if sure else 'would refuse'} the certificate."
            ),
            objects=(chain_of(secret), *references(served.uses)),
            identity=Identity.of(secret.ref),
            hosts=hosts_of(served.uses),
            evidence=(
                Evidence(
                    text=f"certificates in it: {len(served.pair.chain.certificates)}",
                    ref=secret.ref,
                ),
            ),
            fixes=(
                mend(secret, writers, "Serve the full chain: intermediates after the certificate"),
            ),
            confidence=Confidence.CERTAIN if sure else Confidence.SUSPECTED,
            credentials=frozenset({(secret.namespace, secret.name)}),
            servers=servers_of(served.uses),
        )


KNOWN = {
    Knowledge.IN_CA_VALUE: ", which stands in the Secret's CA value and is not sent from there",
    Knowledge.IN_OTHER_CHAIN: ", an intermediate that another Secret holds",
    Knowledge.PUBLIC: ", an intermediate of a public CA",
    Knowledge.LIKELY: ", which by its name is an intermediate or is not trusted as it is",
}
