"""DR005."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import Fixed, kubectl, name_of
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Finding, Identity, Severity
from istiodoctor.fix import Fix
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.credentials.credentials import secrets_named
from istiodoctor.mesh.gateways.credential_references import CA_SUFFIX
from istiodoctor.mesh.logs.upstream_failures import Lack, LackingCredential, lacking_credentials
from istiodoctor.model.kind import Kind
from istiodoctor.model.ref import Place
from istiodoctor.text import host_listing, listing
from istiodoctor_checks._destinations import severity_of

LACKS = {
    Lack.SECRET: "does not exist",
    Lack.PAIR: "has no certificate with its key",
    Lack.CA: "has no CA (ca.crt or cacert)",
}


@check("DR005", severity=Severity.CRITICAL, explains={"DR011", "SDS011", "HTTP015"})
def dr_credential_missing(mesh: Mesh) -> Iterator[Finding]:
    """A gateway does not get the Secret that a DestinationRule names for TLS to a backend.

    `credentialName` of a DestinationRule is looked up where the **client** runs, for a gateway in
    the namespace of its pods, not in that of the DestinationRule or of the backend. It must hold
    the CA of the backend (`ca.crt`, or a Secret of its own named `<name>-cacert`) unless
    `insecureSkipVerify` is set, and for MUTUAL a certificate with its key. Until it does, Envoy
    waits for it and answers 503 (`TLS_error: Secret is not supplied by SDS`).

    Fix: create the Secret beside the gateway pods, with `ca.crt` for SIMPLE and certificate, key
    and CA for MUTUAL.

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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop.shop.svc.cluster.local}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: MUTUAL, credentialName: client-cert}}}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: client-cert, namespace: shop}
    stringData:
      tls.crt: certificate for gateway.example.com
      tls.key: key of gateway.example.com
    ```

    ```finding
    critical: DestinationRule shop/shop spec.trafficPolicy.tls.credentialName
    hosts: shop.example.com
    DestinationRule shop/shop has Pod istio-system/gateway speak TLS (MUTUAL) with the Secret
    client-cert of its own namespace: Secret istio-system/client-cert does not exist, and requests
    for shop.example.com get 503. It is in shop.
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
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: MUTUAL, credentialName: client-cert}}}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: client-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for gateway.example.com
      tls.key: key of gateway.example.com
    ```

    ```finding
    critical: DestinationRule shop/shop spec.trafficPolicy.tls.credentialName
    hosts: shop.example.com
    DestinationRule shop/shop has Pod istio-system/gateway speak TLS (MUTUAL) with the Secret
    client-cert of its own namespace: Secret istio-system/client-cert has no CA (ca.crt or cacert),
    and requests for shop.example.com get 503.
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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: MUTUAL, credentialName: client-cert}}}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: client-cert, namespace: istio-system}
    stringData:
      tls.crt: certificate for gateway.example.com
      tls.key: key of gateway.example.com
      ca.crt: authority Backends
    ```

    The CA may be in a Secret of its own, and SIMPLE needs no more:

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
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop, namespace: shop}
    spec:
      hosts: [shop.example.com]
      gateways: [web]
      http: [{route: [{destination: {host: shop}}]}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: shop, namespace: shop}
    spec: {selector: {app: shop}, ports: [{name: https, port: 443}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: shop, namespace: shop}
    spec: {host: shop, trafficPolicy: {tls: {mode: SIMPLE, credentialName: client-cert}}}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: client-cert-cacert, namespace: istio-system}
    stringData:
      cacert: authority Backends
    ```

    Sources: istio.io, DestinationRule (ClientTLSSettings), Egress TLS Origination; istio/istio
    issue 48764.
    """
    for lacking in lacking_credentials(mesh):
        upstream, secret = lacking.upstream, lacking.secret
        place, hosts = upstream.place, upstream.use.virtual_service.spec.hosts
        if place is None:
            continue
        missing = lacking.lack is Lack.SECRET
        elsewhere = secrets_named(mesh, secret.name) if missing else ()
        yield Finding(
            message=_message(lacking, listing(each.namespace for each in elsewhere)),
            objects=(
                Place(place.ref, f"{place.path}/credentialName"),
                Place(secret),
                *map(Place, elsewhere),
                upstream.use.place,
            ),
            identity=Identity.of(secret),
            hosts=frozenset(hosts),
            evidence=(Evidence(text=f"{secret} {LACKS[lacking.lack]}", ref=secret),),
            fixes=(_fix(lacking),),
            severity=severity_of(upstream.use),
            credentials=frozenset({(secret.namespace, secret.name)}),
            absences=frozenset({(Kind.SECRET, secret.namespace, secret.name)})
            if missing
            else frozenset(),
        )


def _message(lacking: LackingCredential, elsewhere: str) -> str:
    upstream, secret = lacking.upstream, lacking.secret
    place = upstream.place.ref if upstream.place else upstream.use.place.ref
    found = f" It is in {elsewhere}." if elsewhere else ""
    return (
        f"{place} has {upstream.workload} speak TLS ({upstream.mode}) with the Secret"
        f" {secret.name} of its own namespace: {secret} {LACKS[lacking.lack]}, and requests for"
        f" {host_listing(upstream.use.virtual_service.spec.hosts)} get 503.{found}"
    )


def _fix(lacking: LackingCredential) -> Fix:
    secret = lacking.secret
    files: tuple[Fixed, ...] = ("--from-file=ca.crt=ca.pem",)
    if lacking.upstream.mode == "MUTUAL" and not secret.name.endswith(CA_SUFFIX):
        files = ("--from-file=tls.crt=client.pem", "--from-file=tls.key=client-key.pem", *files)
    create = kubectl("create", "secret", "generic", name_of(secret), *files)
    missing = lacking.lack is Lack.SECRET
    return Fix(
        title=f"{'Create' if missing else 'Make again'} {secret}",
        commands=(create,) if missing else (kubectl("delete", secret), create),
        verify=kubectl("get", secret),
        why="ca.crt is the CA that signed the backend's certificate, in PEM.",
    )
