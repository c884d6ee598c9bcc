"""MTLS005."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix, json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.client_cas import ClientCaState, ClientCaUse, client_ca_uses
from istiodoctor.mesh.credentials.credentials import credential
from istiodoctor.mesh.workloads.control_planes import istiod_version
from istiodoctor.mesh.workloads.releases import Change, is_in
from istiodoctor.model.credential import Credential
from istiodoctor.model.ref import Place


@check("MTLS005", severity=Severity.MEDIUM, explains={"MTLS015", "MTLS016"})
def client_ca_shadowed(mesh: Mesh) -> Iterator[Finding]:
    """Two Secrets hold different client CAs, and only one of them is used.

    istiod takes the clients' CA from `<credentialName>-cacert`; the CA in the server's own Secret
    is then ignored. Releases before 1.9 did it the other way round. Clients whose certificates
    come from the CA that does not count are refused, and a CA that is renewed in the wrong place
    changes nothing.

    A `ca.crt` beside a server certificate that it has issued, as cert-manager writes it, is not
    meant for clients and no conflict.

    Fix: keep the CA in one place.

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
      ca.crt: authority Partners
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData:
      cacert: authority Clients
    ```

    ```finding
    medium: Secret istio-system/shop-cert data["ca.crt"]
    hosts: shop.example.com
    Secret istio-system/shop-cert-cacert and Secret istio-system/shop-cert hold different CAs for
    the clients of Gateway shop/web server 443 (https); only Secret istio-system/shop-cert-cacert
    counts, and clients of the other one are refused.
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
      ca.crt: authority Clients
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData:
      cacert: authority Clients
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
      tls.crt: certificate for shop.example.com; issued by House
      tls.key: key of shop.example.com
      ca.crt: authority House
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert-cacert, namespace: istio-system}
    stringData:
      cacert: authority Clients
    ```

    Sources: istio.io, Secure Gateways, Key formats; release notes of Istio 1.9.
    """
    for use in client_ca_uses(mesh):
        own = credential(mesh, use.namespace, use.compound_name)
        if own and use.source and _differ(use, own):
            version = istiod_version(mesh, use.workload)
            reversed_order = version is not None and not is_in(version, Change.DEDICATED_CA_FIRST)
            taken, ignored = (own, use.source) if reversed_order else (use.source, own)
            yield Finding(
                message=(
                    f"{taken.ref} and {ignored.ref} hold different CAs for the clients of"
                    f" {use.server}; only {taken.ref} counts, and clients of the other one are"
                    f" refused."
                ),
                objects=(
                    Place(ignored.ref, f"/data/{ignored.ca_key}"),
                    Place(taken.ref, f"/data/{taken.ca_key}"),
                    Place(use.server.gateway, use.reference.path),
                ),
                identity=Identity.of(own.ref),
                hosts=frozenset(use.server.names),
                evidence=tuple(
                    Evidence(text=f"holds {each.ca_bundle.certificates[0].subject}", ref=each.ref)
                    for each in (taken, ignored)
                ),
                fixes=(_fix(ignored),),
                severity=Severity.HIGH if reversed_order else Severity.MEDIUM,
                credentials=frozenset({use.key, (own.namespace, own.name)}),
                servers=frozenset({use.server.id}),
            )


def _differ(use: ClientCaUse, own: Credential) -> bool:
    """Whether the server's own Secret has a CA for clients that the dedicated one lacks."""
    if use.state is not ClientCaState.FOUND or use.source is None or use.source is own:
        return False
    here, there = (
        {each.fingerprint_sha256 for each in secret.ca_bundle.certificates}
        for secret in (own, use.source)
    )
    pair = own.pair
    issuers = {each.issuer for each in pair.chain.certificates} if pair else set()
    is_of_the_server = any(each.subject in issuers for each in own.ca_bundle.certificates)
    return bool(there) and not here <= there and not is_of_the_server


def _fix(ignored: Credential) -> Fix:
    return json_patch(
        ignored.ref,
        [{"op": "remove", "path": f"/data/{ignored.ca_key}"}],
        f"Remove {ignored.ca_key} from {ignored.ref}",
        why="Move the certificates that clients still need into the other Secret before.",
    )
