"""CERT017."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.certificates.coverage import displaced_hosts
from istiodoctor_checks._served import chain_of, references


@check("CERT017", severity=Severity.HIGH, explains={"CERT019", "SDS013"})
def wrong_served_default(mesh: Mesh) -> Iterator[Finding]:
    """A host gets the certificate of another server, since its own server was left out.

    istiod leaves out a whole server when another one stands in its way (GW002, GW004). Its other
    hosts do not fail outright: a wildcard server takes their SNI and shows its own certificate,
    which does not name them.

    Fix: see the reason for which the server was left out, and mend that; then its own certificate
    is back.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: older, namespace: shop, creationTimestamp: 2025-01-01T00:00:00Z}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [www.example.com, "*"]
        tls: {mode: SIMPLE, credentialName: www-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, creationTimestamp: 2025-06-01T00:00:00Z}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [www.example.com, shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com, www.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: www-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for www.example.com
      tls.key: key of www.example.com
    ```

    ```finding
    high: Gateway shop/web spec.servers[0]
    hosts: shop.example.com
    shop.example.com is to be served by Gateway shop/web server 443 (https), which istiod leaves
    out on Pod istio-system/gateway. Gateway shop/older server 443 (https) takes it instead, with
    the certificate of Secret istio-system/www-cert, which does not name it.
    ```

    A host that the wildcard's certificate names has nothing to complain of:

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.22.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: older, namespace: shop, creationTimestamp: 2025-01-01T00:00:00Z}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [www.example.com, "*"]
        tls: {mode: SIMPLE, credentialName: www-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop, creationTimestamp: 2025-06-01T00:00:00Z}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [www.example.com, shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: shop-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for shop.example.com, www.example.com
      tls.key: key of shop.example.com
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: www-cert, namespace: istio-system}
    stringData:
      tls.crt: "certificate for www.example.com, *.example.com"
      tls.key: key of www.example.com
    ```

    Sources: istio.io, Common problems (gateways with the same host); istio/istio issues 24424,
    26972, 16573.
    """
    for displaced in displaced_hosts(mesh):
        server, use = displaced.dropped.server, displaced.answering
        credential = use.credential
        if credential:
            yield Finding(
                message=(
                    f"{displaced.host} is to be served by {server}, which istiod leaves out on"
                    f" {displaced.dropped.workload}. {use.server} takes it instead, with the"
                    f" certificate of {credential.ref}, which does not name it."
                ),
                objects=(server.place, *references((use,)), chain_of(credential)),
                identity=Identity.of(server.gateway, displaced.host),
                hosts=frozenset({displaced.host}),
                evidence=(
                    Evidence(text=f"{server} is left out: {displaced.dropped.reason.value}"),
                    *(
                        Evidence(text=f"{each} stands in its way", ref=each.gateway)
                        for each in (displaced.dropped.winner,)
                        if each
                    ),
                ),
                fixes=(Fix(title=f"Mend what keeps {server} out"),),
                credentials=frozenset({use.key}),
                servers=frozenset({server.id}),
            )
