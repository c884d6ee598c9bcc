"""SNI008."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import json_patch
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.certificates.connection_coalescing import unserved_www_names
from istiodoctor.mesh.observations.verification import Claim
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing


@check("SNI008", severity=Severity.MEDIUM, claims=Claim.UNSERVED, explains={"SNI012"})
def sni_no_server(mesh: Mesh) -> Iterator[Finding]:
    """A certificate covers a host with or without `www`, but no server has that name.

    The gateway chooses a server by the name that the client asks for. The certificate was made
    for `example.com` and `www.example.com`, and the server has only one of them: for the other
    one there is no filter chain, and the handshake is reset before any certificate is shown.

    Fix: add the name to the server's hosts, and to the VirtualService's.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for example.com, www.example.com
      tls.key: key of example.com
    ```

    ```finding
    low: Gateway istio-system/web spec.servers[0].hosts
    hosts: www.example.com
    Secret istio-system/shop-cert is valid for www.example.com, but Gateway istio-system/web server
    443 (https) has only example.com and no other server has it: the handshake for www.example.com
    is reset.
    ```

    Other names in a certificate may well be served elsewhere, and a wildcard server has them all:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: istio-system}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [example.com, "*.example.com"]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for example.com, www.example.com, mail.example.com
      tls.key: key of example.com
    ```

    Sources: istio.io, Secure Gateways, Network Problems; istio/istio issue 31423.
    """
    for counterpart in unserved_www_names(mesh):
        yield Finding(
            message=(
                f"{counterpart.credential.ref} is valid for {counterpart.name}, but"
                f" {counterpart.server} has only {host_listing(counterpart.server.names)} and no"
                f" other server has it: the handshake for {counterpart.name} is reset."
            ),
            objects=(counterpart.server.field("/hosts"), Place(counterpart.credential.ref)),
            identity=Identity.of(counterpart.server.gateway, counterpart.name),
            hosts=frozenset({counterpart.name}),
            evidence=(
                Evidence(
                    text=f"{counterpart.credential.ref} covers {counterpart.name}",
                    ref=counterpart.credential.ref,
                ),
            ),
            fixes=(
                json_patch(
                    counterpart.server.gateway,
                    [
                        {
                            "op": "add",
                            "path": f"{counterpart.server.path}/hosts/-",
                            "value": counterpart.name,
                        }
                    ],
                    f"Add {counterpart.name} to {counterpart.server}",
                    why="Its VirtualService needs the host too, or requests get 404.",
                ),
            ),
            severity=None if counterpart.is_plain_served else Severity.LOW,
            credentials=frozenset(
                {(counterpart.credential.namespace, counterpart.credential.name)}
            ),
            servers=frozenset({counterpart.server.id}),
        )
